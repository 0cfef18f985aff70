//! The guard of the state machine. The trigger's own condition lets ORD's ordinary transitions pass without a call;
//! what arrives here is refused, but for `dlq` to `resolved_manual` by the function that asks for a note and keeps a trail.
//! Source: ORD, which prohibits settling a dead letter by UPDATE.

use crate::db;
use crate::error::{Error, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::Cell;

thread_local! {
    /// The dead letter that `fn_resolve_webhook_manually_v1` is settling, note and audit row included. No other UPDATE may.
    static BEING_SETTLED: Cell<Option<[u8; 16]>> = const { Cell::new(None) };
}

/// Runs the UPDATE that settles this dead letter; who calls it writes the audit row.
pub fn settling<T>(webhook: [u8; 16], update: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            BEING_SETTLED.set(None);
        }
    }
    let _reset = Reset;
    BEING_SETTLED.set(Some(webhook));
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
        Some(id) if BEING_SETTLED.get() == Some(*id.as_bytes()) => Ok(()),
        _ => Err(Error::Transition { from, to }),
    }
}
