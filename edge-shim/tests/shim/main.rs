//! The shim's tests without a database: its HTTP, its grouping writer, its limits. One program, so that it is linked once.

mod config;
mod grouping;
mod http;
mod limits;
mod operations;
mod places;
mod server;
mod shops;
mod signature;
mod support;
mod token;
