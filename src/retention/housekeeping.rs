//! Keeping every log bounded: what is older than `log_retention` says goes, a bounded number of rows a call.

use crate::db::{self, Session, owner, schema, statements};
use crate::error::Result;
use crate::inbox::counters;
use crate::outbox;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Map, json};

/// Rows of one log a call deletes at most: a transaction that ends soon. `run_housekeeping()` calls until nothing is left.
const LIMIT: i64 = 10_000;

statements! {
    execute trim_monitoring_runs(most: i64) = file "retention/trim_monitoring_runs.sql";
    execute trim_alerts(most: i64) = file "retention/trim_alerts.sql";
    execute trim_webhook_elements(most: i64) = file "retention/trim_webhook_elements.sql";
    execute may_trim_cron() -> bool = file "retention/may_trim_cron.sql";
    execute trim_cron(most: i64) = file "retention/trim_cron.sql";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_housekeeping_v1() -> Result<JsonB, ErrorReport> {
    Ok(owner::as_table_owner(|| db::session(run_housekeeping))?)
}

fn run_housekeeping(session: &Session) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    let trimmed = [
        (
            "monitoring_runs",
            Some(deleted(trim_monitoring_runs(session, LIMIT)?)),
        ),
        ("http_requests", Some(outbox::trim_requests(session, LIMIT)?)),
        ("alerts", Some(deleted(trim_alerts(session, LIMIT)?))),
        (
            "webhook_elements",
            Some(deleted(trim_webhook_elements(session, LIMIT)?)),
        ),
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
    match may_trim_cron(session)?.first()? {
        Some(true) => Ok(Some(deleted(trim_cron(session, LIMIT)?))),
        _ => Ok(None),
    }
}

fn deleted(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(LIMIT)
}
