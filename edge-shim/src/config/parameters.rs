//! The parameters of `DATABASE_URL`: those of the driver, those of TLS, those that hosters and other clients write and that mean nothing
//! here. An unknown one is named, unless it may be a piece of a password.

use std::path::PathBuf;

/// What the driver reads itself.
const DRIVERS: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// What connection strings carry for the pools, prepared statements and schemas of other clients. This program has its own pool
/// (`DB_CONNECTIONS`), names no statement and no schema but raw_ops.
const MEANINGLESS: &[&str] = &[
    // Prisma, and the hosters that write for it
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
    "schema",
    "statement_cache_size",
    // Supabase and Vercel
    "supa",
    "workaround",
    "pool_mode",
    // asyncpg, SQLAlchemy, psycopg
    "prepared_statement_cache_size",
    "prepare_threshold",
    "fallback_application_name",
    "gssencmode",
    // JDBC
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "currentSchema",
    "ApplicationName",
    // Rails, Heroku
    "pool",
    "prepared_statements",
    "encoding",
    "reaping_frequency",
    // node-postgres
    "uselibpqcompat",
    "client_encoding",
    // Go
    "pool_max_conns",
    "pool_min_conns",
    "default_query_exec_mode",
];

const NOT_UNDERSTOOD: &str = "is not a PostgreSQL connection string (postgres://user:password@host:5432/database; special \
    characters of the password percent-encoded, or key=value pairs, blanks in quotes). Its value is not shown, it may hold a password";

/// A connection string, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// What the driver reads.
    pub rest: String,
    /// `sslmode`, as libpq means it.
    pub mode: Option<String>,
    /// `sslrootcert`, a file.
    pub root: Option<PathBuf>,
    /// The names of what means nothing here.
    pub ignored: Vec<String>,
}

/// What is wrong with a parameter.
enum Wrong {
    Unknown,
    Value(&'static str),
}

impl Parameters {
    /// Takes a connection string apart. The error never quotes a value.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        if is_url {
            Self::of_url(text)
        } else {
            Self::of_pairs(text)
        }
    }

    /// The driver refused what was left for it.
    pub fn not_understood() -> String {
        NOT_UNDERSTOOD.to_owned()
    }

    fn of_url(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let Some((base, query)) = text.split_once('?') else {
            found.rest = text.to_owned();
            return Ok(found);
        };
        // A question mark in the password: what follows is no query.
        if query.contains('@') {
            return Err(NOT_UNDERSTOOD.to_owned());
        }
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match found.take(name, &value.replace("%2F", "/")) {
                Ok(true) => {}
                Ok(false) => kept.push(pair),
                Err(wrong) => return Err(wrong.named(name)),
            }
        }
        found.rest = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        };
        Ok(found)
    }

    fn of_pairs(text: &str) -> Result<Self, String> {
        let mut found = Self::default();
        let mut kept = Vec::new();
        let mut rest = text.trim();
        let mut after_bare_password = false;
        while !rest.is_empty() {
            let (pair, behind) = Pair::first_of(rest).ok_or(NOT_UNDERSTOOD)?;
            match found.take(pair.name, pair.value.trim_matches('\'')) {
                Ok(true) => {}
                Ok(false) => kept.push(pair.whole),
                // It may be the end of a password with blanks.
                Err(_) if after_bare_password => return Err(NOT_UNDERSTOOD.to_owned()),
                Err(wrong) => return Err(wrong.named(pair.name)),
            }
            after_bare_password |= pair.name == "password" && !pair.value.starts_with('\'');
            rest = behind.trim_start();
        }
        found.rest = kept.join(" ");
        Ok(found)
    }

    /// True if the parameter is not the driver's.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Wrong> {
        match (name, value) {
            ("sslmode", "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full") => {
                self.mode = Some(value.to_owned());
            }
            ("sslmode", _) => return Err(Wrong::Value("disable, prefer, require, verify-ca or verify-full")),
            ("sslrootcert", "system") => self.root = None,
            ("sslrootcert", file) => self.root = Some(PathBuf::from(file)),
            // As other clients say it.
            ("ssl", "true" | "1" | "no-verify") => {
                self.mode.get_or_insert_with(|| "require".to_owned());
            }
            ("ssl", "false" | "0") => {
                self.mode.get_or_insert_with(|| "disable".to_owned());
            }
            ("ssl", _) => return Err(Wrong::Value("true or false; or use sslmode")),
            ("sslaccept", "strict") => self.mode = Some("verify-full".to_owned()),
            ("sslaccept", "accept_invalid_certs") => self.ignored.push(name.to_owned()),
            ("sslaccept", _) => return Err(Wrong::Value("strict or accept_invalid_certs; or use sslmode")),
            _ if DRIVERS.contains(&name) => return Ok(false),
            _ if MEANINGLESS.contains(&name) => self.ignored.push(name.to_owned()),
            _ => return Err(Wrong::Unknown),
        }
        Ok(true)
    }
}

impl Wrong {
    fn named(self, name: &str) -> String {
        let is_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > 63 || !name.bytes().all(is_a_name) {
            return NOT_UNDERSTOOD.to_owned();
        }
        match self {
            Self::Unknown => format!("has a parameter that is not known here: {name}. Take it out"),
            Self::Value(allowed) => format!("has an unknown value of {name}: use {allowed}"),
        }
    }
}

/// One `key = value`, the value perhaps in quotes, as libpq reads it.
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
    whole: &'a str,
}

impl<'a> Pair<'a> {
    fn first_of(text: &'a str) -> Option<(Self, &'a str)> {
        let (name, behind) = text.split_once('=')?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        let start = text.len() - behind.trim_start().len();
        let quoted = text[start..].starts_with('\'');
        let mut escaped = false;
        let end = text[start..]
            .char_indices()
            .skip(usize::from(quoted))
            .find(|(_, char)| {
                let ends = !escaped
                    && if quoted {
                        *char == '\''
                    } else {
                        char.is_whitespace()
                    };
                escaped = !escaped && *char == '\\';
                ends
            })
            .map(|(at, _)| start + at + usize::from(quoted));
        let end = match end {
            Some(end) => end,
            None if quoted => return None,
            None => text.len(),
        };
        let pair = Self {
            name,
            value: &text[start..end],
            whole: &text[..end],
        };
        Some((pair, &text[end..]))
    }
}
