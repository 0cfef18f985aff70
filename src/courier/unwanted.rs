//! A last look at a notification before it goes out: is it still news?

use super::Id;
use super::notification::as_own_write;
use crate::config;
use crate::db::{Session, Statement, Value};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::HashSet;

/// Why the request about such an event is not sent.
pub const WHY_UNWANTED: &str =
    "not needed: the notification was sent, or settled otherwise; its row in ops_events says how";

thread_local! {
    static SKIP_ENDED: Statement = const { Statement::new(
        include_str!("../../sql/courier/skip_ended.sql"), &[pg_sys::UUIDARRAYOID, pg_sys::INT8OID]) };
    static UNWANTED: Statement = const { Statement::new(
        include_str!("../../sql/courier/find_unwanted.sql"), &[pg_sys::UUIDARRAYOID]) };
}

/// Of events whose requests are about to go out, those that are not to be told any more: sent or settled by other means, or
/// no news now.
pub fn find_unwanted(session: &Session, events: Vec<Id>) -> Result<HashSet<Id>> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    const ANY_AGE: i64 = 1_000 * 366 * 86_400_000_000;
    let most = Value::Int8(config::courier_notice_max_age().unwrap_or(ANY_AGE));
    as_own_write(|| session.execute(&SKIP_ENDED, vec![Value::UuidArray(events.clone()), most]))?;
    let found = session.execute(&UNWANTED, vec![Value::UuidArray(events)])?;
    Ok(found
        .map(|row| row.uuid(1).unwrap_or_default())
        .into_iter()
        .collect())
}
