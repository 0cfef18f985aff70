//! The drain: claim, write and finish in one transaction, oldest first.

use super::claim::{self, Claims};
use super::crash;
use super::process::{self, Processed};
use super::record::{self, Tally};
use super::status;
use crate::command::Applied;
use crate::db::settings::limit_lock_waits;
use crate::db::{self, Session, owner, schema};
use crate::error::{Error, Result};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;
use std::time::Instant;

/// Processes pending webhooks, oldest first, `limit` at most.
pub fn pending(limit: i32) -> Result<Tally> {
    work_on(|session| claim::pending(session, limit))
}

/// Claims, processes, records.
pub(super) fn work_on(claim: impl FnOnce(&Session) -> Result<Claims<'_>>) -> Result<Tally> {
    db::session(|session| {
        schema::ensure_ready(session)?;
        let _waits = limit_lock_waits();
        let started = Instant::now();
        let Claims { claims, more } = claim(session)?;
        if claims.is_empty() {
            return Ok(Tally::default());
        }
        let Processed { outcomes, has_left } = process::webhooks(session, &claims)?;
        let tally = record::outcomes(session, &claims, &outcomes, started)?;
        if let ([claim], 1) = (claims.as_slice(), tally.dead_lettered) {
            // A suspect, perhaps: nobody takes it up again.
            crash::clear_at_commit(claim.id);
        }
        Ok(Tally {
            more: more || has_left,
            ..tally
        })
    })
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn process_pending_webhooks(p_limit: default!(Option<i32>, 100)) -> Result<JsonB, ErrorReport> {
    let limit = p_limit.unwrap_or(100);
    if limit < 1 {
        return Err(Error::argument("p_limit", format!("must be 1 or more, is {limit}")).into());
    }
    Ok(owner::as_table_owner(|| pending(limit))?.to_json())
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn process_webhook(p_webhook_id: Option<pgrx::Uuid>) -> Result<JsonB, ErrorReport> {
    let id = p_webhook_id.ok_or_else(|| Error::argument("p_webhook_id", "is null"))?;
    Ok(owner::as_table_owner(|| {
        db::session(|session| one(session, *id.as_bytes()))
    })?)
}

/// One webhook, now, whether or not it is due.
fn one(session: &Session, id: [u8; 16]) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let started = Instant::now();
    let shown = pgrx::Uuid::from_bytes(id).to_string();
    let Some(claim) = claim::one(session, id)? else {
        return Ok(JsonB(
            json!({"success": false, "webhook_id": shown, "error": "there is no webhook with this id"}),
        ));
    };
    if !matches!(claim.status.as_str(), "pending" | "failed" | "retrying") {
        return Ok(JsonB(json!({
            "success": false, "webhook_id": shown, "status": claim.status,
            "error": status::not_processable(&claim.status),
        })));
    }
    let claims = [claim];
    let Processed { outcomes, .. } = process::webhooks(session, &claims)?;
    let tally = record::outcomes(session, &claims, &outcomes, started)?;
    Ok(JsonB(db::json_for_client(
        match outcomes.into_iter().next().flatten() {
            Some(Ok(applied)) => success(&shown, &applied),
            Some(Err(error)) => failure(&shown, &error, tally),
            None => json!({"success": false, "webhook_id": shown, "error": "not processed"}),
        },
    )))
}

fn success(id: &str, applied: &Applied) -> serde_json::Value {
    let mut json = applied.to_json();
    json["webhook_id"] = id.into();
    json["status"] = "success".into();
    json
}

fn failure(id: &str, error: &Error, tally: Tally) -> serde_json::Value {
    let status = if tally.dead_lettered > 0 { "dlq" } else { "failed" };
    json!({
        "success": false, "webhook_id": id, "status": status,
        "error": error.to_string(), "error_category": error.category().as_str(),
    })
}
