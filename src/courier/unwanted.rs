//! The last check of a notification before it is sent: is its event still news?

use super::Id;
use super::notification::as_own_write;
use crate::config;
use crate::db::{Session, statements};
use crate::error::Result;
use std::collections::HashSet;

/// Why the request about such an event is not sent.
pub const WHY_UNWANTED: &str =
    "not needed: the notification was sent, or settled otherwise; its row in ops_events says how";

statements! {
    execute skip_ended(events: Vec<Id>, most: i64) = file "courier/skip_ended.sql";
    execute find_ended(events: Vec<Id>) -> Id = file "courier/find_unwanted.sql";
}

/// Of events whose requests are about to go out, those that are not to be told any more: sent or settled by other means, or
/// no news now.
pub fn find_unwanted(session: &Session, events: Vec<Id>) -> Result<HashSet<Id>> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    const ANY_AGE: i64 = 1_000 * 366 * 86_400_000_000;
    let most = config::courier_notice_max_age().unwrap_or(ANY_AGE);
    as_own_write(|| skip_ended(session, events.clone(), most))?;
    let found = find_ended(session, events)?.all()?;
    Ok(found.into_iter().collect())
}
