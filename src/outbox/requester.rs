//! The part that asks for requests of one purpose, as it declares itself: the outbox's side of the bargain.

use super::request::{Id, Outcome};
use crate::db::Session;
use crate::error::Result;
use crate::schedule::Purpose;
use std::collections::HashSet;

/// Who asks for the requests of one purpose. Each of the functions is given a whole set and needs no statement per row; each
/// runs in the transaction that claims, records or discards the requests.
pub struct Requester {
    pub purpose: Purpose,
    /// Of subjects whose requests are about to go out, those that are not to be told any more.
    pub find_unwanted: fn(&Session, Vec<Id>) -> Result<HashSet<Id>>,
    /// Why their requests are not sent: the error of the attempt.
    pub why_unwanted: &'static str,
    /// Hears what became of attempts. An error undoes the record of the set, and each is recorded by itself.
    pub on_recorded: fn(&Session, &[&Outcome]) -> Result<()>,
    /// Hears that everything queued about these subjects was discarded, and why: they must not be asked for again.
    pub on_discarded: fn(&Session, Vec<Id>, &str) -> Result<()>,
    /// Hears that the secrets of a destination were set anew: what was given up for want of them may be sent. Returns how many are.
    pub on_secret_set: fn(&Session) -> Result<usize>,
}

/// For those whose requests are wanted as long as they are queued: who takes them back cancels them.
pub fn always_wanted(_: &Session, _: Vec<Id>) -> Result<HashSet<Id>> {
    Ok(HashSet::new())
}
