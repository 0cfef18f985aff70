//! Sending: the transactional outbox `http_requests` and its carriers.
//!
//! - [`outbox`]: enqueue, claim, record; one row an attempt
//! - [`outcome`]: what an answer means and what follows; [`words`]: what is written down of it. Pure
//! - [`destination`]: from a destination's name to URL and credentials, at the last moment
//! - [`builtin`], [`pg_net`]: the two carriers, [`carrier`]: which one is in force; [`trouble`]: the network's, in words
//! - [`slack`], [`customerio`]: the requests of the services we know
//! - [`secrets`]: encrypted at rest; [`address`]: where a request may go; [`guard`]: which database may send

pub mod address;
pub mod builtin;
pub mod carrier;
pub mod customerio;
pub mod destination;
pub mod guard;
pub mod outbox;
pub mod outcome;
pub mod pg_net;
pub mod secrets;
pub mod slack;
pub mod trouble;
pub mod words;

/// The destination of requests that carry their own URL.
pub const ENDPOINT: &str = "endpoint";
