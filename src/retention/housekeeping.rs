//! Keeping every log bounded: what is older than `log_retention` says goes, a bounded number of rows a call.

use crate::db::{self, Session, Statement, Value, owner, schema};
use crate::error::Result;
use crate::inbox::counters;
use crate::outbox;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, json};
use std::thread::LocalKey;

/// Rows of one log a call deletes at most: a transaction that ends soon. `run_housekeeping()` calls until nothing is left.
const LIMIT: i64 = 10_000;

thread_local! {
    static TRIM_RUNS: Statement = const { Statement::new(
        include_str!("../../sql/retention/trim_monitoring_runs.sql"), &[pg_sys::INT8OID]) };
    static TRIM_ALERTS: Statement = const { Statement::new(
        include_str!("../../sql/retention/trim_alerts.sql"), &[pg_sys::INT8OID]) };
    static TRIM_ELEMENTS: Statement = const { Statement::new(
        include_str!("../../sql/retention/trim_webhook_elements.sql"), &[pg_sys::INT8OID]) };
    static MAY_TRIM_CRON: Statement = const { Statement::new(
        include_str!("../../sql/retention/may_trim_cron.sql"), &[]) };
    static TRIM_CRON: Statement = const { Statement::new(
        include_str!("../../sql/retention/trim_cron.sql"), &[pg_sys::INT8OID]) };
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_housekeeping_v1() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(run_housekeeping))?)
}

fn run_housekeeping(session: &Session) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let trimmed = [
        ("monitoring_runs", Some(deleted(session, &TRIM_RUNS)?)),
        ("http_requests", Some(outbox::trim_requests(session, LIMIT)?)),
        ("alerts", Some(deleted(session, &TRIM_ALERTS)?)),
        ("webhook_elements", Some(deleted(session, &TRIM_ELEMENTS)?)),
        ("cron.job_run_details", cron(session)?),
    ];
    let remaining = trimmed.iter().any(|(_, count)| *count == Some(LIMIT));
    let mut said: Map<_, _> = trimmed
        .into_iter()
        .map(|(log, count)| (log.to_owned(), json!(count)))
        .collect();
    said.insert("webhook_tallies".into(), json!(counters::fold(session)?));
    said.insert("remaining".into(), json!(remaining));
    Ok(JsonB(said.into()))
}

/// Rows that went; `None` where pg_cron's log is not here or not the owner's to trim.
fn cron(session: &Session) -> Result<Option<i64>> {
    let may = session
        .execute(&MAY_TRIM_CRON, vec![])?
        .first(|row| row.boolean(1))
        .flatten();
    match may {
        Some(true) => Ok(Some(deleted(session, &TRIM_CRON)?)),
        _ => Ok(None),
    }
}

fn deleted(session: &Session, statement: &'static LocalKey<Statement>) -> Result<i64> {
    let rows = session.execute(statement, vec![Value::Int8(LIMIT)])?;
    Ok(i64::try_from(rows.affected()).unwrap_or(LIMIT))
}
