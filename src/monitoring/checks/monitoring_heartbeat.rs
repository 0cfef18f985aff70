//! Who watches the monitors: they run, alerts arrive, the workers live. Source: ORD, "Monitoring heartbeat" and "Alert
//! delivery retry" among its Outstanding Items.

use super::Check;
use crate::config;
use crate::db::{self, Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::Fault;
use crate::monitoring::integrity::{definitions, structure};
use crate::monitoring::report::{Finding, Report, Severity, Thresholds, rounded};
use crate::outbox::clone_guard;
use crate::wake::{self, Listening, Silent};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

pub const NAME: &str = "monitoring_heartbeat";
/// Minutes.
pub const STUCK_OUTBOX: &str = "outbox_stuck";
/// Monitors.
pub const SILENT: &str = "silent_monitor";
/// Monitors.
pub const FAILING: &str = "failing_monitor";
/// Minutes without a sign of a background process.
pub const STUCK_WORKER: &str = "worker_stuck";
/// Alerts.
pub const UNDELIVERED: &str = "undelivered_alerts";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-heartbeat",
    schedule: "*/15 * * * *",
    run,
};

statements! {
    query find_monitors() -> MonitorRow = file "monitoring/heartbeat_monitors.sql";
    query find_undelivered() -> Undelivered = text
        "select count(*), (extract(epoch from now() - min(created_at)) / 60)::float8 as oldest_minutes,
                max(last_error) as error
           from raw_ops.undelivered_alerts";
    query find_overdue() -> Overdue = text
        "select count(*), (extract(epoch from now() - min(send_after)) / 60)::float8 as oldest_minutes
           from raw_ops.http_requests where state = 'queued' and send_after <= now()";
}

result_row! {
    struct MonitorRow {
        check_name: String,
        silent_for: Option<f64>,
        every: Option<f64>,
        has_failed: Option<bool>,
        error: Option<String>,
    }
}

result_row! {
    struct Undelivered {
        count: i64,
        oldest_minutes: Option<f64>,
        error: Option<String>,
    }
}

result_row! {
    struct Overdue {
        count: i64,
        oldest_minutes: Option<f64>,
    }
}

struct Monitor {
    name: String,
    /// Minutes; `None`: it never ran and was never scheduled.
    silent_for: Option<f64>,
    every: f64,
    error: Option<String>,
}

impl Monitor {
    fn is_silent(&self) -> bool {
        self.silent_for.is_none_or(|minutes| minutes > self.every)
    }
}

#[derive(Default)]
struct Figures {
    monitors: Vec<Monitor>,
    undelivered: i64,
    oldest_undelivered_minutes: f64,
    undelivered_error: Option<String>,
    overdue: i64,
    overdue_minutes: f64,
    is_held: bool,
    missing_workers: usize,
    /// The background process that has given no sign for the longest.
    silent_process: Option<Silent>,
    /// What keeps webhooks from being stored or processed, by the catalogs: monitors run well beside it.
    blocking: Vec<Fault>,
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let mut figures = Figures {
        monitors: find_monitors(session)?.map(|row| Monitor {
            name: row.check_name,
            silent_for: row.silent_for,
            every: row.every.unwrap_or(60.0),
            error: row.error.filter(|_| row.has_failed == Some(true)),
        })?,
        is_held: !clone_guard::may_send(session)?,
        missing_workers: missing_workers(wake::listening(), config::workers(), serves_this_database()),
        silent_process: wake::longest_silent(),
        blocking: blocking(session)?,
        ..Figures::default()
    };
    if let Some(undelivered) = find_undelivered(session)?.first()? {
        figures.undelivered = undelivered.count;
        figures.oldest_undelivered_minutes = undelivered.oldest_minutes.unwrap_or(0.0);
        figures.undelivered_error = undelivered.error;
    }
    if let Some(overdue) = find_overdue(session)?.first()? {
        figures.overdue = overdue.count;
        figures.overdue_minutes = overdue.oldest_minutes.unwrap_or(0.0);
    }
    Ok(judge(&figures, &thresholds))
}

fn blocking(session: &Session) -> Result<Vec<Fault>> {
    let mut faults = definitions::faults(session)?;
    faults.extend(structure::faults(session)?);
    faults.retain(|fault| fault.severity == Severity::Critical);
    Ok(faults)
}

fn serves_this_database() -> bool {
    config::database() == db::current_database()
}

