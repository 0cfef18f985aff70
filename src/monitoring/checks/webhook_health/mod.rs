//! The retry queue, dead letters, latency. Source: ORD, "Monitor 2: Webhook Health Check".

mod figures;

use super::Check;
use crate::db::Session;
use crate::error::Result;
use crate::monitoring::advice::{self, DeadLetters};
use crate::monitoring::report::{
    Lasts, Reading, Report, Severity, Shops, Threshold, Thresholds, counted, duration, listed, rounded,
};
use figures::{All, Figures, OfShop};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

pub const NAME: &str = "webhook_health";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-webhook-health",
    schedule: "*/5 * * * *",
    run,
    shown: Some(run),
};

const DEPTH: &str = "retry_queue_depth";
/// Minutes.
pub const OLDEST: &str = "oldest_pending";
const DEAD_LETTERS: &str = "new_dead_letters";
const LATENCY: &str = "p95_latency";
const REFUSED: &str = "refused_elements";
const WAITING: &str = "waiting_elements";
fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let shops = Shops::read(session)?;
    let all = figures::read(session, &thresholds, &shops)?;
    Ok(judge(&all, &shops, &thresholds))
}

/// The queue and its speed are everybody's; what fell out of it is its shop's, which is judged as if it were alone.
fn judge(all: &All, shops: &Shops, thresholds: &Thresholds) -> Report {
    let figures = &all.figures;
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
            .insert("shops".into(), all.by_shop.iter().map(OfShop::to_json).collect());
    }
    for shop in &all.by_shop {
        report = report.with([dead_letters(shop, all, shops, thresholds)]);
    }
    report = report.with([
        queue_backup(all, shops, thresholds),
        slow_processing(figures, thresholds),
    ]);
    for shop in &all.by_shop {
        report = report.with([
            refused_elements(shop, shops, thresholds),
            waiting_elements(shop, shops, thresholds),
        ]);
    }
    report
}

/// The webhooks they came in have succeeded: nobody else tells of them.
fn refused_elements(figures: &OfShop, shops: &Shops, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(REFUSED, figures.refused_elements as f64);
    Reading::new(REFUSED, crossed, REFUSED, "Webhook Elements Refused")
        .field("Elements", figures.refused_elements)
        .severity_field()
        .problem(format!(
            "{} of list-shaped webhooks refused, the webhooks themselves have succeeded",
            counted(figures.refused_elements, "element", "elements")
        ))
        .count(figures.refused_elements)
        .next(advice::elements_left(
            &shops.condition("WHERE", &figures.shop_domain),
        ))
        .of_shop(shops, &figures.shop_domain)
}

