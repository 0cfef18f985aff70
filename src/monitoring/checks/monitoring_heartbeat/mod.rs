//! Who watches the monitors: they run, alerts arrive, the workers live. Source: ORD, "Monitoring heartbeat" and "Alert
//! delivery retry" among its Outstanding Items.

mod figures;

use super::Check;
use crate::db::Session;
use crate::error::Result;
use crate::monitoring::Fault;
use crate::monitoring::advice::{self, DeadChannel};
use crate::monitoring::report::{Reading, Report, Thresholds, counted, duration, rounded};
use figures::{Figures, Monitor, blocking, read_figures};
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
/// Slack channels.
const DEAD_CHANNEL: &str = "dead_channel";
/// Minutes without a sign of a background process.
pub const STUCK_WORKER: &str = "worker_stuck";
/// Alerts.
pub const UNDELIVERED: &str = "undelivered_alerts";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-heartbeat",
    schedule: "*/15 * * * *",
    run,
    shown: Some(shown),
};
fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let mut figures = read_figures(session)?;
    figures.blocking = blocking(session)?;
    Ok(judge(&figures, &thresholds))
}

/// Without what the catalogs say, and without monitors that were never scheduled: whoever shows it looks into those apart.
fn shown(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let mut figures = read_figures(session)?;
    figures.monitors.retain(|monitor| monitor.silent_for.is_some());
    Ok(judge(&figures, &thresholds))
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
        .with([
            silent_monitors(&silent, thresholds),
            failing_monitors(&failing, thresholds),
            undelivered_alerts(figures, thresholds),
            missing_processes(figures, thresholds),
            stuck_outbox(figures, thresholds),
            stuck_process(figures, thresholds),
            dead_channels(&figures.dead_channels, thresholds),
        ])
        .with(blocked(&figures.blocking, thresholds))
}

/// Faults that health names one by one.
fn blocked(faults: &[Fault], thresholds: &Thresholds) -> Option<Reading> {
    let crossed = thresholds.crossed("blocked", faults.len() as f64);
    let mut reading = Reading::new(
        "blocked",
        crossed,
        "blocked",
        "Webhooks Cannot Be Stored Or Processed",
    );
    for fault in faults {
        reading = reading.field(&fault.what, &fault.problem);
    }
    let steps = faults.iter().flat_map(|fault| fault.next.clone());
    Some(reading.next(steps.collect()))
}

fn silent_monitors(silent: &[&Monitor], thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(SILENT, silent.len() as f64);
    let longest = silent.iter().filter_map(|one| one.silent_for).fold(0.0, f64::max);
    let never = silent.iter().any(|one| one.silent_for.is_none());
    let names: Vec<&str> = silent.iter().map(|one| one.name.as_str()).collect();
    let since = if never {
        "never".to_owned()
    } else {
        format!("{} minutes ago", rounded(longest))
    };
    let problem = match never {
        true => format!("monitors have never run: {}", names.join(", ")),
        false => format!(
            "monitors have not run for {}: {}",
            duration(longest),
            names.join(", ")
        ),
    };
    let jobs: Vec<&str> = silent.iter().map(|one| one.job.as_str()).collect();
    Reading::new(SILENT, crossed, "monitors", "Monitors Do Not Run")
        .field("Monitors", named(&names))
        .field("Last Run", since)
        .problem(problem)
        .count(silent.len() as i64)
        .next(advice::silent_monitors(
            &jobs,
            names.first().copied().unwrap_or_default(),
        ))
}

