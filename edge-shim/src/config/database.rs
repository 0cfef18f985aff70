//! `DATABASE_URL`, with libpq's meaning of `sslmode` where the driver knows fewer values.

use std::fmt;
use std::path::PathBuf;

use tokio_postgres::config::{Host, SslMode};

use crate::store::tls::Trust;

/// The database to store in. Its `Debug` shows neither password nor any other part.
#[derive(Clone)]
pub struct Database {
    /// Host, user, password, database name.
    pub target: tokio_postgres::Config,
    /// Whom to trust once the connection is encrypted.
    pub tls: Trust,
}

/// What `DATABASE_URL` says about TLS.
#[derive(Default)]
struct Tls {
    mode: Option<String>,
    root: Option<PathBuf>,
}

impl Database {
    /// Reads a connection string, as a URL or as key=value pairs. The error never quotes it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, tls) = take_tls(text);
        let mut target: tokio_postgres::Config = rest.parse().map_err(|_| {
            "is not a PostgreSQL connection string (postgres://user:password@host:5432/database; special characters of \
             the password percent-encoded). Its value is not shown, it may hold a password"
                .to_owned()
        })?;
        if target.get_hosts().is_empty() {
            return Err("names no host; for a local socket write host=/var/run/postgresql".to_owned());
        }
        let root = tls.root;
        let (mode, trust) = match tls.mode.as_deref() {
            Some("disable") => (SslMode::Disable, Trust::Anyone),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Trust::Anyone),
            // libpq: with a root certificate, `require` means `verify-ca`. Host names are checked here as well.
            Some("require") if root.is_none() => (SslMode::Require, Trust::Anyone),
            Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, Trust::Certificate(root)),
            Some(_) => {
                return Err(
                    "has an unknown sslmode: use disable, prefer, require, verify-ca or verify-full"
                        .to_owned(),
                );
            }
        };
        // As in libpq: a local socket is never encrypted, whatever sslmode says.
        let local = target
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        target.ssl_mode(if local { SslMode::Disable } else { mode });
        Ok(Self { target, tls: trust })
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            target: tokio_postgres::Config::new(),
            tls: Trust::Anyone,
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Database(hidden)")
    }
}

/// Splits off `sslmode` and `sslrootcert`, which the driver does not know in full.
fn take_tls(text: &str) -> (String, Tls) {
    let mut tls = Tls::default();
    let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if !is_url {
        let kept: Vec<&str> = text.split_whitespace().filter(|pair| !tls.takes(pair)).collect();
        // Put together again only if something was taken: spaces inside a quoted password must stay as they are.
        let untouched = tls.mode.is_none() && tls.root.is_none();
        return (
            if untouched {
                text.to_owned()
            } else {
                kept.join(" ")
            },
            tls,
        );
    }
    let Some((base, query)) = text.split_once('?') else {
        return (text.to_owned(), tls);
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !tls.takes(pair)).collect();
    let rest = if kept.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", kept.join("&"))
    };
    (rest, tls)
}

impl Tls {
    fn takes(&mut self, pair: &str) -> bool {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => self.mode = Some(mode.trim_matches('\'').to_owned()),
            Some(("sslrootcert", "system")) => self.root = None,
            Some(("sslrootcert", path)) => {
                self.root = Some(PathBuf::from(path.trim_matches('\'').replace("%2F", "/")))
            }
            _ => return false,
        }
        true
    }
}
