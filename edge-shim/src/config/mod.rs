//! Configuration from environment variables. Every problem is found in one go and named; no secret's value is ever shown.

mod database;
mod parameters;
mod secrets;
mod variables;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

pub use database::Database;

use variables::*;

use crate::connection;
use crate::providers::{Provider, REGISTRY, SecretsByShop};
use crate::signature::Secret;
use crate::store;

/// Connections for each request that may be in flight, where `MAX_CONNECTIONS` does not say.
const CONNECTIONS_PER_REQUEST: usize = 4;

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
    /// Bytes a second of a body, below which it is not waited for.
    pub min_body_rate: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Of connections and requests, once all are taken, for one client: percent.
    pub client_share: usize,
    /// How long a connection's first byte, and the rest of a request's headers, may take.
    pub header_time: Duration,
    /// How long a connection may stay between two requests.
    pub idle_time: Duration,
    /// How long an answer may wait for its client to take a byte of it.
    pub write_time: Duration,
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

impl Config {
    /// Reads the configuration through `lookup` (in the program: the environment). A blank value counts as not set.
    pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut reader = Reader {
            lookup,
            problems: Problems(Vec::new()),
        };
        let database = reader.database();
        let max_in_flight = reader.number(&MAX_IN_FLIGHT, 1..=65_536);
        let usual_connections = max_in_flight.saturating_mul(CONNECTIONS_PER_REQUEST);
        let config = Self {
            listen: reader.listen(),
            providers: reader.providers(),
            trusted_proxies: reader.networks(TRUSTED_PROXIES.name),
            max_body_bytes: reader.number(&MAX_BODY_BYTES, 1..=256 << 20),
            max_buffered_bytes: reader.number(&MAX_BUFFERED_BYTES, 1..=1 << 40),
            body_time: reader.millis(&BODY_TIMEOUT_MS),
            min_body_rate: reader.number(&MIN_BODY_RATE, 0..=1 << 30),
            max_connections: reader.number_or(&MAX_CONNECTIONS, 2..=1 << 20, usual_connections),
            client_share: reader.number(&CLIENT_SHARE_PERCENT, 1..=100),
            header_time: reader.millis(&HEADER_TIMEOUT_MS),
            idle_time: reader.millis(&IDLE_TIMEOUT_MS),
            write_time: reader.millis(&WRITE_TIMEOUT_MS),
            db_connections: reader.number(&DB_CONNECTIONS, 1..=500),
            max_batch: reader.number(&MAX_BATCH, 1..=10_000),
            max_in_flight,
            store_timeout: reader.millis(&STORE_TIMEOUT_MS),
            shutdown_timeout: reader.millis(&SHUTDOWN_TIMEOUT_MS),
            database: database.clone().unwrap_or_default(),
        };
        if config.max_connections <= config.max_in_flight {
            reader.problem(
                MAX_CONNECTIONS.name,
                "must be more than MAX_IN_FLIGHT: else requests that are served leave no connection for a new one".to_owned(),
            );
        }
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

    /// What one client may hold of so many places.
    pub fn share_of(&self, places: usize) -> usize {
        (places.saturating_mul(self.client_share) / 100).max(1)
    }

    /// How long clients may keep connections waiting.
    pub fn connection_limits(&self) -> connection::Limits {
        connection::Limits {
            header_time: self.header_time,
            idle_time: self.idle_time,
            write_time: self.write_time,
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
    for variable in FIRST {
        add(variable.name, variable.default, variable.meaning);
    }
    for provider in REGISTRY {
        for (variable, meaning) in secrets::help(provider) {
            add(variable, "none", &meaning);
        }
        let addresses = format!(
            "comma-separated addresses or networks that {} may send from",
            provider.name
        );
        add(provider.allowed_ips_variable, "any", &addresses);
    }
    for variable in LAST {
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
                secrets: self.secrets(provider),
                allowed_ips: self.networks(provider.allowed_ips_variable),
            })
            .collect()
    }

    fn secrets(&mut self, provider: &Provider) -> Vec<Secret> {
        let entries = self.list(provider.secret_variable);
        let SecretsByShop::Listed(variable) = provider.secrets_by_shop else {
            let (secrets, problems) = secrets::appended(&entries);
            self.problems_with(provider.secret_variable, problems);
            return secrets;
        };
        let (by_shop, problems) = secrets::listed(&self.list(variable));
        self.problems_with(variable, problems);
        let for_every_shop = entries.into_iter().map(Secret::new);
        for_every_shop.chain(by_shop).collect()
    }

    fn problems_with(&mut self, variable: &str, why: Vec<String>) {
        why.into_iter().for_each(|why| self.problem(variable, why));
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

    fn number_or(&mut self, variable: &Variable, allowed: RangeInclusive<usize>, usual: usize) -> usize {
        match self.value(variable.name) {
            Some(_) => self.number(variable, allowed),
            None => usual,
        }
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
