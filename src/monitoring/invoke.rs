//! Running a check: the run is written down, also one that failed, and its findings become alerts.

use super::checks::{self, Check};
use super::cut_off;
use super::locks;
use super::report::Report;
use crate::alerts;
use crate::db::under_way::Note;
use crate::db::{self, Session, ids, owner, schema, settings, statements};
use crate::error::{Error, Result};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

statements! {
    /// Two runs of one check decide one after the other what is new.
    execute lock_check(check: &str) = text
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('raw_ops monitor ' || $1, 0))";
    query find_other_run(check: &str) -> Option<i32> = file "monitoring/other_run.sql";
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

/// A check that takes longer is cut off: nothing of it would be seen before it ends.
const LONGEST: Duration = Duration::from_secs(60);

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_invoke_monitor(p_check_name: Option<&str>) -> Result<JsonB, ErrorReport> {
    Ok(invoke(checks::find_check(p_check_name)?)?)
}

/// What became of a run.
enum Outcome {
    Done(Report, Vec<&'static str>),
    Failed(String),
}

fn invoke(check: &'static Check) -> Result<JsonB> {
    let started = Instant::now();
    let id = ids::uuid_v7();
    let note = cut_off::begin(check, id);
    let outcome = match owner::as_table_owner(|| db::session(|session| run(session, check))) {
        Ok((report, messages)) => Outcome::Done(report, messages),
        Err(error @ (Error::NotSetUp { .. } | Error::RestoreUnderWay)) => {
            end(note);
            return Err(error);
        }
        Err(error) if error.is_cancelled() => stop(note.as_ref(), error),
        Err(error) => Outcome::Failed(explained(check, &error)?),
    };
    let duration = i32::try_from(started.elapsed().as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    let written =
        owner::as_table_owner(|| db::session(|session| write_down(session, id, check, &outcome, duration)));
    if let Err(error) = written {
        stop(note.as_ref(), error);
    }
    end(note);
    let mut answer = outcome.into_json(check);
    answer["run_id"] = pgrx::Uuid::from_bytes(id).to_string().into();
    answer["duration_ms"] = duration.into();
    Ok(JsonB(db::json_for_client(answer)))
}

/// The run has said how it ended, or wants no record.
fn end(note: Option<Note>) {
    if let Some(note) = note {
        note.ended();
    }
}

/// Raises what has cut the run off; a worker writes it down.
fn stop(note: Option<&Note>, error: Error) -> ! {
    if let Some(note) = note {
        note.is_stopped_by(&error.to_string());
    }
    db::raise(error)
}

/// Looks, and makes alerts of what it finds; all of it holds, or none.
fn run(session: &Session, check: &Check) -> Result<(Report, Vec<&'static str>)> {
    db::attempt_until_and_tell(Instant::now() + LONGEST, || {
        let limit = settings::limit_lock_waits_of_checks();
        schema::ensure_ready(session)?;
        lock_check(session, check.name)?;
        let report = (check.run)(session)?;
        let messages = alerts::follow_findings(session, report.check, &report.told())?;
        drop(limit);
        Ok((report, messages))
    })
}

/// An error as the record of the run has it: of a lock with who holds it, and what frees it. With the rights of the
/// function's owner, who sees other roles' sessions.
fn explained(check: &Check, error: &Error) -> Result<String> {
    if !error.is_lock_timeout() {
        return Ok(error.to_string());
    }
    db::session(|session| {
        let holders = locks::holders(session, true)?;
        if !holders.is_empty() {
            return Ok(format!("{error}: {}", locks::in_a_line(&holders)));
        }
        Ok(match find_other_run(session, check.name)?.first()?.flatten() {
            Some(pid) => format!("another run of this check has not ended: process {pid}"),
            None => error.to_string(),
        })
    })
}

fn write_down(
    session: &Session,
    run: [u8; 16],
    check: &Check,
    outcome: &Outcome,
    duration: i32,
) -> Result<()> {
    let (status, summary, alerts, error) = match outcome {
        Outcome::Done(report, _) => (
            report.status(),
            report.summary_json(),
            !report.findings().is_empty(),
            None,
        ),
        Outcome::Failed(problem) => ("error", json!({}), false, Some(problem.as_str())),
    };
    db::attempt_and_tell(|| {
        let limit = settings::limit_lock_waits_of_checks();
        record(
            session, run, check.name, status, duration, &summary, alerts, error,
        )?;
        drop(limit);
        Ok(())
    })
}

impl Outcome {
    /// What the caller is answered.
    fn into_json(self, check: &Check) -> Json {
        match self {
            Self::Done(report, messages) => {
                let mut answer = report.to_json();
                answer["alert_triggered"] = (!report.findings().is_empty()).into();
                answer["messages"] = messages.into();
                answer
            }
            Self::Failed(problem) => json!({
                "check_name": check.name, "status": "error", "result_summary": {}, "alert_config": null,
                "alert_triggered": false, "messages": [], "error": problem,
            }),
        }
    }
}
