//! Configuration from environment variables. Every problem is found in one go and named; no secret's value is ever shown.

mod database;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

pub use database::Database;

use crate::providers::{Provider, REGISTRY};
use crate::signature::Secret;
use crate::store;

/// How long a request's body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Everything the program needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub database: Database,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Every provider of the registry, with its secrets.
    pub providers: Vec<ProviderSettings>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes in one body.
    pub max_body_bytes: usize,
    /// Bytes of all bodies held at once.
    pub max_buffered_bytes: usize,
    /// How long one body may take.
    pub body_time: Duration,
    /// Connections that store webhooks.
    pub db_connections: usize,
    /// Webhooks in one insert.
    pub max_batch: usize,
    /// Webhook requests served at once.
    pub max_in_flight: usize,
    /// How long storing one webhook may take.
    pub store_timeout: Duration,
    /// How long a graceful stop may take.
    pub shutdown_timeout: Duration,
}

/// One provider's settings.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The provider.
    pub provider: &'static Provider,
    /// Its secrets; with none, its webhooks are answered 503.
    pub secrets: Vec<Secret>,
    /// Where it may send from; empty allows any address.
    pub allowed_ips: Vec<IpNet>,
}

/// An environment variable, as `--help` shows it.
struct Variable {
    name: &'static str,
    default: &'static str,
    meaning: &'static str,
}

const DATABASE_URL: Variable = Variable {
    name: "DATABASE_URL",
    default: "required",
    meaning: "PostgreSQL connection: postgres://user:password@host:5432/database, or key=value pairs. \
              sslmode: disable, prefer (default), require, verify-ca, verify-full; sslrootcert: a PEM file",
};
const LISTEN_ADDR: Variable = Variable {
    name: "LISTEN_ADDR",
    default: "127.0.0.1:8080",
    meaning: "address and port to listen on",
};
const TRUSTED_PROXIES: Variable = Variable {
    name: "TRUSTED_PROXIES",
    default: "none",
    meaning: "comma-separated addresses or networks of proxies whose X-Forwarded-For counts",
};
const MAX_BODY_BYTES: Variable = Variable {
    name: "MAX_BODY_BYTES",
    default: "10485760",
    meaning: "bytes in one body; more is answered 413",
};
const MAX_BUFFERED_BYTES: Variable = Variable {
    name: "MAX_BUFFERED_BYTES",
    default: "268435456",
    meaning: "bytes of all bodies held in memory at once; more is answered 503",
};
const DB_CONNECTIONS: Variable = Variable {
    name: "DB_CONNECTIONS",
    default: "4",
    meaning: "database connections that store webhooks (one more is used by /readyz)",
};
const MAX_BATCH: Variable = Variable {
    name: "MAX_BATCH",
    default: "128",
    meaning: "webhooks in one insert, at most",
};
const MAX_IN_FLIGHT: Variable = Variable {
    name: "MAX_IN_FLIGHT",
    default: "512",
    meaning: "webhook requests served at once; more are answered 503",
};
const STORE_TIMEOUT_MS: Variable = Variable {
    name: "STORE_TIMEOUT_MS",
    default: "4500",
    meaning: "milliseconds that storing a webhook may take before 503 (Shopify waits 5000 in all)",
};
const SHUTDOWN_TIMEOUT_MS: Variable = Variable {
    name: "SHUTDOWN_TIMEOUT_MS",
    default: "15000",
    meaning: "milliseconds that finishing accepted requests may take after SIGTERM or SIGINT",
};

impl Config {
    /// Reads the configuration through `lookup` (in the program: the environment). A blank value counts as not set.
    pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut reader = Reader {
            lookup,
            problems: Problems(Vec::new()),
        };
        let database = reader.database();
        let config = Self {
            listen: reader.listen(),
            providers: reader.providers(),
            trusted_proxies: reader.networks(TRUSTED_PROXIES.name),
            max_body_bytes: reader.number(&MAX_BODY_BYTES, 1..=256 << 20),
            max_buffered_bytes: reader.number(&MAX_BUFFERED_BYTES, 1..=1 << 40),
            body_time: BODY_TIME,
            db_connections: reader.number(&DB_CONNECTIONS, 1..=500),
            max_batch: reader.number(&MAX_BATCH, 1..=10_000),
            max_in_flight: reader.number(&MAX_IN_FLIGHT, 1..=65_536),
            store_timeout: reader.millis(&STORE_TIMEOUT_MS),
            shutdown_timeout: reader.millis(&SHUTDOWN_TIMEOUT_MS),
            database: database.clone().unwrap_or_default(),
        };
        if config.max_buffered_bytes < config.max_body_bytes {
            reader.problem(
                MAX_BUFFERED_BYTES.name,
                "must not be less than MAX_BODY_BYTES".to_owned(),
            );
        }
        if reader.problems.0.is_empty() {
            Ok(config)
        } else {
            Err(reader.problems)
        }
    }

    /// How the store works under this configuration. No more webhooks can wait than requests can be in flight.
    pub fn store_limits(&self) -> store::Limits {
        store::Limits {
            writers: self.db_connections,
            max_batch: self.max_batch,
            queue: self.max_in_flight,
            wait: self.store_timeout,
        }
    }
}

