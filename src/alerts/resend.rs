//! The door that sends again what reached nobody, once its cause is mended.

use super::Id;
use super::message::{Queued, queue_messages};
use crate::audit;
use crate::db::{self, Session, owner, schema, statements};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

statements! {
    execute find_undelivered() -> Queued = file "alerts/find_undelivered.sql";
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
    let messages = find_undelivered(session)?.all()?;
    mark_pending(session, messages.iter().map(|message| message.id).collect())?;
    queue_messages(session, &messages)?;
    let details = json!({"who": db::session_user(), "resent": messages.len()});
    audit::log_act(session, "alert", "alerts.resent", &details)?;
    Ok(JsonB(json!({"success": true, "resent": messages.len()})))
}
