//! The outbox: requests to send are rows of `http_requests`, written with the change that causes them, sent after its commit.
//!
//! - [`queue`]: enqueue, claim, record; one row an attempt
//! - [`policy`]: what a response means and what follows; [`redaction`]: what is written down of it. Pure
//! - [`carriers`]: who sends: `builtin` or `pg_net`, and which of them is in force
//! - [`receivers`]: who receives: from a destination's name to URL and credentials, at the last moment; `slack`, `customerio`
//! - [`network_error`]: what went wrong on the way, in words
//! - [`secrets`]: encrypted at rest; [`address`]: where a request may go; [`clone_guard`]: which database may send

pub mod address;
pub mod carriers;
pub mod clone_guard;
pub mod network_error;
pub mod policy;
mod queue;
pub mod receivers;
pub mod redaction;
pub mod secrets;

pub use queue::*;

/// The destination of requests that carry their own URL.
pub const ENDPOINT: &str = "endpoint";
