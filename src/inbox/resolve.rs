//! Settling a dead letter by hand, with a note and an audit row.

use super::{claim, status};
use crate::audit;
use crate::db::{self, Session, owner, schema, settings, statements};
use crate::error::{Error, Result};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

statements! {
    /// Whether it is an order's webhook whose order is not here, of its shop or of none.
    execute has_no_order(webhook: [u8; 16]) -> bool = file "inbox/has_no_order.sql";
    execute settle_dead_letter(webhook: [u8; 16]) = file "inbox/resolve.sql";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_resolve_webhook_manually_v1(
    p_webhook_id: Option<pgrx::Uuid>,
    p_resolution_note: Option<&str>,
) -> Result<JsonB, ErrorReport> {
    let note = p_resolution_note.unwrap_or_default().trim();
    let refused = |error: Error| JsonB(refusal(&error.to_string(), p_webhook_id));
    let Some(id) = p_webhook_id else {
        return Ok(refused(Error::argument("p_webhook_id", "is null")));
    };
    if note.is_empty() {
        let problem = "is empty; say what was wrong and how it was settled";
        return Ok(refused(Error::argument("p_resolution_note", problem)));
    }
    Ok(owner::as_table_owner(|| {
        db::session(|session| resolve(session, id, note))
    })?)
}

fn resolve(session: &Session, id: pgrx::Uuid, note: &str) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    settings::commit_durably();
    let Some(webhook) = claim::one(session, *id.as_bytes())? else {
        return Ok(JsonB(refusal("there is no webhook with this id", Some(id))));
    };
    if webhook.status != "dlq" {
        let error = format!(
            "the webhook is {}; only dead letters (dlq) are resolved manually",
            webhook.status
        );
        let mut json = refusal(&error, Some(id));
        json["status"] = webhook.status.into();
        return Ok(JsonB(json));
    }
    status::settling(webhook.id, || settle_dead_letter(session, webhook.id))?;
    let has_no_order = has_no_order(session, webhook.id)?.first()?.unwrap_or(false);
    let details = json!({
        "webhook_id": id.to_string(),
        "who": db::session_user(),
        "note": note,
        "previous_status": "dlq",
        "before": {"processing_status": "dlq"},
        "after": {"processing_status": "resolved_manual"},
        "settled_without_order": has_no_order,
    });
    let shop = &webhook.shop_domain;
    audit::log_manual_step(session, shop, webhook.id, "webhook.resolved_manually", &details)?;
    let mut answer = json!({
        "success": true, "webhook_id": id.to_string(), "previous_status": "dlq", "new_status": "resolved_manual",
    });
    if has_no_order {
        answer["warning"] = "settled without an order: the order of this webhook is not here".into();
        // Settled is not final for its payload: it is still there.
        answer["next"] = format!(
            "SELECT raw_ops.process_order_webhook_txn(payload, shop_domain) FROM raw_ops.webhook_inbox WHERE id = '{id}';"
        )
        .into();
    }
    Ok(JsonB(answer))
}

fn refusal(error: &str, id: Option<pgrx::Uuid>) -> Json {
    json!({"success": false, "webhook_id": id.map(|id| id.to_string()), "error": error})
}
