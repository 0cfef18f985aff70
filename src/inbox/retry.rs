//! The retry worker: what failed and is due, newest first.

use super::record::Tally;
use super::{claim, drain};
use crate::db::{Session, owner, statements};
use crate::error::Result;
use crate::json::Timestamp;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// ORD: bounded at 100 a run.
const LIMIT: i32 = 100;

/// Tries again what is due.
pub fn due() -> Result<Tally> {
    drain::work_on(|session| claim::due(session, LIMIT))
}

statements! {
    execute find_next_due() -> Option<Timestamp> = file "inbox/next_due.sql";
}

/// When the next retry is due, microseconds since 2000; `None` when nothing waits.
pub fn next_due(session: &Session) -> Result<Option<i64>> {
    let due = find_next_due(session)?.first()?.flatten();
    Ok(due.map(|due| due.0))
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn retry_failed_webhooks() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(due)?.to_json())
}