/// How many processes are not where they should be. Without the preloaded library none is expected.
fn missing_workers(listening: Option<Listening>, wanted: usize, serves_this_database: bool) -> usize {
    match listening {
        Some(here) if serves_this_database => wanted.saturating_sub(here.workers) + usize::from(!here.sender),
        _ => 0,
    }
}

fn judge(figures: &Figures, thresholds: &Thresholds) -> Report {
    let silent: Vec<&Monitor> = figures.monitors.iter().filter(|one| one.is_silent()).collect();
    let failing: Vec<&Monitor> = figures
        .monitors
        .iter()
        .filter(|one| one.error.is_some())
        .collect();
    let names =
        |monitors: &[&Monitor]| -> Vec<String> { monitors.iter().map(|one| one.name.clone()).collect() };
    let summary = json!({
        "silent_monitors": names(&silent), "failing_monitors": names(&failing),
        "undelivered_alerts": figures.undelivered, "undelivered_error": figures.undelivered_error,
        "overdue_requests": figures.overdue, "overdue_minutes": (figures.overdue_minutes * 10.0).round() / 10.0,
        "delivery_held": figures.is_held, "missing_workers": figures.missing_workers,
        "blocking": figures.blocking.iter().map(|fault| fault.problem.as_str()).collect::<Vec<_>>(),
    });
    Report::new(NAME, summary)
        .with(silent_monitors(&silent, thresholds))
        .with(failing_monitors(&failing, thresholds))
        .with(undelivered_alerts(figures, thresholds))
        .with(missing_processes(figures, thresholds))
        .with(stuck_process(figures, thresholds))
        .with(stuck_outbox(figures, thresholds))
        .with(blocked(&figures.blocking, thresholds))
}

fn blocked(faults: &[Fault], thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed("blocked", faults.len() as f64)?;
    let mut finding = Finding::new("blocked", crossed, "Webhooks Cannot Be Stored Or Processed");
    for fault in faults {
        finding = finding.field(&fault.what, &fault.problem);
    }
    let steps: Vec<&str> = faults
        .iter()
        .flat_map(|fault| &fault.next)
        .map(String::as_str)
        .collect();
    Some(finding.next_step(&steps.join("\n")))
}

fn silent_monitors(silent: &[&Monitor], thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(SILENT, silent.len() as f64)?;
    let longest = silent.iter().filter_map(|one| one.silent_for).fold(0.0, f64::max);
    let never = silent.iter().any(|one| one.silent_for.is_none());
    let names: Vec<&str> = silent.iter().map(|one| one.name.as_str()).collect();
    let since = if never {
        "never".to_owned()
    } else {
        format!("{} minutes ago", rounded(longest))
    };
    let finding = Finding::new(SILENT, crossed, "Monitors Do Not Run")
        .field("Monitors", names.join(", "))
        .field("Last Run", since)
        .next_step(
            "SELECT j.jobname, j.active, d.status, d.return_message, d.start_time FROM cron.job j \
             LEFT JOIN cron.job_run_details d USING (jobid) ORDER BY d.start_time DESC NULLS LAST LIMIT 20; \
             -- no jobs: SELECT raw_ops.fn_schedule_jobs_v1();",
        );
    Some(finding)
}

fn failing_monitors(failing: &[&Monitor], thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(FAILING, failing.len() as f64)?;
    let names: Vec<&str> = failing.iter().map(|one| one.name.as_str()).collect();
    let error = failing
        .first()
        .and_then(|one| one.error.clone())
        .unwrap_or_default();
    let finding = Finding::new(FAILING, crossed, "Monitors Fail")
        .field("Monitors", names.join(", "))
        .field("Error", error)
        .next_step(
            "SELECT * FROM raw_ops.monitoring_runs WHERE status = 'error' ORDER BY run_at DESC LIMIT 5;",
        );
    Some(finding)
}

fn undelivered_alerts(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(UNDELIVERED, figures.undelivered as f64)?;
    let finding = Finding::new(UNDELIVERED, crossed, "Alerts Reach Nobody")
        .field("Undelivered", figures.undelivered)
        .field("Oldest (minutes)", rounded(figures.oldest_undelivered_minutes))
        .field("Error", figures.undelivered_error.as_deref().unwrap_or("not sent yet"))
        .next_step(
            "SELECT * FROM raw_ops.undelivered_alerts; -- mend the cause, then: SELECT raw_ops.fn_resend_alerts_v1();",
        );
    Some(finding)
}

