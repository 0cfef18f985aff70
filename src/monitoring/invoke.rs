//! Running a check: the run is written down, also one that failed, and its findings become alerts.

use super::checks::{self, Check};
use crate::alerts;
use crate::db::{self, Session, ids, owner, schema, statements};
use crate::error::Result;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};
use std::time::Instant;

statements! {
    /// Two runs of one check decide one after the other what is new.
    execute lock_check(check: &str) = text
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('raw_ops monitor ' || $1, 0))";
    execute record(
        run: [u8; 16],
        check: &str,
        status: &str,
        duration_ms: i32,
        summary: &Json,
        alert_triggered: bool,
        error: Option<&str>,
    ) = text
        "insert into raw_ops.monitoring_runs (id, check_name, status, duration_ms, result_summary, alert_triggered, error)
         values ($1, $2, $3, $4, $5, $6, $7)";
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_invoke_monitor(p_check_name: Option<&str>) -> Result<JsonB, ErrorReport> {
    let check = checks::find_check(p_check_name)?;
    Ok(owner::as_table_owner(|| {
        db::session(|session| invoke(session, check))
    })?)
}

fn invoke(session: &Session, check: &Check) -> Result<JsonB> {
    schema::ensure_ready(session)?;
    lock_check(session, check.name)?;
    let started = Instant::now();
    let outcome = db::attempt(|| {
        let report = (check.run)(session)?;
        let messages = alerts::follow_findings(session, report.check, &report.told())?;
        Ok((report, messages))
    });
    let duration = i32::try_from(started.elapsed().as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    let run = ids::uuid_v7();
    let mut answer = match outcome {
        Ok((report, messages)) => {
            let alerts = !report.findings().is_empty();
            record(
                session,
                run,
                check.name,
                report.status(),
                duration,
                &report.summary_json(),
                alerts,
                None,
            )?;
            let mut answer = report.to_json();
            answer["alert_triggered"] = alerts.into();
            answer["messages"] = messages.into();
            answer
        }
        Err(error) => {
            let problem = error.to_string();
            record(
                session,
                run,
                check.name,
                "error",
                duration,
                &json!({}),
                false,
                Some(&problem),
            )?;
            json!({
                "check_name": check.name, "status": "error", "result_summary": {}, "alert_config": null,
                "alert_triggered": false, "messages": [], "error": problem,
            })
        }
    };
    answer["run_id"] = pgrx::Uuid::from_bytes(run).to_string().into();
    answer["duration_ms"] = duration.into();
    Ok(JsonB(db::json_for_client(answer)))
}
