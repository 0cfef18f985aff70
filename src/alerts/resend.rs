//! The door that sends again what reached nobody, once its cause is mended.

use super::message::{Queued, queue_messages};
use crate::audit;
use crate::db::{self, Session, Statement, Value, owner, schema};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

thread_local! {
    static UNDELIVERED: Statement = const { Statement::new(
        include_str!("../../sql/alerts/find_undelivered.sql"), &[]) };
    static PENDING_AGAIN: Statement = const { Statement::new(
        "update raw_ops.alert_messages set delivery = 'pending', last_error = null where id = any ($1)",
        &[pg_sys::UUIDARRAYOID]) };
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_resend_alerts_v1() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(resend_undelivered))?)
}

fn resend_undelivered(session: &Session) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let messages = session.execute(&UNDELIVERED, vec![])?.map(|row| Queued {
        id: row.uuid(1).unwrap_or_default(),
        channel: row.text(2).unwrap_or_default(),
        body: row.json(3).unwrap_or_default(),
    });
    let ids = messages.iter().map(|message| message.id).collect();
    session.execute(&PENDING_AGAIN, vec![Value::UuidArray(ids)])?;
    queue_messages(session, &messages)?;
    let details = json!({"who": db::session_user(), "resent": messages.len()});
    audit::log_act(session, "alert", "alerts.resent", &details)?;
    Ok(JsonB(json!({"success": true, "resent": messages.len()})))
}
