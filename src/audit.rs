//! Writing to the operational log, `ops_events`.

use crate::db::{Session, Statement, Value, ids};
use crate::error::Result;
use pgrx::pg_sys;
use serde_json::Value as Json;

thread_local! {
    static INSERT: Statement = const { Statement::new(
        "insert into raw_ops.ops_events (id, kind, entity_type, entity_id, message, event_payload)
         values ($1, $2, $3, $4, $5, $6)",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::JSONBOID]) };
    static INSERT_FOR_SET: Statement = const { Statement::new(
        "insert into raw_ops.ops_events (id, kind, entity_type, message, event_payload) values ($1, 'AUDIT', $2, $3, $4)",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID]) };
}

/// Logs what a person did to a webhook; who, why, before and after are in the details.
pub fn log_manual_step(session: &Session, webhook: [u8; 16], message: &str, details: &Json) -> Result<()> {
    log(session, "webhook", Some(webhook), message, details)
}

/// Logs what a person did to a row of another table.
pub fn log_step(
    session: &Session,
    entity_type: &str,
    entity: [u8; 16],
    message: &str,
    details: &Json,
) -> Result<()> {
    log(session, entity_type, Some(entity), message, details)
}

/// Logs what a person did to something that has no row of its own: a setting, a set of rows.
pub fn log_act(session: &Session, entity_type: &str, message: &str, details: &Json) -> Result<()> {
    log(session, entity_type, None, message, details)
}

fn log(
    session: &Session,
    entity_type: &str,
    entity: Option<[u8; 16]>,
    message: &str,
    details: &Json,
) -> Result<()> {
    let values = vec![
        Value::Uuid(ids::uuid_v7()),
        Value::Text("AUDIT"),
        Value::Text(entity_type),
        Value::OptionalUuid(entity),
        Value::Text(message),
        Value::Json(details),
    ];
    session.execute(&INSERT, values)?;
    Ok(())
}

/// Logs what was done to a set of things at once, one row for all of them: which ones is in the details, with who, why,
/// before and after.
pub fn log_act_on_set(session: &Session, entity_type: &str, message: &str, details: &Json) -> Result<()> {
    let values = vec![
        Value::Uuid(ids::uuid_v7()),
        Value::Text(entity_type),
        Value::Text(message),
        Value::Json(details),
    ];
    session.execute(&INSERT_FOR_SET, values)?;
    Ok(())
}
