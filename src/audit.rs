//! Writing to the operational log, `ops_events`.

use crate::db::{Session, ids, statements};
use crate::error::Result;
use serde_json::Value as Json;

statements! {
    execute insert(
        id: [u8; 16], shop: &str, entity_type: &str, entity: Option<[u8; 16]>, message: &str, details: &Json,
    ) = text
        "insert into raw_ops.ops_events (id, shop_domain, kind, entity_type, entity_id, message, event_payload)
         values ($1, $2, 'AUDIT', $3, $4, $5, $6)";
}

/// Logs what a person did to a webhook of a shop; who, why, before and after are in the details.
pub fn log_manual_step(
    session: &Session,
    shop: &str,
    webhook: [u8; 16],
    message: &str,
    details: &Json,
) -> Result<()> {
    log(session, shop, "webhook", Some(webhook), message, details)
}

/// Logs what a person did to a row of another table that belongs to a shop.
pub fn log_step(
    session: &Session,
    shop: &str,
    entity_type: &str,
    entity: [u8; 16],
    message: &str,
    details: &Json,
) -> Result<()> {
    log(session, shop, entity_type, Some(entity), message, details)
}

/// Logs what a person did to something that has no row of its own: a setting, a set of rows.
pub fn log_act(session: &Session, entity_type: &str, message: &str, details: &Json) -> Result<()> {
    log(session, "", entity_type, None, message, details)
}

/// Logs the same where it concerns one shop alone (empty: all).
pub fn log_act_for(
    session: &Session,
    shop: &str,
    entity_type: &str,
    message: &str,
    details: &Json,
) -> Result<()> {
    log(session, shop, entity_type, None, message, details)
}

fn log(
    session: &Session,
    shop: &str,
    entity_type: &str,
    entity: Option<[u8; 16]>,
    message: &str,
    details: &Json,
) -> Result<()> {
    insert(
        session,
        ids::uuid_v7(),
        shop,
        entity_type,
        entity,
        message,
        details,
    )?;
    Ok(())
}

/// Logs what was done to a set of things at once, one row for all of them: which ones is in the details, with who, why,
/// before and after.
pub fn log_act_on_set(session: &Session, entity_type: &str, message: &str, details: &Json) -> Result<()> {
    log(session, "", entity_type, None, message, details)
}
