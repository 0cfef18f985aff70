//! `DATABASE_URL`, with libpq's meaning of `sslmode` where the driver knows fewer values.

use std::fmt;

use tokio_postgres::config::{Host, SslMode};

use super::parameters::Parameters;
use crate::store::tls::Trust;

/// The database to store in. Its `Debug` shows neither password nor any other part.
#[derive(Clone)]
pub struct Database {
    /// Host, user, password, database name.
    pub target: tokio_postgres::Config,
    /// Whom to trust once the connection is encrypted.
    pub tls: Trust,
    /// The names of parameters that mean nothing here.
    pub ignored: Vec<String>,
}

impl Database {
    /// Reads a connection string, as a URL or as key=value pairs. The error never quotes it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Parameters {
            rest,
            mode,
            root,
            ignored,
        } = Parameters::read(text)?;
        let mut target: tokio_postgres::Config = rest.parse().map_err(|_| Parameters::not_understood())?;
        if target.get_hosts().is_empty() {
            return Err("names no host; for a local socket write host=/var/run/postgresql".to_owned());
        }
        let (mode, trust) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Anyone),
            // libpq: with a root certificate, `require` means `verify-ca`. Host names are checked here as well.
            Some("require") if root.is_none() => (SslMode::Require, Trust::Anyone),
            Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, Trust::Certificate(root)),
            _ => (SslMode::Prefer, Trust::Anyone),
        };
        // As in libpq: a local socket is never encrypted, whatever sslmode says.
        let local = target
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        target.ssl_mode(if local { SslMode::Disable } else { mode });
        Ok(Self {
            target,
            tls: trust,
            ignored,
        })
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            target: tokio_postgres::Config::new(),
            tls: Trust::Anyone,
            ignored: Vec::new(),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Database(hidden)")
    }
}
