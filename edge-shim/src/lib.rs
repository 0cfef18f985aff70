//! A thin HTTP program in front of the `raw_ops` PostgreSQL extension: it checks a webhook's signature over the raw
//! bytes, stores the bytes through one SQL call, answers. It decides nothing else.
//!
//! # Layout
//!
//! Data falls one way: `server ─▶ connection ─▶ routes ─▶ intake ─▶ providers, store ─▶ database`.
//!
//! | part | does |
//! |---|---|
//! | [`config`] | environment variables → [`config::Config`]; names every variable in `--help` and in errors |
//! | [`server`] | the port, signals, the graceful stop |
//! | [`connection`] | one connection: what its client is waited for, and for how long |
//! | [`places`] | a bounded number of connections and requests, shared out among clients |
//! | [`routes`] | paths → handlers; health, readiness, metrics; observes every request |
//! | [`intake`] | one webhook: limits, signature, store, answer |
//! | [`state`] | what handlers share |
//! | [`body`] | reads a request body within limits of size, time and memory |
//! | [`client_ip`] | whose address a request counts for |
//! | [`refusal`] | the closed list of "no", each with its status and what to do next |
//! | [`providers`] | one file per provider: its routes, signature header, event id, headers worth keeping. Pure |
//! | [`signature`] | HMAC over raw bytes, in constant time. Pure |
//! | [`shop`] | which shop a delivery is of, by the secrets that signed it. Pure |
//! | [`store`] | groups waiting webhooks into one call; `store::postgres` makes it; `store::readiness` finds out whether it would go well |
//! | [`metrics`] | Prometheus text |
//! | [`log`] | one JSON line per request, written by its own thread |
//!
//! A new provider is one new file in `providers/` and one line in [`providers::REGISTRY`].

pub mod body;
pub mod client_ip;
pub mod config;
pub mod connection;
pub mod intake;
pub mod log;
pub mod metrics;
pub mod places;
pub mod providers;
pub mod refusal;
pub mod routes;
pub mod server;
pub mod shop;
pub mod signature;
pub mod state;
pub mod store;

pub use routes::app;
pub use state::App;
