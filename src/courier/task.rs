//! What a person has to do about a courier event, and until when. Source: DLV, Manual Interventions.

use super::{Id, shown};
use crate::audit;
use crate::db::{self, Session, Statement, Value, ids, owner, schema};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

thread_local! {
    static OPEN: Statement = const { Statement::new(
        include_str!("../../sql/courier/open_task.sql"),
        &[pg_sys::UUIDOID, pg_sys::UUIDOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
          pg_sys::INT8OID]) };
    static COMPLETE: Statement = const { Statement::new(
        include_str!("../../sql/courier/complete_task.sql"), &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID]) };
    static EXISTS: Statement = const { Statement::new(
        "select exists (select from raw_ops.courier_tasks where id = $1)", &[pg_sys::UUIDOID]) };
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
    shipment: Id,
    code: &str,
    event_type: &str,
    duty: &Duty,
) -> Result<Task> {
    let id = ids::uuid_v7();
    let values = vec![
        Value::Uuid(id),
        Value::Uuid(courier_event),
        Value::Uuid(shipment),
        Value::Text(code),
        Value::Text(event_type),
        Value::Text(&duty.action),
        Value::Int8(duty.within),
    ];
    let due_at = session
        .execute(&OPEN, values)?
        .first(|row| row.timestamp(1))
        .flatten();
    Ok(Task {
        id,
        due_at: due_at.unwrap_or_default(),
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
    let values = vec![Value::Uuid(id), Value::Text(&who), Value::Text(note)];
    let done = session.execute(&COMPLETE, values)?.first(|row| {
        let time = |column| row.timestamp(column).unwrap_or_default();
        (time(1), time(2), row.text(3).unwrap_or_default())
    });
    let Some((done_at, due_at, code)) = done else {
        let is_here = session
            .execute(&EXISTS, vec![Value::Uuid(id)])?
            .first(|row| row.boolean(1))
            .flatten();
        return Ok(Err(match is_here {
            Some(true) => "the task is done already",
            _ => "there is no task with this id",
        }));
    };
    let in_time = done_at <= due_at;
    let details = json!({
        "task_id": shown(id), "who": who, "note": note, "event_code": code, "within_sla": in_time,
        "before": {"done": false}, "after": {"done": true},
    });
    audit::log_step(session, "courier_task", id, "courier_task.completed", &details)?;
    Ok(Ok(json!({
        "success": true, "task_id": shown(id), "done_at": db::timestamp_text(done_at), "within_sla": in_time,
    })))
}
