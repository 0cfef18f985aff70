//! What the last 24 hours brought; always sent. Source: ORD, "Monitor 3: Daily Webhook Digest".

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Reading, Report, Severity, Shops, Threshold, Thresholds, rounded};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

const NAME: &str = "webhook_daily_digest";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-webhook-daily-digest",
    schedule: "0 9 * * *",
    run,
    shown: None,
};

const CONDITION: &str = "digest";
const DAY: i64 = 86_400_000_000;
/// Lines of shops that a digest shows; Slack takes no longer message.
const SHOPS_SHOWN: usize = 40;

statements! {
    query find_figures(lookback: i64) -> Figures = file "monitoring/webhook_daily_digest.sql";
}

result_row! {
    #[derive(Clone, Debug, Default)]
    struct Figures {
        /// `None`: of all shops.
        shop_domain: Option<String>,
        succeeded: i64,
        failed: i64,
        dead_letters: i64,
        pending: i64,
        resolved: i64,
        /// Of those: order webhooks whose order is not here.
        settled_without_order: i64,
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

    fn received(&self) -> i64 {
        self.succeeded + self.failed + self.dead_letters + self.pending + self.resolved
    }

    fn to_json(&self) -> Json {
        json!({
            "success": self.succeeded, "failed": self.failed, "dlq": self.dead_letters, "pending": self.pending,
            "resolved_manual": self.resolved, "settled_without_order": self.settled_without_order, "duplicates": self.duplicates,
            "success_rate": (self.success_rate() * 100.0).round() / 100.0,
            "avg_ms": self.average_ms.map(f64::round), "p95_ms": self.p95_ms.map(f64::round), "max_ms": self.worst_ms,
        })
    }

    /// One shop's day in a line.
    fn line(&self) -> String {
        if self.received() == 0 {
            return "nothing received".to_owned();
        }
        let mut line = format!(
            "{} received, {:.2} % succeeded",
            self.received(),
            self.success_rate()
        );
        for (count, what) in [
            (self.failed, "failed"),
            (self.dead_letters, "in the DLQ"),
            (self.pending, "pending"),
            (self.settled_without_order, "settled without an order"),
        ] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        match self.p95_ms {
            Some(p95) => format!("{line}, P95 {} ms", rounded(p95)),
            None => line,
        }
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let lookback = thresholds.lookback(CONDITION).unwrap_or(DAY);
    let figures = find_figures(session, lookback)?.all()?;
    Ok(tell(&figures, &Shops::read(session)?, &thresholds))
}

/// `all`: of all shops, and of each that has received something.
fn tell(all: &[Figures], shops: &Shops, thresholds: &Thresholds) -> Report {
    let total = all.iter().find(|one| one.shop_domain.is_none());
    let figures = &total.cloned().unwrap_or_default();
    let by_shop = match shops.are_several() {
        true => each_shop(all, shops),
        false => Vec::new(),
    };
    let mut summary = figures.to_json();
    if shops.are_several() {
        let shop = |(shop, figures): &(&str, Figures)| {
            let mut json = figures.to_json();
            json["shop_domain"] = (*shop).into();
            json
        };
        summary["shops"] = by_shop.iter().map(shop).collect();
    }
    let rate = format!("{:.2}", figures.success_rate());
    let latency = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), rounded);
    let digest = thresholds.0.iter().find(|one| one.condition == CONDITION);
    let reading = digest.map(|threshold| {
        let info = Threshold {
            severity: Severity::Info,
            ..threshold.clone()
        };
        let reading = Reading::new(CONDITION, Some(&info), CONDITION, "Daily Webhook Digest")
            .field("Success", figures.succeeded)
            .field("Failed", figures.failed)
            .field("DLQ", figures.dead_letters)
            .field("Success Rate (%)", rate)
            .field("Average Latency (ms)", latency(figures.average_ms))
            .field("P95 Latency (ms)", latency(figures.p95_ms))
            .field("Max Latency (ms)", latency(figures.worst_ms));
        with_shops(with_settled(reading, figures), &by_shop, shops)
    });
    Report::new(NAME, summary).with(reading)
}

/// What people have settled by hand is no success: beside a rate below 100 it has to be seen.
fn with_settled(mut reading: Reading, figures: &Figures) -> Reading {
    for (title, count) in [
        ("Settled by Hand", figures.resolved),
        ("Settled Without an Order", figures.settled_without_order),
    ] {
        if count > 0 {
            reading = reading.field(title, count);
        }
    }
    reading
}

/// Of each shop: those that are active also where nothing came, what names no shop only where something did. The busiest first.
fn each_shop<'a>(all: &'a [Figures], shops: &'a Shops) -> Vec<(&'a str, Figures)> {
    let of_shop = |figures: &'a Figures| Some((figures.shop_domain.as_deref()?, figures.clone()));
    let mut by_shop: Vec<(&str, Figures)> = all.iter().filter_map(of_shop).collect();
    for shop in shops.active() {
        if !by_shop.iter().any(|(known, _)| *known == shop) {
            by_shop.push((shop, Figures::default()));
        }
    }
    by_shop.sort_by_key(|(shop, figures)| (std::cmp::Reverse(figures.received()), *shop));
    by_shop
}

/// A line a shop.
fn with_shops(mut reading: Reading, by_shop: &[(&str, Figures)], shops: &Shops) -> Reading {
    for (shop, figures) in by_shop.iter().take(SHOPS_SHOWN) {
        reading = reading.field(&shops.label(shop), figures.line());
    }
    let more = by_shop.len().saturating_sub(SHOPS_SHOWN);
    match more {
        0 => reading,
        _ => reading
            .next(vec!["SELECT * FROM raw_ops.webhook_health_by_shop;".to_owned()])
            .field("More Shops", more),
    }
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_daily_digest_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::tests::{row, shops};

    #[test]
    fn it_is_sent_even_when_nothing_happened() {
        let thresholds = Thresholds(vec![row(CONDITION, Severity::Info, "#daily-ops", 0.0)]);
        let report = tell(&[], &shops(&["uk.example"]), &thresholds);
        assert_eq!(report.status(), "info");
        let json = report.to_json();
        assert_eq!(json["alert_config"]["channel"], "#daily-ops");
        assert_eq!(json["result_summary"]["success_rate"], 100.0);
        assert_eq!(json["result_summary"].get("shops"), None);
    }

    #[test]
    fn of_several_shops_each_has_its_line_also_one_that_received_nothing() {
        let thresholds = Thresholds(vec![row(CONDITION, Severity::Info, "#daily-ops", 0.0)]);
        let figures = |shop: Option<&str>, succeeded, dead_letters| Figures {
            shop_domain: shop.map(str::to_owned),
            succeeded,
            dead_letters,
            p95_ms: Some(12.0),
            ..Figures::default()
        };
        let all = [
            figures(Some(""), 1, 0),
            figures(Some("uk.example"), 3, 1),
            figures(None, 4, 1),
        ];
        let report = tell(&all, &shops(&["eu.example", "uk.example"]), &thresholds);
        let fields = &report.findings()[0].fields;
        assert_eq!(fields[0], ("Success".to_owned(), "4".to_owned()));
        let line = |title: &str, value: &str| (title.to_owned(), value.to_owned());
        assert_eq!(
            fields[7..],
            [
                line(
                    "uk.example",
                    "4 received, 75.00 % succeeded, 1 in the DLQ, P95 12 ms"
                ),
                line("no shop named", "1 received, 100.00 % succeeded, P95 12 ms"),
                line("eu.example", "nothing received"),
            ]
        );
        assert_eq!(report.summary["shops"].as_array().map(Vec::len), Some(3));
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
