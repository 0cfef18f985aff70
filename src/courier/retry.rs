//! The safety net under the trigger: notifications that are due and whose request is missing, or due later. Ordinary retries are
//! the outbox's own. And under the trigger of `shipments`: events that wait although their shipment is here.

use super::{Id, notification, waiting};
use crate::db::{self, Session, owner, schema, statements};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

/// DLV: up to 20 events a run.
const LIMIT: i64 = 20;

statements! {
    execute find_waiting(most: i64) -> Id = file "courier/find_waiting.sql";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_retry_courier_notifications_v1() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(pick_up))?)
}

fn pick_up(session: &Session) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let matched = waiting::match_missed(session)?;
    let waiting = find_waiting(session, LIMIT)?.all()?;
    let done = notification::queue(session, &waiting)?;
    Ok(JsonB(json!({
        "picked_up": waiting.len(), "queued": done.queued, "skipped": done.skipped,
        "brought_forward": waiting.len() - done.queued - done.skipped, "matched": matched,
    })))
}
