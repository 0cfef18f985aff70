//! End-to-end tests: the real shim, real PostgreSQL, real pg_cron, real payloads, over real sockets. One program, so
//! that it is linked once.

mod alerts;
mod archive;
mod concurrency;
mod convergence;
mod courier;
mod crashes;
mod dashboard;
mod demo;
mod dlv_statements;
mod dump_restore;
mod faults;
mod from_outside;
mod harness;
mod health;
mod housekeeping;
mod http_to_tables;
mod intruders;
mod jobs;
mod lost_races;
mod metrics;
mod monitors;
mod operations;
mod ord_statements;
mod permutations;
mod redelivery;
mod retry;
mod roles;
mod schema;
mod search_path;
mod sending;
mod shim;
mod signatures;
mod support;
mod views;
mod worker;
