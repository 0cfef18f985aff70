//! What a person has to do about a courier event, and until when. Source: DLV, Manual Interventions.

use super::{Id, shown};
use crate::audit;
use crate::db::{self, Session, ids, owner, result_row, schema, statements};
use crate::error::Result;
use crate::json::Timestamp;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

statements! {
    execute insert_task(
        id: Id,
        courier_event: Id,
        shop: &str,
        shipment: Id,
        code: &str,
        event_type: &str,
        action: &str,
        within: i64,
    ) -> Timestamp = file "courier/open_task.sql";
    execute complete_task(id: Id, who: &str, note: &str) -> Completed = file "courier/complete_task.sql";
    execute has_task(id: Id) -> bool = text "select exists (select from raw_ops.courier_tasks where id = $1)";
}

result_row! {
    struct Completed {
        done_at: Option<Timestamp>,
        due_at: Timestamp,
        event_code: String,
        shop_domain: String,
    }
}

/// What the mapping says a person has to do.
pub struct Duty {
    pub action: String,
    /// Microseconds.
    pub within: i64,
}

/// An open task.
#[derive(Clone, Copy)]
pub struct Task {
    pub id: Id,
    /// Microseconds since 2000.
    pub due_at: i64,
}

impl Task {
    pub fn to_json(self) -> Json {
        json!({"task_id": shown(self.id), "due_at": db::timestamp_text(self.due_at)})
    }
}

/// Opens the task of an event.
pub fn open_task(
    session: &Session,
    courier_event: Id,
    shop: &str,
    shipment: Id,
    code: &str,
    event_type: &str,
    duty: &Duty,
) -> Result<Task> {
    let id = ids::uuid_v7();
    let due_at = insert_task(
        session,
        id,
        courier_event,
        shop,
        shipment,
        code,
        event_type,
        &duty.action,
        duty.within,
    )?;
    Ok(Task {
        id,
        due_at: due_at.first()?.map(|due| due.0).unwrap_or_default(),
    })
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_complete_courier_task_v1(
    p_task_id: Option<pgrx::Uuid>,
    p_note: Option<&str>,
) -> Result<JsonB, ErrorReport> {
    let note = p_note.unwrap_or_default().trim();
    let refused = |error: &str| {
        JsonB(json!({"success": false, "task_id": p_task_id.map(|id| id.to_string()), "error": error}))
    };
    let Some(id) = p_task_id else {
        return Ok(refused("p_task_id: is null"));
    };
    if note.is_empty() {
        return Ok(refused("p_note: is empty; say what was done"));
    }
    let done = owner::as_table_owner(|| db::session(|session| complete(session, *id.as_bytes(), note)))?;
    Ok(done.map_or_else(refused, JsonB))
}

/// The outer error is the server's; the inner one says why the task cannot be completed.
fn complete(session: &Session, id: Id, note: &str) -> Result<std::result::Result<Json, &'static str>> {
    schema::ensure_ready(session)?;
    db::settings::commit_durably();
    let who = db::session_user();
    let Some(done) = complete_task(session, id, &who, note)?.first()? else {
        return Ok(Err(match has_task(session, id)?.first()? {
            Some(true) => "the task is done already",
            _ => "there is no task with this id",
        }));
    };
    let (done_at, due_at) = (done.done_at.map_or(0, |at| at.0), done.due_at.0);
    let in_time = done_at <= due_at;
    let details = json!({
        "task_id": shown(id), "who": who, "note": note, "event_code": done.event_code, "within_sla": in_time,
        "before": {"done": false}, "after": {"done": true},
    });
    audit::log_step(
        session,
        &done.shop_domain,
        "courier_task",
        id,
        "courier_task.completed",
        &details,
    )?;
    Ok(Ok(json!({
        "success": true, "task_id": shown(id), "done_at": db::timestamp_text(done_at), "within_sla": in_time,
    })))
}
