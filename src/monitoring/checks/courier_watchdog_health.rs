//! Notifications to customers that do not arrive. Source: DLV, "Health Check: courier_watchdog_health".

use super::Check;
use crate::courier::outcome::what_to_do;
pub use crate::courier::outcome::{CHECK_NAME as NAME, FAILED};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::monitoring::report::{
    Lasts, Reading, Report, Severity, Shops, Thresholds, counted, duration, rounded,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-dlv-01-watchdog-health",
    schedule: "*/15 * * * *",
    run,
    shown: Some(run),
};

const DAY: i64 = 86_400_000_000;
/// Minutes.
pub const STUCK: &str = "stuck_events";
const OVERDUE: &str = "overdue_tasks";

statements! {
    query find_figures(failed: i64, stuck: i64, minutes: f64) -> Figures
        = file "monitoring/courier_watchdog_health.sql";
}

result_row! {
    #[derive(Clone, Debug, Default)]
    pub struct Figures {
        shop_domain: String,
        /// Failed for good within the lookback.
        pub failed: i64,
        last_error: Option<String>,
        last_failed_at: Option<Timestamp>,
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
    let by_shop = measure_by_shop(session, &thresholds)?;
    Ok(judge(&by_shop, &Shops::read(session)?, &thresholds))
}

fn measure_by_shop(session: &Session, thresholds: &Thresholds) -> Result<Vec<Figures>> {
    let window = |condition| thresholds.lookback(condition).unwrap_or(DAY);
    let minutes = thresholds.lowest(STUCK).unwrap_or(60.0);
    find_figures(session, window(FAILED), window(STUCK), minutes)?.all()
}

impl Figures {
    fn shop(&self) -> &str {
        &self.shop_domain
    }

    fn of_all<'a>(by_shop: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for one in by_shop {
            if one.last_failed_at > all.last_failed_at {
                all.last_failed_at = one.last_failed_at;
                all.last_error = one.last_error.clone();
            }
            all.oldest_minutes = all.oldest_minutes.max(one.oldest_minutes);
            all.failed += one.failed;
            all.stuck += one.stuck;
            all.waiting += one.waiting;
            all.sent += one.sent;
            all.skipped += one.skipped;
            all.open_tasks += one.open_tasks;
            all.overdue_tasks += one.overdue_tasks;
        }
        all
    }

    fn to_json(&self) -> Json {
        json!({
            "failed_24h": self.failed, "last_error": self.last_error,
            "stuck": self.stuck, "oldest_waiting_minutes": (self.oldest_minutes * 10.0).round() / 10.0,
            "waiting": self.waiting, "sent_24h": self.sent, "skipped_24h": self.skipped,
            "open_tasks": self.open_tasks, "overdue_tasks": self.overdue_tasks,
        })
    }
}

/// Each shop is judged as if it were alone.
fn judge(by_shop: &[Figures], shops: &Shops, thresholds: &Thresholds) -> Report {
    let mut report = Report::new(NAME, Figures::of_all(by_shop).to_json());
    let grouped = shops.group(by_shop, Figures::shop);
    let grouped = grouped
        .into_iter()
        .map(|(shop, figures)| (shop, Figures::of_all(figures)));
    let grouped: Vec<(&str, Figures)> = grouped.collect();
    if shops.are_several() {
        let of_shop = |(shop, figures): &(&str, Figures)| {
            let mut json = figures.to_json();
            json["shop_domain"] = (*shop).into();
            json
        };
        report
            .summary
            .insert("shops".into(), grouped.iter().map(of_shop).collect());
    }
    for (shop, figures) in &grouped {
        report = report
            .with([failed(figures, shops, shop, thresholds)])
            .with([stuck(figures, shops, shop, thresholds)])
            .with([overdue_tasks(figures, shops, shop, thresholds)]);
    }
    report
}

fn failed(figures: &Figures, shops: &Shops, shop: &str, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(FAILED, figures.failed as f64);
    let error = figures.last_error.as_deref().unwrap_or("none recorded");
    Reading::new(FAILED, crossed, "courier", "Courier Notifications Failed")
        .field("Failed (24 h)", figures.failed)
        .field("Last Error", error)
        .severity_field()
        .problem(format!(
            "{} for good, the customers have not heard; {error}",
            counted(
                figures.failed,
                "courier notification failed",
                "courier notifications failed"
            )
        ))
        .count(figures.failed)
        .since(figures.last_failed_at.map(|at| at.0))
        .next(what_to_do(shops, shop, figures.last_error.as_deref()))
        .of_shop(shops, shop)
}

