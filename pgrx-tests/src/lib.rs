//! The harness of raw_ops: a private PostgreSQL, the real shim, signed webhooks, realistic orders.
//!
//! The end-to-end tests, the demo and the benchmarks stand on it; it reaches raw_ops through SQL functions only.
//!
//! # Layout
//!
//! - [`cluster`]: a private PostgreSQL server that can be stopped, crashed and thrown away
//! - [`shim`]: the edge-shim program as a process
//! - [`stack`]: both together, with raw_ops and pg_cron set up in one database
//! - [`shopify`]: signs webhooks and sends them as Shopify does
//! - [`orders`]: makes realistic orders, the same ones for the same seed
//! - [`courier`]: shipments under way: fulfillments, DPD's events
//! - [`truth`]: what must be in the tables for what was sent
//! - [`payloads`]: real payloads from public sources
//! - [`receiver`]: the outside world: Slack, Customer.io, partners, and everything that goes wrong there
//! - [`pg_net`]: a stand-in for the extension pg_net, with its worker
//! - [`prometheus`]: a private Prometheus, and promtool; [`inetd`]: a program for each connection, as systemd does it
//! - [`documented`]: the statements of `docs/install.md`, which set every stack up
//! - [`schema_dump`]: what a fresh `setup()` makes, in order for reading
//! - [`pgbouncer`]: a pooler in transaction mode before the server
//! - [`install`]: is the extension in the server's directories, and is it the one that was built?
//! - [`in_backend`]: runs the extension's own tests inside a backend
//! - [`table`]: tables for a terminal
//! - [`browser`]: a real browser without a screen
//! - [`http`], [`postgres`], [`process`], [`wait`], [`workspace`]: what these are made of

pub mod browser;
pub mod cluster;
pub mod courier;
pub mod documented;
pub mod http;
pub mod in_backend;
pub mod inetd;
pub mod install;
pub mod orders;
pub mod payloads;
pub mod pg_net;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod schema_dump;
pub mod shim;
pub mod shopify;
pub mod slow_network;
pub mod stack;
pub mod table;
pub mod truth;
pub mod wait;
pub mod workspace;

pub use cluster::{Cluster, ClusterBuilder, Machine, Stop};
pub use in_backend::run_test;
pub use pgbouncer::PgBouncer;
pub use receiver::{Received, Receiver, Reply};
pub use shim::{Shim, ShimBuilder};
pub use slow_network::SlowNetwork;
pub use stack::{Stack, StackOptions};
pub use wait::{wait_for, wait_until};