fn waiting_elements(figures: &OfShop, shops: &Shops, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(WAITING, figures.oldest_element_minutes);
    Reading::new(WAITING, crossed, WAITING, "Webhook Elements Wait")
        .field("Elements", figures.waiting_elements)
        .field("Oldest (minutes)", rounded(figures.oldest_element_minutes))
        .severity_field()
        .problem(format!(
            "{} for what it is about, for up to {}",
            counted(
                figures.waiting_elements,
                "element of a list-shaped webhook waits",
                "elements of list-shaped webhooks wait"
            ),
            duration(figures.oldest_element_minutes)
        ))
        .count(figures.waiting_elements)
        .next(advice::elements_left(
            &shops.condition("WHERE", &figures.shop_domain),
        ))
        .of_shop(shops, &figures.shop_domain)
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
fn queue_backup(all: &All, shops: &Shops, thresholds: &Thresholds) -> Reading {
    let figures = &all.figures;
    let crossed = worst_of_queue(thresholds, figures.depth, figures.oldest_minutes);
    let mut reading = Reading::new("retry_queue_backup", crossed, "queue", "Retry Queue Backup")
        .field("Retry Queue Depth", figures.depth);
    if shops.are_several() && figures.depth > 0 {
        reading = reading.field("Of Shops", depths(&all.by_shop, shops));
    }
    reading = reading
        .field("Oldest Pending (minutes)", rounded(figures.oldest_minutes))
        .severity_field();
    let mut problem = format!(
        "{} to be processed, the oldest for {}",
        counted(figures.depth, "webhook waits", "webhooks wait"),
        duration(figures.oldest_minutes)
    );
    if let Some(error) = all.error.as_ref().and_then(|error| error.error.as_deref()) {
        reading = reading.field("Error", error);
        problem = format!("{problem}; {error}");
    }
    reading
        .problem(problem)
        .count(figures.depth)
        .since(figures.oldest_at.map(|at| at.0))
        .next(advice::queue(all.error.as_ref()))
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

/// ORD alerts about new ones. While any waits the alert is not over, and it is a fault in any case: nobody else will look after
/// its order.
fn dead_letters(figures: &OfShop, all: &All, shops: &Shops, thresholds: &Thresholds) -> Reading {
    let shop = figures.shop_domain.as_str();
    let ours = all
        .dead_letters
        .iter()
        .filter(|dead| !shops.are_several() || dead.shop_domain == shop);
    let dead = ours.cloned().reduce(DeadLetters::and);
    let crossed = thresholds.crossed(DEAD_LETTERS, figures.new_dead_letters as f64);
    let mut reading = Reading::new(DEAD_LETTERS, crossed, "dead_letters", "DLQ Critical")
        .field("New DLQ Entries", figures.new_dead_letters)
        .field("DLQ Total", figures.dead_letters)
        .severity_field()
        .count(figures.dead_letters);
    if let Some(dead) = dead.filter(|_| figures.dead_letters > 0) {
        let mut problem = counted(
            figures.dead_letters,
            "dead letter waits for a person",
            "dead letters wait for a person",
        );
        if let Some(error) = dead.error.as_deref() {
            problem = format!("{problem}; the oldest: {error}");
        }
        reading = reading
            .lasts(Lasts::As(Severity::Warning), thresholds, DEAD_LETTERS)
            .problem(problem)
            .since(dead.oldest_at.map(|at| at.0))
            .next(advice::dead_letters(&dead, &shops.condition("AND", shop)));
    }
    reading.of_shop(shops, shop)
}

fn slow_processing(figures: &Figures, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(LATENCY, figures.p95_ms);
    Reading::new("slow_processing", crossed, "slow_processing", "Slow Processing")
        .field("P95 Latency (ms)", rounded(figures.p95_ms))
        .field("Max Latency (ms)", rounded(figures.worst_ms))
        .severity_field()
        .problem(format!(
            "one webhook in twenty of the last hour took longer than {} ms, the slowest {} ms",
            rounded(figures.p95_ms),
            rounded(figures.worst_ms)
        ))
        .count(figures.processed)
        .next(advice::slow_processing())
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_health_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Finding, tests::row, tests::shops};

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

    fn of(figures: &Figures) -> All {
        All {
            figures: figures.clone(),
            by_shop: vec![figures.of_all()],
            ..All::default()
        }
    }

    fn told(figures: &Figures) -> Vec<(String, &'static str, String)> {
        let report = judge(&of(figures), &shops(&["uk.example"]), &ord());
        let tell = |one: &Finding| (one.title.clone(), one.severity.as_str(), one.channel.clone());
        report.findings().into_iter().map(tell).collect()
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
        let report = judge(&of(&all), &shops(&[]), &ord());
        assert_eq!(report.findings().len(), 3);
        assert_eq!(report.to_json()["alert_config"]["title"], "DLQ Critical");
    }

    #[test]
    fn dead_letters_are_their_shops_own_and_the_queue_is_everybodys() {
        let of_shop = |shop: &str, depth, new_dead_letters| OfShop {
            shop_domain: shop.into(),
            depth,
            new_dead_letters,
            dead_letters: new_dead_letters,
            ..OfShop::default()
        };
        let dead = |shop: &str, total| DeadLetters {
            shop_domain: shop.into(),
            total,
            to_apply: total,
            ..DeadLetters::default()
        };
        let all = All {
            figures: Figures {
                depth: 130,
                new_dead_letters: 3,
                ..Figures::default()
            },
            by_shop: vec![
                of_shop("eu.example", 60, 1),
                of_shop("it.example", 0, 0),
                of_shop("uk.example", 70, 2),
            ],
            dead_letters: vec![dead("eu.example", 1), dead("uk.example", 2)],
            error: None,
        };
        let three = shops(&["eu.example", "it.example", "uk.example"]);
        let report = judge(&all, &three, &ord());
        let findings = report.findings();
        let told: Vec<(&str, &str)> = findings
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
        assert!(findings[1].next[0].contains("AND shop_domain = 'uk.example'"));
        let queue = &findings[2].fields;
        assert_eq!(
            queue[1],
            ("Of Shops".to_owned(), "uk.example: 70, eu.example: 60".to_owned())
        );
    }

    #[test]
    fn while_a_dead_letter_waits_its_alert_is_not_over() {
        let waits = Figures {
            dead_letters: 4,
            ..Figures::default()
        };
        let mut all = of(&waits);
        all.dead_letters = vec![DeadLetters {
            total: 4,
            to_apply: 4,
            ..DeadLetters::default()
        }];
        let report = judge(&all, &shops(&[]), &ord());
        assert_eq!(report.findings().len(), 0, "ORD alerts about new ones");
        assert_eq!(report.told().lasting[0].condition.name, DEAD_LETTERS);
        let (_, fault) = &report.faults()[0];
        assert_eq!((fault.severity, fault.count), (Severity::Warning, Some(4)));
        let settled = judge(&of(&Figures::default()), &shops(&[]), &ord());
        assert!(settled.told().lasting.is_empty() && settled.faults().is_empty());
        assert_eq!(
            settled.told().calm[0].fields[1],
            ("DLQ Total".to_owned(), "0".to_owned())
        );
    }
}
