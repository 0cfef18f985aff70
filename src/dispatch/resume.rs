//! The door that lets a restored or copied database send, and what becomes of what was queued before.

use super::requesters;
use crate::audit;
use crate::db::{self, Session, owner, schema};
use crate::error::{Error, Result};
use crate::outbox::{self, clone_guard};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

const WHY: &str = "discarded by fn_resume_delivery_v1(): queued before the database was restored or copied";

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_resume_delivery_v1(p_discard_queued: default!(Option<bool>, false)) -> Result<JsonB, ErrorReport> {
    let discards = p_discard_queued.unwrap_or(false);
    Ok(owner::as_table_owner(|| {
        db::session(|session| resume(session, discards))
    })?)
}

/// What only a setting lets send is not opened here: the error names the statement. Discarding what is queued works even
/// so, since it must come before.
fn resume(session: &Session, discards: bool) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    db::settings::commit_durably();
    let held = clone_guard::held(session)?;
    let needs_setting = held.as_ref().filter(|held| held.is_settings_matter());
    if let Some(held) = needs_setting.filter(|_| !discards) {
        return Err(Error::DispatchHeld {
            problem: held.problem(),
            next: format!("Run:\n{}", held.next().join("\n")),
        });
    }
    let discarded = match discards {
        true => discard(session)?,
        false => 0,
    };
    let (who, was_held) = (db::session_user(), held.is_some());
    // The setting may be taken away again: a copy that it held must not send then.
    if needs_setting.is_none() {
        clone_guard::resume(session, &who)?;
    }
    let mut done = json!({
        "success": true, "was_held": was_held, "is_held": needs_setting.is_some(), "discarded": discarded,
        "queued": outbox::count_waiting_requests(session)?,
    });
    let details =
        json!({"who": who, "was_held": was_held, "is_held": needs_setting.is_some(), "discarded": discarded});
    let message = match needs_setting {
        Some(held) => {
            done["problem"] = held.problem().into();
            done["next"] = held.next().into();
            "delivery.discarded"
        }
        None => "delivery.resumed",
    };
    audit::log_act(session, "delivery", message, &details)?;
    Ok(JsonB(done))
}

/// Takes back everything that is queued, and what asked for it must not ask again.
fn discard(session: &Session) -> Result<usize> {
    let discarded = outbox::discard_requests(session, WHY)?;
    requesters::tell_discarded(session, &discarded, WHY)?;
    Ok(discarded.len())
}