fn named(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn failing_monitors(failing: &[&Monitor], thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(FAILING, failing.len() as f64);
    let names: Vec<&str> = failing.iter().map(|one| one.name.as_str()).collect();
    let error = failing.first().and_then(|one| one.error.as_deref());
    let error = error.unwrap_or("none");
    Reading::new(FAILING, crossed, "monitors", "Monitors Fail")
        .field("Monitors", named(&names))
        .field("Error", error)
        .problem(format!(
            "monitors failed when they ran last: {}; {error}",
            names.join(", ")
        ))
        .count(failing.len() as i64)
        .next(advice::failing_monitors(
            names.first().copied().unwrap_or_default(),
        ))
}

fn undelivered_alerts(figures: &Figures, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(UNDELIVERED, figures.undelivered as f64);
    let error = figures.undelivered_error.as_deref().unwrap_or("not sent yet");
    Reading::new(UNDELIVERED, crossed, "alerts", "Alerts Reach Nobody")
        .field("Undelivered", figures.undelivered)
        .field("Oldest (minutes)", rounded(figures.oldest_undelivered_minutes))
        .field("Error", error)
        .problem(format!(
            "{} nobody, the oldest for {}; {error}",
            counted(figures.undelivered, "alert has reached", "alerts have reached"),
            duration(figures.oldest_undelivered_minutes)
        ))
        .count(figures.undelivered)
        .next(advice::undelivered_alerts(&figures.dead_channels))
}

fn missing_processes(figures: &Figures, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed("worker_down", figures.missing_workers as f64);
    Reading::new("worker_down", crossed, "workers", "Background Workers Are Down")
        .field("Missing", figures.missing_workers)
        .problem(format!(
            "{} not run",
            counted(
                figures.missing_workers as i64,
                "background process of raw_ops does",
                "background processes of raw_ops do"
            )
        ))
        .count(figures.missing_workers as i64)
        .next(advice::missing_workers())
}

/// Their messages go elsewhere meanwhile, where there is anything else.
fn dead_channels(dead: &[DeadChannel], thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(DEAD_CHANNEL, dead.len() as f64);
    let names: Vec<&str> = dead.iter().map(|one| one.secret.as_str()).collect();
    let error = dead.first().map_or("none", |one| one.error.as_str());
    Reading::new(
        DEAD_CHANNEL,
        crossed,
        "channels",
        "A Slack Channel Takes No Messages",
    )
    .field("Channels", named(&names))
    .field("Error", error)
    .problem(format!(
        "what is posted to {} does not arrive: {error}",
        names.join(", ")
    ))
    .count(dead.len() as i64)
    .since(dead.iter().filter_map(|one| one.failed_at.map(|at| at.0)).min())
    .next(advice::dead_channels(dead))
}

/// One that runs and does nothing: it hangs, or somebody has stopped it.
fn stuck_process(figures: &Figures, thresholds: &Thresholds) -> Reading {
    let silent = figures.silent_process;
    let crossed = silent.and_then(|silent| thresholds.crossed(STUCK_WORKER, silent.minutes));
    let (told, steps) = match silent.filter(|_| crossed.is_some()) {
        Some(silent) => (silent.told(), silent.next_steps().to_vec()),
        None => ("each has given a sign".to_owned(), Vec::new()),
    };
    Reading::new(STUCK_WORKER, crossed, STUCK_WORKER, "A Background Process Hangs")
        .field("Process", &told)
        .problem(told)
        .next(steps)
}

/// A held database sends nothing on purpose.
fn stuck_outbox(figures: &Figures, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds
        .crossed(STUCK_OUTBOX, figures.overdue_minutes)
        .filter(|_| !figures.is_held);
    Reading::new(STUCK_OUTBOX, crossed, "outbox", "Nothing Is Sent")
        .field("Overdue Requests", figures.overdue)
        .field("Oldest (minutes)", rounded(figures.overdue_minutes))
        .problem(format!(
            "{} due for {} and not sent",
            counted(figures.overdue, "request has been", "requests have been"),
            duration(figures.overdue_minutes)
        ))
        .count(figures.overdue)
        .since(figures.overdue_since)
        .next(advice::stuck_outbox(figures.end_sender.as_deref()))
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
    use crate::wake::Silent;

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
            job: "monitor-webhook-health".into(),
            silent_for,
            every: 60.0,
            error: None,
        }
    }

    fn titles(figures: &Figures) -> Vec<String> {
        let report = judge(figures, &thresholds());
        report
            .findings()
            .into_iter()
            .map(|one| one.title.clone())
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
        assert!(judge(&silent(2.0), &limits).findings().is_empty());
        let report = judge(&silent(2.6), &limits);
        let found = report.findings();
        assert_eq!(
            found[0].fields[0].1,
            "the sender, process 7, has given no sign for 3 minutes"
        );
        assert!(
            found[0]
                .next
                .iter()
                .any(|step| step.contains("WHERE pid = 7 AND backend_type LIKE 'raw\\_ops %';")),
            "{found:?}"
        );
    }
}
