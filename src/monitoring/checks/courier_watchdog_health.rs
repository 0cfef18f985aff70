//! Notifications to customers that do not arrive. Source: DLV, "Health Check: courier_watchdog_health".

use super::Check;
use crate::courier::outcome::NEXT_STEP;
pub use crate::courier::outcome::{CHECK_NAME as NAME, FAILED};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Finding, Report, Thresholds, rounded};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-dlv-01-watchdog-health",
    schedule: "*/15 * * * *",
    run,
};

const DAY: i64 = 86_400_000_000;
/// Minutes.
pub const STUCK: &str = "stuck_events";

statements! {
    query find_figures(failed: i64, stuck: i64, minutes: f64) -> Figures
        = file "monitoring/courier_watchdog_health.sql";
}

result_row! {
    #[derive(Clone, Debug, Default)]
    pub struct Figures {
        /// Failed for good within the lookback.
        pub failed: i64,
        last_error: Option<String>,
        /// Waiting longer than the threshold.
        pub stuck: i64,
        /// The longest wait of all.
        pub oldest_minutes: f64,
        waiting: i64,
        sent: i64,
        skipped: i64,
        pub open_tasks: i64,
        pub overdue_tasks: i64,
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    Ok(judge(&measure(session, &thresholds)?, &thresholds))
}

/// The figures, within the lookbacks of the thresholds.
pub fn measure(session: &Session, thresholds: &Thresholds) -> Result<Figures> {
    let window = |condition| thresholds.lookback(condition).unwrap_or(DAY);
    let minutes = thresholds.lowest(STUCK).unwrap_or(60.0);
    let figures = find_figures(session, window(FAILED), window(STUCK), minutes)?.first()?;
    Ok(figures.unwrap_or_default())
}

fn judge(figures: &Figures, thresholds: &Thresholds) -> Report {
    let summary = json!({
        "failed_24h": figures.failed, "last_error": figures.last_error,
        "stuck": figures.stuck, "oldest_waiting_minutes": (figures.oldest_minutes * 10.0).round() / 10.0,
        "waiting": figures.waiting, "sent_24h": figures.sent, "skipped_24h": figures.skipped,
        "open_tasks": figures.open_tasks, "overdue_tasks": figures.overdue_tasks,
    });
    Report::new(NAME, summary)
        .with(failed(figures, thresholds))
        .with(stuck(figures, thresholds))
}

fn failed(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(FAILED, figures.failed as f64)?;
    let finding = Finding::new(FAILED, crossed, "Courier Notifications Failed")
        .field("Failed (24 h)", figures.failed)
        .field(
            "Last Error",
            figures.last_error.as_deref().unwrap_or("none recorded"),
        )
        .field("Severity", crossed.severity.as_str())
        .next_step(NEXT_STEP);
    Some(finding)
}

fn stuck(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(STUCK, figures.oldest_minutes)?;
    let finding = Finding::new(STUCK, crossed, "Courier Notifications Are Stuck")
        .field("Stuck Events", figures.stuck)
        .field("Oldest (minutes)", rounded(figures.oldest_minutes))
        .field("Severity", crossed.severity.as_str())
        .next_step(
            "SELECT id, notification_status, notification_attempts, notification_last_error, notification_next_retry_at \
             FROM raw_ops.ops_events WHERE processed_at IS NULL AND kind = 'CUSTOMER_EVENT' AND customer_event_type = \
             'courier_exception' ORDER BY created_at DESC; SELECT raw_ops.fn_health_v1();",
        );
    Some(finding)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_courier_watchdog_health_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Severity, tests::row};

    fn dlv() -> Thresholds {
        Thresholds(vec![
            row(FAILED, Severity::Warning, "#ops-alerts", 0.0),
            row(FAILED, Severity::Critical, "#ops-urgent", 2.0),
            row(STUCK, Severity::Warning, "#ops-alerts", 60.0),
        ])
    }

    fn told(figures: &Figures) -> Vec<(String, &'static str, String)> {
        let findings = judge(figures, &dlv()).findings;
        let tell = |one: Finding| (one.condition, one.severity.as_str(), one.channel);
        findings.into_iter().map(tell).collect()
    }

    #[test]
    fn dlvs_thresholds_just_under_and_just_over() {
        let quiet = Figures {
            oldest_minutes: 60.0,
            waiting: 3,
            ..Figures::default()
        };
        assert_eq!(told(&quiet), []);
        for (count, severity, channel) in [
            (1, "warning", "#ops-alerts"),
            (2, "warning", "#ops-alerts"),
            (3, "critical", "#ops-urgent"),
        ] {
            let figures = Figures {
                failed: count,
                ..quiet.clone()
            };
            assert_eq!(
                told(&figures),
                [(FAILED.to_owned(), severity, channel.to_owned())],
                "{count}"
            );
        }
        let stuck = Figures {
            oldest_minutes: 60.1,
            stuck: 1,
            ..quiet
        };
        assert_eq!(
            told(&stuck),
            [(STUCK.to_owned(), "warning", "#ops-alerts".to_owned())]
        );
    }
}
