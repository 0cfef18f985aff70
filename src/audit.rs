//! Writing to the operational log, `ops_events`.

use crate::db::{Session, ids, statements};
use crate::error::Result;
use serde_json::Value as Json;

statements! {
    execute insert(id: [u8; 16], entity_type: &str, entity: Option<[u8; 16]>, message: &str, details: &Json) = text
        "insert into raw_ops.ops_events (id, kind, entity_type, entity_id, message, event_payload)
         values ($1, 'AUDIT', $2, $3, $4, $5)";
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
    insert(session, ids::uuid_v7(), entity_type, entity, message, details)?;
    Ok(())
}

/// Logs what was done to a set of things at once, one row for all of them: which ones is in the details, with who, why,
/// before and after.
pub fn log_act_on_set(session: &Session, entity_type: &str, message: &str, details: &Json) -> Result<()> {
    log(session, entity_type, None, message, details)
}
