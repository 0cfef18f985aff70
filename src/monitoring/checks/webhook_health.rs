//! The retry queue, dead letters, latency. Source: ORD, "Monitor 2: Webhook Health Check".

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Finding, Report, Shops, Threshold, Thresholds, listed, rounded};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

pub const NAME: &str = "webhook_health";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-webhook-health",
    schedule: "*/5 * * * *",
    run,
};

const MINUTE: i64 = 60_000_000;
const DEPTH: &str = "retry_queue_depth";
/// Minutes.
pub const OLDEST: &str = "oldest_pending";
const DEAD_LETTERS: &str = "new_dead_letters";
const LATENCY: &str = "p95_latency";
const REFUSED: &str = "refused_elements";
const WAITING: &str = "waiting_elements";

statements! {
    query find_figures(fresh: i64, latency: i64, elements: i64) -> Figures = file "monitoring/webhook_health.sql";
    query find_by_shop(fresh: i64, elements: i64) -> OfShop = file "monitoring/webhook_health_by_shop.sql";
}

result_row! {
    #[derive(Clone, Debug, Default)]
    struct Figures {
        depth: i64,
        oldest_minutes: f64,
        new_dead_letters: i64,
        dead_letters: i64,
        p95_ms: f64,
        worst_ms: f64,
        processed: i64,
        pending: i64,
        failed: i64,
        retrying: i64,
        refused_elements: i64,
        waiting_elements: i64,
        oldest_element_minutes: f64,
    }
}

result_row! {
    /// What is a shop's own; of one shop it is all there is.
    #[derive(Clone, Debug, Default)]
    struct OfShop {
        shop_domain: String,
        depth: i64,
        new_dead_letters: i64,
        dead_letters: i64,
        refused_elements: i64,
        waiting_elements: i64,
        oldest_element_minutes: f64,
    }
}

impl Figures {
    /// Of all shops together, as of one.
    fn of_all(&self) -> OfShop {
        OfShop {
            shop_domain: String::new(),
            depth: self.depth,
            new_dead_letters: self.new_dead_letters,
            dead_letters: self.dead_letters,
            refused_elements: self.refused_elements,
            waiting_elements: self.waiting_elements,
            oldest_element_minutes: self.oldest_element_minutes,
        }
    }
}

