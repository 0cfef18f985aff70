//! Who sends: one file a carrier; and which of them is in force.

pub mod builtin;
pub mod pg_net;
pub mod pg_net_use;

use crate::config::{self, Carrier};
use crate::db::{Session, statements};
use crate::error::Result;

/// The carrier to use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    Builtin,
    PgNet,
}

impl InForce {
    pub fn as_str(self) -> &'static str {
        match self {
            InForce::Builtin => "builtin",
            InForce::PgNet => "pg_net",
        }
    }
}

statements! {
    query has_pg_net() -> bool = text
        "select exists (select from pg_catalog.pg_extension where extname = 'pg_net')";
}

/// As `raw_ops.carrier` says; `auto` takes pg_net where it is installed in this database and can send for it.
pub fn carrier_in_force(session: &Session) -> Result<InForce> {
    match config::carrier() {
        Carrier::Builtin => Ok(InForce::Builtin),
        Carrier::PgNet => Ok(InForce::PgNet),
        Carrier::Auto => Ok(match has_pg_net(session)?.first()? {
            Some(true) if pg_net_use::hindrance(session)?.is_none() => InForce::PgNet,
            _ => InForce::Builtin,
        }),
    }
}
