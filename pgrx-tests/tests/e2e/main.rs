//! End-to-end tests: the real shim, real PostgreSQL, real pg_cron, real payloads, over real sockets. One program, so
//! that it is linked once.
//!
//! One folder a concern; each test starts what it needs and knows no other test.

mod capture;
mod courier;
mod drills;
mod harness;
mod monitoring;
mod operations;
mod outgoing;
mod processing;
mod support;