impl OfShop {
    fn to_json(&self) -> Json {
        json!({
            "shop_domain": self.shop_domain, "queue_depth": self.depth, "new_dlq": self.new_dead_letters,
            "dlq": self.dead_letters, "refused_elements": self.refused_elements, "waiting_elements": self.waiting_elements,
        })
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let window = |condition, otherwise: i64| thresholds.lookback(condition).unwrap_or(otherwise);
    let day = 24 * 60 * MINUTE;
    let of_elements = thresholds
        .lookback(REFUSED)
        .max(thresholds.lookback(WAITING))
        .unwrap_or(day);
    let fresh = window(DEAD_LETTERS, 10 * MINUTE);
    let figures = find_figures(session, fresh, window(LATENCY, 60 * MINUTE), of_elements)?;
    let figures = figures.first()?.unwrap_or_default();
    let shops = Shops::read(session)?;
    let by_shop = match shops.are_several() {
        true => find_by_shop(session, fresh, of_elements)?.all()?,
        false => vec![figures.of_all()],
    };
    Ok(judge(&figures, &by_shop, &shops, &thresholds))
}

/// The queue and its speed are everybody's; what fell out of it is its shop's, which is judged as if it were alone.
fn judge(figures: &Figures, by_shop: &[OfShop], shops: &Shops, thresholds: &Thresholds) -> Report {
    let summary = json!({
        "queue_depth": figures.depth, "oldest_pending_minutes": (figures.oldest_minutes * 10.0).round() / 10.0,
        "pending": figures.pending, "failed": figures.failed, "retrying": figures.retrying,
        "new_dlq": figures.new_dead_letters, "dlq": figures.dead_letters,
        "p95_ms": figures.p95_ms.round(), "max_ms": figures.worst_ms, "processed": figures.processed,
        "refused_elements": figures.refused_elements, "waiting_elements": figures.waiting_elements,
    });
    let mut report = Report::new(NAME, summary);
    if shops.are_several() {
        report
            .summary
            .insert("shops".into(), by_shop.iter().map(OfShop::to_json).collect());
    }
    for shop in by_shop {
        report = report.with(dead_letters(shop, shops, thresholds));
    }
    report = report
        .with(queue_backup(figures, by_shop, shops, thresholds))
        .with(slow_processing(figures, thresholds));
    for shop in by_shop {
        report = report
            .with(refused_elements(shop, shops, thresholds))
            .with(waiting_elements(shop, shops, thresholds));
    }
    report
}

/// The webhooks they came in have succeeded: nobody else tells of them.
fn refused_elements(figures: &OfShop, shops: &Shops, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(REFUSED, figures.refused_elements as f64)?;
    let finding = Finding::new(REFUSED, crossed, "Webhook Elements Refused")
        .field("Elements", figures.refused_elements)
        .field("Severity", crossed.severity.as_str())
        .next_step(&elements_left(shops, &figures.shop_domain))
        .of_shop(shops, &figures.shop_domain);
    Some(finding)
}

fn waiting_elements(figures: &OfShop, shops: &Shops, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(WAITING, figures.oldest_element_minutes)?;
    let finding = Finding::new(WAITING, crossed, "Webhook Elements Wait")
        .field("Elements", figures.waiting_elements)
        .field("Oldest (minutes)", rounded(figures.oldest_element_minutes))
        .field("Severity", crossed.severity.as_str())
        .next_step(&elements_left(shops, &figures.shop_domain))
        .of_shop(shops, &figures.shop_domain);
    Some(finding)
}

fn elements_left(shops: &Shops, shop: &str) -> String {
    format!(
        "SELECT provider, state, path, error, webhook_id, created_at FROM raw_ops.webhook_elements_left{} \
         ORDER BY created_at DESC LIMIT 20;",
        shops.condition("WHERE", shop)
    )
}

/// The worst that a queue of this depth, whose oldest webhook has waited for so many minutes, is above.
pub fn worst_of_queue(thresholds: &Thresholds, depth: i64, oldest_minutes: f64) -> Option<&Threshold> {
    let by_depth = thresholds.crossed(DEPTH, depth as f64);
    let by_age = thresholds.crossed(OLDEST, oldest_minutes).filter(|_| depth > 0);
    [by_depth, by_age]
        .into_iter()
        .flatten()
        .max_by_key(|one| one.severity)
}

/// ORD's runbook treats depth and age as one condition: two posts about one stuck queue would help nobody.
fn queue_backup(
    figures: &Figures,
    by_shop: &[OfShop],
    shops: &Shops,
    thresholds: &Thresholds,
) -> Option<Finding> {
    let worst = worst_of_queue(thresholds, figures.depth, figures.oldest_minutes)?;
    let mut finding = Finding::new("retry_queue_backup", worst, "Retry Queue Backup")
        .field("Retry Queue Depth", figures.depth);
    if shops.are_several() {
        finding = finding.field("Of Shops", depths(by_shop, shops));
    }
    let finding = finding
        .field("Oldest Pending (minutes)", rounded(figures.oldest_minutes))
        .field("Severity", worst.severity.as_str())
        .next_step("SELECT * FROM raw_ops.retry_queue_depth;");
    Some(finding)
}

/// Whose webhooks wait, those with most of them first.
fn depths(by_shop: &[OfShop], shops: &Shops) -> String {
    const SHOWN: usize = 10;
    let mut waiting: Vec<&OfShop> = by_shop.iter().filter(|shop| shop.depth > 0).collect();
    waiting.sort_by_key(|shop| (std::cmp::Reverse(shop.depth), shop.shop_domain.as_str()));
    let depth = |shop: &&OfShop| format!("{}: {}", shops.label(&shop.shop_domain), shop.depth);
    let shown: Vec<String> = waiting.iter().take(SHOWN).map(depth).collect();
    listed(&shown, waiting.len() as i64)
}

fn dead_letters(figures: &OfShop, shops: &Shops, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(DEAD_LETTERS, figures.new_dead_letters as f64)?;
    let finding = Finding::new(DEAD_LETTERS, crossed, "DLQ Critical")
        .field("New DLQ Entries", figures.new_dead_letters)
        .field("DLQ Total", figures.dead_letters)
        .field("Severity", crossed.severity.as_str())
        .next_step(&format!(
            "SELECT id, topic, last_error, error_category FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq'{} \
             ORDER BY last_error_at DESC LIMIT 5;",
            shops.condition("AND", &figures.shop_domain)
        ))
        .of_shop(shops, &figures.shop_domain);
    Some(finding)
}

fn slow_processing(figures: &Figures, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(LATENCY, figures.p95_ms)?;
    let finding = Finding::new("slow_processing", crossed, "Slow Processing")
        .field("P95 Latency (ms)", rounded(figures.p95_ms))
        .field("Max Latency (ms)", rounded(figures.worst_ms))
        .field("Severity", crossed.severity.as_str())
        .next_step("SELECT * FROM raw_ops.alert_slow_processing;");
    Some(finding)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_health_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Severity, tests::row, tests::shops};

