//! What the last 24 hours brought; always sent. Source: ORD, "Monitor 3: Daily Webhook Digest".

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Finding, Report, Severity, Threshold, Thresholds, rounded};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

const NAME: &str = "webhook_daily_digest";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-webhook-daily-digest",
    schedule: "0 9 * * *",
    run,
};

const CONDITION: &str = "digest";
const DAY: i64 = 86_400_000_000;

statements! {
    query find_figures(lookback: i64) -> Figures = file "monitoring/webhook_daily_digest.sql";
}

result_row! {
    #[derive(Debug, Default)]
    struct Figures {
        succeeded: i64,
        failed: i64,
        dead_letters: i64,
        pending: i64,
        resolved: i64,
        average_ms: Option<f64>,
        p95_ms: Option<f64>,
        worst_ms: Option<f64>,
        duplicates: i64,
    }
}

impl Figures {
    /// Of what has been tried; nothing tried is nothing failed.
    fn success_rate(&self) -> f64 {
        let tried = self.succeeded + self.failed + self.dead_letters + self.resolved;
        if tried == 0 {
            100.0
        } else {
            self.succeeded as f64 * 100.0 / tried as f64
        }
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let lookback = thresholds.lookback(CONDITION).unwrap_or(DAY);
    let figures = find_figures(session, lookback)?.first()?;
    Ok(tell(&figures.unwrap_or_default(), &thresholds))
}

fn tell(figures: &Figures, thresholds: &Thresholds) -> Report {
    let rate = format!("{:.2}", figures.success_rate());
    let summary = json!({
        "success": figures.succeeded, "failed": figures.failed, "dlq": figures.dead_letters, "pending": figures.pending,
        "resolved_manual": figures.resolved, "duplicates": figures.duplicates,
        "success_rate": (figures.success_rate() * 100.0).round() / 100.0,
        "avg_ms": figures.average_ms.map(f64::round), "p95_ms": figures.p95_ms.map(f64::round), "max_ms": figures.worst_ms,
    });
    let latency = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), rounded);
    let digest = thresholds.0.iter().find(|one| one.condition == CONDITION);
    let finding = digest.map(|threshold| {
        let info = Threshold {
            severity: Severity::Info,
            ..threshold.clone()
        };
        Finding::new(CONDITION, &info, "Daily Webhook Digest")
            .field("Success", figures.succeeded)
            .field("Failed", figures.failed)
            .field("DLQ", figures.dead_letters)
            .field("Success Rate (%)", rate)
            .field("Average Latency (ms)", latency(figures.average_ms))
            .field("P95 Latency (ms)", latency(figures.p95_ms))
            .field("Max Latency (ms)", latency(figures.worst_ms))
    });
    Report::new(NAME, summary).with(finding)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_daily_digest_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::tests::row;

    #[test]
    fn it_is_sent_even_when_nothing_happened() {
        let thresholds = Thresholds(vec![row(CONDITION, Severity::Info, "#daily-ops", 0.0)]);
        let report = tell(&Figures::default(), &thresholds);
        assert_eq!(report.status(), "info");
        let json = report.to_json();
        assert_eq!(json["alert_config"]["channel"], "#daily-ops");
        assert_eq!(json["result_summary"]["success_rate"], 100.0);
    }

    #[test]
    fn the_rate_is_of_what_was_tried() {
        let figures = Figures {
            succeeded: 98,
            failed: 1,
            dead_letters: 1,
            pending: 900,
            ..Figures::default()
        };
        assert_eq!(figures.success_rate(), 98.0);
    }
}
