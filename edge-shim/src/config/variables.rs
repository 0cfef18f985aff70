//! Every environment variable but the providers', which follow from the registry.

/// An environment variable, as `--help` shows it.
pub struct Variable {
    /// The variable.
    pub name: &'static str,
    /// Its default, as text.
    pub default: &'static str,
    /// What it sets.
    pub meaning: &'static str,
}

pub const DATABASE_URL: Variable = Variable {
    name: "DATABASE_URL",
    default: "required",
    meaning: "PostgreSQL connection: postgres://user:password@host:5432/database, or key=value pairs. \
              sslmode: disable, prefer (default), require, verify-ca, verify-full; sslrootcert: a PEM file. \
              A pooler in between works with pool_mode transaction or session",
};
pub const LISTEN_ADDR: Variable = Variable {
    name: "LISTEN_ADDR",
    default: "127.0.0.1:8080",
    meaning: "address and port to listen on",
};
pub const TRUSTED_PROXIES: Variable = Variable {
    name: "TRUSTED_PROXIES",
    default: "none",
    meaning: "comma-separated addresses or networks of proxies whose X-Forwarded-For counts; they have no share of their own",
};
pub const MAX_BODY_BYTES: Variable = Variable {
    name: "MAX_BODY_BYTES",
    default: "10485760",
    meaning: "bytes in one body; more is answered 413",
};
pub const MAX_BUFFERED_BYTES: Variable = Variable {
    name: "MAX_BUFFERED_BYTES",
    default: "268435456",
    meaning: "bytes of all bodies held in memory at once; more is answered 503",
};
pub const BODY_TIMEOUT_MS: Variable = Variable {
    name: "BODY_TIMEOUT_MS",
    default: "10000",
    meaning: "milliseconds that one body may take; longer is answered 408",
};
pub const MIN_BODY_RATE: Variable = Variable {
    name: "MIN_BODY_RATE",
    default: "1024",
    meaning: "bytes a second of a body, over two seconds; slower is answered 408. 0: any",
};
pub const MAX_CONNECTIONS: Variable = Variable {
    name: "MAX_CONNECTIONS",
    default: "4 x MAX_IN_FLIGHT",
    meaning: "connections open at once; one more closes the longest idle",
};
pub const CLIENT_SHARE_PERCENT: Variable = Variable {
    name: "CLIENT_SHARE_PERCENT",
    default: "12",
    meaning: "percent of connections and of requests that one client address may hold waiting before it makes room, once all are taken",
};
pub const HEADER_TIMEOUT_MS: Variable = Variable {
    name: "HEADER_TIMEOUT_MS",
    default: "10000",
    meaning: "milliseconds for a connection's first byte, and then for the rest of a request's headers",
};
pub const IDLE_TIMEOUT_MS: Variable = Variable {
    name: "IDLE_TIMEOUT_MS",
    default: "75000",
    meaning: "milliseconds between an answer and the next request on its connection",
};
pub const WRITE_TIMEOUT_MS: Variable = Variable {
    name: "WRITE_TIMEOUT_MS",
    default: "10000",
    meaning: "milliseconds that an answer waits for its client to take a byte of it",
};
pub const DB_CONNECTIONS: Variable = Variable {
    name: "DB_CONNECTIONS",
    default: "4",
    meaning: "database connections that store webhooks (one more is used by /readyz)",
};
pub const MAX_BATCH: Variable = Variable {
    name: "MAX_BATCH",
    default: "128",
    meaning: "webhooks in one insert, at most",
};
pub const MAX_IN_FLIGHT: Variable = Variable {
    name: "MAX_IN_FLIGHT",
    default: "512",
    meaning: "webhook requests served at once; more are answered 503",
};
pub const STORE_TIMEOUT_MS: Variable = Variable {
    name: "STORE_TIMEOUT_MS",
    default: "4500",
    meaning: "milliseconds that storing a webhook may take before 503 (Shopify waits 5000 in all); storing one of 1 MiB and more goes on after that",
};
pub const SHUTDOWN_TIMEOUT_MS: Variable = Variable {
    name: "SHUTDOWN_TIMEOUT_MS",
    default: "15000",
    meaning: "milliseconds that finishing accepted requests may take after SIGTERM or SIGINT",
};

/// What `--help` shows before the providers' variables.
pub const FIRST: [&Variable; 2] = [&DATABASE_URL, &LISTEN_ADDR];

/// What it shows after them.
pub const LAST: [&Variable; 15] = [
    &TRUSTED_PROXIES,
    &MAX_BODY_BYTES,
    &MAX_BUFFERED_BYTES,
    &BODY_TIMEOUT_MS,
    &MIN_BODY_RATE,
    &MAX_CONNECTIONS,
    &CLIENT_SHARE_PERCENT,
    &HEADER_TIMEOUT_MS,
    &IDLE_TIMEOUT_MS,
    &WRITE_TIMEOUT_MS,
    &DB_CONNECTIONS,
    &MAX_BATCH,
    &MAX_IN_FLIGHT,
    &STORE_TIMEOUT_MS,
    &SHUTDOWN_TIMEOUT_MS,
];
