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
        "dlq" => {
            "the webhook is a dead letter; settle it with raw_ops.fn_resolve_webhook_manually_v1(id, note)"
                .into()
        }
        final_state => format!("the webhook is {final_state}, which is final; there is nothing to process"),
    }
}

#[pg_trigger]
fn guard_webhook_status<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    if let (Some(old), Some(new)) = (trigger.old(), trigger.new())
        && let Err(error) = guard(&old, &new)
    {
        db::raise(error);
    }
    Ok(trigger.new())
}

fn guard<O: WhoAllocated, N: WhoAllocated>(old: &PgHeapTuple<'_, O>, new: &PgHeapTuple<'_, N>) -> Result<()> {
    let from: Option<String> = old.get_by_name("processing_status").ok().flatten();
    let to: Option<String> = new.get_by_name("processing_status").ok().flatten();
    let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
    if (from.as_str(), to.as_str()) != ("dlq", "resolved_manual") {
        return Err(Error::Transition { from, to });
    }
    let id: Option<pgrx::Uuid> = new.get_by_name("id").ok().flatten();
    match id {
        Some(id) if !AUDITED_ELSEWHERE.get() => audit_direct_update(*id.as_bytes()),
        _ => Ok(()),
    }
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
