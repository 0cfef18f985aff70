//! The guard of the state machine. The trigger's own condition lets ORD's ordinary transitions pass without a call;
//! what arrives here is either `dlq` to `resolved_manual`, which is audited, or refused.

use crate::audit;
use crate::db;
use crate::error::{Error, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;
use std::cell::Cell;

thread_local! {
    /// Set while `fn_resolve_webhook_manually_v1` updates: it writes its own audit row, with the operator's note.
    static AUDITED_ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs the UPDATE of a resolution that writes its own audit row.
pub fn with_own_audit<T>(update: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            AUDITED_ELSEWHERE.set(false);
        }
    }
    let _reset = Reset;
    AUDITED_ELSEWHERE.set(true);
    update()
}

/// Why a webhook in this state is not processed, with the next step.
pub fn not_processable(status: &str) -> String {
    match status {
        "dlq" => "the webhook is a dead letter; settle it with raw_ops.fn_resolve_webhook_manually_v1(id, note)".into(),
        final_state => format!("the webhook is {final_state}, which is final; there is nothing to process"),
    }
}

#[pg_trigger]
fn guard_webhook_status<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    let (Some(old), Some(new)) = (trigger.old(), trigger.new()) else { return Ok(trigger.new()) };
    let text = |row: &PgHeapTuple<'_, _>| row.get_by_name::<String>("processing_status").ok().flatten().unwrap_or_default();
    let (from, to) = (text(&old), text(&new));
    if from == "dlq" && to == "resolved_manual" {
        let id = new.get_by_name::<pgrx::Uuid>("id").ok().flatten();
        if let (Some(id), false) = (id, AUDITED_ELSEWHERE.get()) {
            audit_direct_update(*id.as_bytes())?;
        }
        return Ok(Some(new));
    }
    Err(Error::Transition { from, to }.into())
}

/// ORD forbids settling a dead letter by UPDATE for want of a trail; so it leaves one.
fn audit_direct_update(id: [u8; 16]) -> Result<()> {
    let details = json!({
        "webhook_id": pgrx::Uuid::from_bytes(id).to_string(),
        "who": db::session_user(),
        "note": "direct UPDATE, no note given; use raw_ops.fn_resolve_webhook_manually_v1()",
        "before": {"processing_status": "dlq"},
        "after": {"processing_status": "resolved_manual"},
    });
    db::session(|session| audit::log_manual_step(session, id, "webhook.resolved_manually", &details))
}
