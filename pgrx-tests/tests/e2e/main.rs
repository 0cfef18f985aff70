//! End-to-end tests: the real shim, real PostgreSQL, real pg_cron, real payloads, over real sockets. One program, so
//! that it is linked once.

mod concurrency;
mod convergence;
mod crashes;
mod dashboard;
mod dump_restore;
mod harness;
mod http_to_tables;
mod jobs;
mod operations;
mod redelivery;
mod retry;
mod roles;
mod schema;
mod signatures;
mod support;
mod views;
mod worker;
