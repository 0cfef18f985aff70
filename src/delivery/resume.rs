//! The door that lets a restored or copied database send, and what becomes of what was queued before.

use crate::audit;
use crate::courier::notice;
use crate::db::{self, Session, owner, schema};
use crate::error::Result;
use crate::schedule::Purpose;
use crate::sending::{guard, outbox};
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

fn resume(session: &Session, discards: bool) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    db::settings::commit_durably();
    let was_held = !guard::may_send(session)?;
    let discarded = match discards {
        true => discard(session)?,
        false => 0,
    };
    let who = db::session_user();
    guard::resume(session, &who)?;
    let done = json!({
        "success": true, "was_held": was_held, "discarded": discarded, "queued": outbox::waiting(session)?,
    });
    let details = json!({"who": who, "was_held": was_held, "discarded": discarded});
    audit::log_act(session, "delivery", "delivery.resumed", &details)?;
    Ok(JsonB(done))
}

/// Takes back everything that is queued, and what asked for it must not ask again.
fn discard(session: &Session) -> Result<usize> {
    let discarded = outbox::discard(session, WHY)?;
    let notices = discarded
        .iter()
        .filter(|(purpose, _)| *purpose == Some(Purpose::Courier));
    notice::discard(session, notices.map(|(_, event)| *event).collect(), WHY)?;
    Ok(discarded.len())
}