    fn ord() -> Thresholds {
        Thresholds(vec![
            row(DEPTH, Severity::Warning, "#ops-alerts", 100.0),
            row(OLDEST, Severity::Warning, "#ops-alerts", 30.0),
            row(DEAD_LETTERS, Severity::Critical, "#ops-urgent", 0.0),
            row(LATENCY, Severity::Warning, "#ops-alerts", 5_000.0),
            row(REFUSED, Severity::Warning, "#ops-alerts", 0.0),
            row(WAITING, Severity::Warning, "#ops-alerts", 60.0),
        ])
    }

    fn told(figures: &Figures) -> Vec<(String, &'static str, String)> {
        let report = judge(figures, &[figures.of_all()], &shops(&["uk.example"]), &ord());
        let tell = |one: Finding| (one.title, one.severity.as_str(), one.channel);
        report.findings.into_iter().map(tell).collect()
    }

    #[test]
    fn each_threshold_just_under_and_just_over() {
        let quiet = Figures {
            depth: 100,
            oldest_minutes: 30.0,
            p95_ms: 5_000.0,
            oldest_element_minutes: 60.0,
            ..Figures::default()
        };
        assert_eq!(told(&quiet), []);
        let warning = |title: &str| vec![(title.to_owned(), "warning", "#ops-alerts".to_owned())];
        assert_eq!(
            told(&Figures {
                depth: 101,
                ..quiet.clone()
            }),
            warning("Retry Queue Backup")
        );
        assert_eq!(
            told(&Figures {
                oldest_minutes: 30.1,
                ..quiet.clone()
            }),
            warning("Retry Queue Backup")
        );
        assert_eq!(
            told(&Figures {
                p95_ms: 5_000.1,
                ..quiet.clone()
            }),
            warning("Slow Processing")
        );
        assert_eq!(
            told(&Figures {
                refused_elements: 1,
                ..quiet.clone()
            }),
            warning("Webhook Elements Refused")
        );
        assert_eq!(
            told(&Figures {
                waiting_elements: 1,
                oldest_element_minutes: 60.1,
                ..quiet.clone()
            }),
            warning("Webhook Elements Wait")
        );
        assert_eq!(
            told(&Figures {
                new_dead_letters: 1,
                ..quiet.clone()
            }),
            [("DLQ Critical".to_owned(), "critical", "#ops-urgent".to_owned())]
        );
    }

    #[test]
    fn several_at_once_are_told_each_and_the_worst_is_the_alert() {
        let all = Figures {
            depth: 500,
            new_dead_letters: 2,
            p95_ms: 9_000.0,
            ..Figures::default()
        };
        let report = judge(&all, &[all.of_all()], &shops(&[]), &ord());
        assert_eq!(report.findings.len(), 3);
        assert_eq!(report.to_json()["alert_config"]["title"], "DLQ Critical");
    }

    #[test]
    fn dead_letters_are_their_shops_own_and_the_queue_is_everybodys() {
        let of_shop = |shop: &str, depth, new_dead_letters| OfShop {
            shop_domain: shop.into(),
            depth,
            new_dead_letters,
            ..OfShop::default()
        };
        let all = Figures {
            depth: 130,
            new_dead_letters: 3,
            ..Figures::default()
        };
        let by_shop = [
            of_shop("eu.example", 60, 1),
            of_shop("it.example", 0, 0),
            of_shop("uk.example", 70, 2),
        ];
        let three = shops(&["eu.example", "it.example", "uk.example"]);
        let report = judge(&all, &by_shop, &three, &ord());
        let told: Vec<(&str, &str)> = report
            .findings
            .iter()
            .map(|one| (one.condition.name.as_str(), one.condition.shop.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (DEAD_LETTERS, "eu.example"),
                (DEAD_LETTERS, "uk.example"),
                ("retry_queue_backup", "")
            ]
        );
        assert!(
            report.findings[1]
                .next_step
                .contains("AND shop_domain = 'uk.example'")
        );
        let queue = &report.findings[2].fields;
        assert_eq!(
            queue[1],
            ("Of Shops".to_owned(), "uk.example: 70, eu.example: 60".to_owned())
        );
    }
}