fn missing_processes(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed("worker_down", figures.missing_workers as f64)?;
    let finding = Finding::new("worker_down", crossed, "Background Workers Are Down")
        .field("Missing", figures.missing_workers)
        .next_step("SELECT raw_ops.fn_health_v1(); -- and the server's log around 'raw_ops'");
    Some(finding)
}

/// One that runs and does nothing: it hangs, or somebody has stopped it.
fn stuck_process(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let silent = figures.silent_process?;
    let crossed = thresholds.crossed(STUCK_WORKER, silent.minutes)?;
    let finding = Finding::new(STUCK_WORKER, crossed, "A Background Process Hangs")
        .field("Process", silent.told())
        .next_step(&silent.next_steps().join("\n"));
    Some(finding)
}

/// A held database sends nothing on purpose.
fn stuck_outbox(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds
        .crossed(STUCK_OUTBOX, figures.overdue_minutes)
        .filter(|_| !figures.is_held)?;
    let finding = Finding::new(STUCK_OUTBOX, crossed, "Nothing Is Sent")
        .field("Overdue Requests", figures.overdue)
        .field("Oldest (minutes)", rounded(figures.overdue_minutes))
        .next_step("SELECT raw_ops.fn_health_v1();");
    Some(finding)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_monitoring_heartbeat_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Severity, tests::row};

    fn thresholds() -> Thresholds {
        let zero = |condition| row(condition, Severity::Critical, "#ops-urgent", 0.0);
        let mut rows = [
            "silent_monitor",
            "failing_monitor",
            "undelivered_alerts",
            "worker_down",
        ]
        .map(zero)
        .to_vec();
        rows.push(row("outbox_stuck", Severity::Critical, "#ops-urgent", 5.0));
        Thresholds(rows)
    }

    fn monitor(silent_for: Option<f64>) -> Monitor {
        Monitor {
            name: "webhook_health".into(),
            silent_for,
            every: 60.0,
            error: None,
        }
    }

    fn titles(figures: &Figures) -> Vec<String> {
        judge(figures, &thresholds())
            .findings
            .into_iter()
            .map(|one| one.title)
            .collect()
    }

    #[test]
    fn a_monitor_is_silent_after_its_time_or_if_it_never_ran() {
        for (silent_for, expected) in [(Some(59.9), 0), (Some(60.1), 1), (None, 1)] {
            let figures = Figures {
                monitors: vec![monitor(silent_for)],
                ..Figures::default()
            };
            assert_eq!(titles(&figures).len(), expected, "{silent_for:?}");
        }
    }

    #[test]
    fn what_is_stuck_is_told_unless_it_is_held_on_purpose() {
        let stuck = Figures {
            undelivered: 2,
            overdue: 3,
            overdue_minutes: 5.1,
            ..Figures::default()
        };
        assert_eq!(titles(&stuck), ["Alerts Reach Nobody", "Nothing Is Sent"]);
        assert_eq!(
            titles(&Figures {
                is_held: true,
                ..stuck
            }),
            ["Alerts Reach Nobody"]
        );
    }

    #[test]
    fn a_process_that_gives_no_sign_is_told_with_its_pid() {
        let limits = Thresholds(vec![row(STUCK_WORKER, Severity::Critical, "#ops-urgent", 2.0)]);
        let silent = |minutes| Figures {
            silent_process: Some(Silent {
                is_sender: true,
                pid: 7,
                minutes,
            }),
            ..Figures::default()
        };
        assert!(judge(&silent(2.0), &limits).findings.is_empty());
        let found = judge(&silent(2.6), &limits).findings;
        assert_eq!(
            found[0].fields[0].1,
            "the sender, process 7, has given no sign for 3 minutes"
        );
        assert!(
            found[0]
                .next_step
                .contains("WHERE pid = 7 AND backend_type LIKE 'raw\\_ops %';"),
            "{found:?}"
        );
    }

    #[test]
    fn workers_are_missed_only_where_they_should_be() {
        let here = |workers, sender| Some(Listening { workers, sender });
        assert_eq!(missing_workers(here(1, true), 1, true), 0);
        assert_eq!(missing_workers(here(0, false), 2, true), 3);
        assert_eq!(missing_workers(here(0, false), 2, false), 0);
        assert_eq!(missing_workers(None, 1, true), 0);
    }
}
