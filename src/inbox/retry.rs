//! The retry worker: what failed and is due, newest first.

use super::record::Tally;
use super::{claim, drain};
use crate::db::{Session, Statement, owner};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// ORD: bounded at 100 a run.
const LIMIT: i32 = 100;

/// Tries again what is due.
pub fn due() -> Result<Tally> {
    drain::work_on(|session| claim::due(session, LIMIT))
}

thread_local! {
    static NEXT_DUE: Statement = const { Statement::new(
        include_str!("../../sql/inbox/next_due.sql"), &[]) };
}

/// When the next retry is due, microseconds since 2000; `None` when nothing waits.
pub fn next_due(session: &Session) -> Result<Option<i64>> {
    Ok(session
        .execute(&NEXT_DUE, vec![])?
        .first(|row| row.timestamp(1))
        .flatten())
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn retry_failed_webhooks() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(due)?.to_json())
}
