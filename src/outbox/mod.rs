//! The outbox: requests to send are rows of `http_requests`, written with the change that causes them, sent after its commit.
//! No other room writes that table.
//!
//! - [`queue`]: enqueue, cancel, reschedule, what is in flight; [`request`]: what is queued, and what became of it
//! - [`claim`], [`record`]: an attempt taken in hand, and written down; one row an attempt. [`lanes`]: how many at a time
//! - [`requester`]: how a part declares that it asks for requests, and hears of them
//! - [`destination`]: the closed list of where a request may go; [`receivers`]: what is special about each, one file each;
//!   [`prepare`]: a request made ready for them
//! - [`policy`]: what a response means and what follows; [`redaction`]: what is written down of it. Pure
//! - [`carriers`]: who sends: `builtin` or `pg_net`, and which of them is in force
//! - [`network_error`]: what went wrong on the way, in words
//! - [`secrets`]: encrypted at rest with [`master_key`], looked at by [`inspection`]
//! - [`address`]: where a request may go; [`clone_guard`]: which database may send

pub mod address;
pub mod carriers;
mod claim;
pub mod clone_guard;
mod destination;
pub mod inspection;
mod lanes;
pub mod master_key;
pub mod network_error;
pub mod policy;
mod prepare;
mod queue;
pub mod receivers;
mod record;
pub mod redaction;
mod request;
mod requester;
pub mod secrets;
#[cfg(any(test, feature = "pg_test"))]
mod tests;

pub use claim::{claim_requests, find_lost_attempts};
pub use destination::Destination;
pub use lanes::Lanes;
pub use prepare::{PreparedRequest, Unprepared, prepare_request};
pub use queue::*;
pub use record::record_attempts;
pub use request::{Attempt, Id, NewRequest, Outcome, Request, State};
pub use requester::{Requester, always_wanted};
