//! Whether pg_net, where it is installed, can send for this database: its library is preloaded, its worker serves this database, and
//! the owner of our tables may use it.

use crate::db::server_settings::server_setting;
use crate::db::{self, Session, owner, result_row, statements};
use crate::error::Result;

statements! {
    query find_lacking_rights(role: &str) -> Lacking = file "outbox/pg_net_rights.sql";
}

result_row! {
    struct Lacking {
        statement: Option<String>,
        granter: Option<String>,
    }
}

/// Why pg_net sends nothing from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It is not in `shared_preload_libraries`: it has no worker.
    NotPreloaded,
    /// Its one worker serves another database.
    OtherDatabase(String),
    /// The owner of the tables may not use it.
    NoRights {
        owner: String,
        /// What gives them.
        grants: Vec<String>,
        /// Whose rights that takes.
        granter: String,
    },
}

/// What hinders pg_net; of an installed one only.
///
/// # Errors
/// Those of the database.
pub fn hindrance(session: &Session) -> Result<Option<Hindrance>> {
    // A setting of its library's: the server knows it only where that is loaded.
    let Some(serves) = server_setting("pg_net.database_name") else {
        return Ok(Some(Hindrance::NotPreloaded));
    };
    if serves != db::current_database() {
        return Ok(Some(Hindrance::OtherDatabase(serves)));
    }
    let Some(owner) = owner::name_of_table_owner() else {
        return Ok(None);
    };
    let lacking = find_lacking_rights(session, &owner)?.all()?;
    let granter = lacking.first().and_then(|one| one.granter.clone());
    Ok(granter.map(|granter| Hindrance::NoRights {
        owner,
        grants: lacking.into_iter().filter_map(|one| one.statement).collect(),
        granter,
    }))
}