/// What is wrong with the environment: variable and reason for each.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(Vec<(String, String)>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("edge-shim cannot start:")?;
        for (variable, why) in &self.0 {
            write!(formatter, "\n  {variable}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The text of `--help`: every variable with its meaning and default.
pub fn help() -> String {
    let mut text = String::from(
        "edge-shim checks the signature of webhooks, stores their bytes in raw_ops, answers.\n\n\
         Usage: edge-shim [--help | --version]\n\nEnvironment variables (default in brackets):\n",
    );
    let mut add = |name: &str, default: &str, meaning: &str| {
        text.push_str(&format!("  {name:<24} {meaning} [{default}]\n"));
    };
    for variable in [&DATABASE_URL, &LISTEN_ADDR] {
        add(variable.name, variable.default, variable.meaning);
    }
    for provider in REGISTRY {
        let secrets = format!(
            "comma-separated secrets of {}; any of them is accepted. Without one its webhooks are answered 503",
            provider.name
        );
        add(provider.secret_variable, "none", &secrets);
        let addresses = format!(
            "comma-separated addresses or networks that {} may send from",
            provider.name
        );
        add(provider.allowed_ips_variable, "any", &addresses);
    }
    for variable in [
        &TRUSTED_PROXIES,
        &MAX_BODY_BYTES,
        &MAX_BUFFERED_BYTES,
        &DB_CONNECTIONS,
        &MAX_BATCH,
        &MAX_IN_FLIGHT,
        &STORE_TIMEOUT_MS,
        &SHUTDOWN_TIMEOUT_MS,
    ] {
        add(variable.name, variable.default, variable.meaning);
    }
    text.truncate(text.trim_end().len());
    text
}

struct Reader<L> {
    lookup: L,
    problems: Problems,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn problem(&mut self, variable: &str, why: String) {
        self.problems.0.push((variable.to_owned(), why));
    }

    fn value(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn list(&self, variable: &str) -> Vec<String> {
        let value = self.value(variable).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn database(&mut self) -> Option<Database> {
        let Some(value) = self.value(DATABASE_URL.name) else {
            self.problem(DATABASE_URL.name, "is not set".to_owned());
            return None;
        };
        match Database::parse(&value) {
            Ok(database) => Some(database),
            Err(why) => {
                self.problem(DATABASE_URL.name, why);
                None
            }
        }
    }

    fn listen(&mut self) -> SocketAddr {
        let fallback = SocketAddr::from(([127, 0, 0, 1], 8080));
        let Some(value) = self.value(LISTEN_ADDR.name) else {
            return fallback;
        };
        value.parse().unwrap_or_else(|_| {
            let why = format!(
                "`{value}` is not an address with a port, such as {}",
                LISTEN_ADDR.default
            );
            self.problem(LISTEN_ADDR.name, why);
            fallback
        })
    }

    fn providers(&mut self) -> Vec<ProviderSettings> {
        REGISTRY
            .iter()
            .map(|provider| ProviderSettings {
                provider,
                secrets: self
                    .list(provider.secret_variable)
                    .into_iter()
                    .map(Secret::new)
                    .collect(),
                allowed_ips: self.networks(provider.allowed_ips_variable),
            })
            .collect()
    }

    fn networks(&mut self, variable: &str) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for entry in self.list(variable) {
            let parsed = entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            match parsed {
                Ok(network) => networks.push(network),
                Err(_) => {
                    let why = format!("`{entry}` is neither an address nor a network such as 192.0.2.0/24");
                    self.problem(variable, why);
                }
            }
        }
        networks
    }

    fn number(&mut self, variable: &Variable, allowed: RangeInclusive<usize>) -> usize {
        let value = self
            .value(variable.name)
            .unwrap_or_else(|| variable.default.to_owned());
        match value.parse() {
            Ok(number) if allowed.contains(&number) => number,
            _ => {
                let why = format!(
                    "`{value}` is not a whole number from {} to {}",
                    allowed.start(),
                    allowed.end()
                );
                self.problem(variable.name, why);
                *allowed.start()
            }
        }
    }

    fn millis(&mut self, variable: &Variable) -> Duration {
        let millis = self.number(variable, 10..=3_600_000);
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}