fn stuck(figures: &Figures, shops: &Shops, shop: &str, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(STUCK, figures.oldest_minutes);
    let steps = vec![format!(
        "SELECT id, notification_status, notification_attempts, notification_last_error, notification_next_retry_at FROM \
         raw_ops.ops_events WHERE processed_at IS NULL AND kind = 'CUSTOMER_EVENT' AND customer_event_type = 'courier_exception'{} \
         ORDER BY created_at DESC LIMIT 20;",
        shops.condition("AND", shop)
    )];
    Reading::new(STUCK, crossed, "courier", "Courier Notifications Are Stuck")
        .field("Stuck Events", figures.stuck)
        .field("Oldest (minutes)", rounded(figures.oldest_minutes))
        .severity_field()
        .problem(format!(
            "{} to reach customers, for up to {}",
            counted(figures.stuck, "notification waits", "notifications wait"),
            duration(figures.oldest_minutes)
        ))
        .count(figures.stuck)
        .next(steps)
        .of_shop(shops, shop)
}

/// A customer waits for a person. Nobody is alerted: the person who has the task is to see it on the page.
fn overdue_tasks(figures: &Figures, shops: &Shops, shop: &str, thresholds: &Thresholds) -> Reading {
    let condition = shops.condition("WHERE", shop);
    let reading = Reading::new(OVERDUE, None, "courier_tasks", "Courier Tasks Are Overdue")
        .problem(format!(
            "{} overdue, a customer waits for a person",
            counted(figures.overdue_tasks, "courier task is", "courier tasks are")
        ))
        .count(figures.overdue_tasks)
        .next(vec![
            format!("SELECT * FROM raw_ops.courier_open_tasks{condition} ORDER BY due_at LIMIT 20;"),
            "-- When one is done: SELECT raw_ops.fn_complete_courier_task_v1('<task_id>', '<what was done>');".to_owned(),
        ])
        .of_shop(shops, shop);
    match figures.overdue_tasks {
        0 => reading,
        _ => reading.lasts(Lasts::As(Severity::Warning), thresholds, OVERDUE),
    }
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_courier_watchdog_health_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Finding, tests::row, tests::shops};

    fn dlv() -> Thresholds {
        Thresholds(vec![
            row(FAILED, Severity::Warning, "#ops-alerts", 0.0),
            row(FAILED, Severity::Critical, "#ops-urgent", 2.0),
            row(STUCK, Severity::Warning, "#ops-alerts", 60.0),
        ])
    }

    fn told(figures: &Figures) -> Vec<(String, &'static str, String)> {
        let report = judge(std::slice::from_ref(figures), &shops(&[]), &dlv());
        let tell = |one: &Finding| {
            (
                one.condition.name.clone(),
                one.severity.as_str(),
                one.channel.clone(),
            )
        };
        report.findings().into_iter().map(tell).collect()
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

    #[test]
    fn the_failures_of_three_shops_are_no_crisis_of_one() {
        let failed = |shop: &str, failed| Figures {
            shop_domain: shop.into(),
            failed,
            ..Figures::default()
        };
        let all = [failed("eu.example", 2), failed("uk.example", 3)];
        let report = judge(&all, &shops(&["eu.example", "uk.example"]), &dlv());
        let findings = report.findings();
        let told: Vec<(&str, Severity)> = findings
            .iter()
            .map(|one| (one.condition.shop.as_str(), one.severity))
            .collect();
        assert_eq!(
            told,
            [
                ("eu.example", Severity::Warning),
                ("uk.example", Severity::Critical)
            ]
        );
        assert_eq!(report.summary["failed_24h"], 5);
        // One shop has what names none, too.
        let alone = judge(
            &[failed("", 1), failed("uk.example", 2)],
            &shops(&["uk.example"]),
            &dlv(),
        );
        let findings = alone.findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
    }
}
