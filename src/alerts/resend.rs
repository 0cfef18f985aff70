//! The door that sends again what reached nobody, once its cause is mended.

use super::Id;
use super::message::{Queued, queue_messages};
use crate::audit;
use crate::db::{self, Session, owner, schema, statements};
use crate::error::Result;
use crate::outbox;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

statements! {
    execute find_undelivered() -> Queued = file "alerts/find_undelivered.sql";
    /// Those whose next attempt is not due yet.
    execute find_waiting() -> Id = text
        "select distinct message.id
           from raw_ops.alert_messages as message
           join raw_ops.http_requests as request on request.subject_id = message.id
          where message.delivery = 'pending' and request.state = 'queued' and request.send_after > clock_timestamp()";
    execute mark_pending(messages: Vec<Id>) = text
        "update raw_ops.alert_messages set delivery = 'pending', last_error = null where id = any ($1)";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_resend_alerts_v1() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(resend_undelivered))?)
}

fn resend_undelivered(session: &Session) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let resent = send_what_waits(session)?;
    let details = json!({"who": db::session_user(), "resent": resent});
    audit::log_act(session, "alert", "alerts.resent", &details)?;
    Ok(JsonB(json!({"success": true, "resent": resent})))
}

/// Sends now what waits to reach anybody: what was given up, from the beginning, and what waits for its next attempt. Returns how
/// many messages that are.
pub fn send_what_waits(session: &Session) -> Result<usize> {
    let messages = find_undelivered(session)?.all()?;
    mark_pending(session, messages.iter().map(|message| message.id).collect())?;
    queue_messages(session, &messages)?;
    let waiting = find_waiting(session)?.all()?;
    let due: Vec<(Id, Option<i64>)> = waiting.iter().map(|message| (*message, None)).collect();
    outbox::reschedule_requests(session, &due)?;
    Ok(messages.len() + waiting.len())
}
