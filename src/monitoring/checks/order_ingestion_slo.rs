//! Every order webhook must be an order within minutes. Source: ORD, "Monitor 1: Order Ingestion SLO".

use super::Check;
use crate::db::{self, Session, owner, result_row, schema, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::monitoring::advice;
use crate::monitoring::report::{
    Lasts, Reading, Report, Severity, Shops, Threshold, Thresholds, counted, duration, listed, rounded,
};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

const NAME: &str = "order_ingestion_slo";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-order-ingestion-slo",
    schedule: "*/2 * * * *",
    run,
    shown: Some(run),
};

const CONDITION: &str = "orders_not_ingested";
const MINUTE: f64 = 60_000_000.0;
const DAY: i64 = 86_400_000_000;
/// Order ids an alert shows.
const SHOWN: usize = 20;

statements! {
    query find_missing(lookback: i64, age: i64) -> Missing = file "monitoring/missing_orders.sql";
}

result_row! {
    /// An order webhook without its order.
    struct Missing {
        shopify_order_id: Option<i64>,
        webhook_id: Option<[u8; 16]>,
        shop_domain: String,
        created_at: Timestamp,
        age_minutes: f64,
        processing_status: Option<String>,
        processing_attempts: Option<i32>,
        last_error: Option<String>,
    }
}

impl Missing {
    fn shop(&self) -> &str {
        &self.shop_domain
    }

    fn label(&self) -> String {
        match (self.shopify_order_id, self.webhook_id) {
            (Some(id), _) => id.to_string(),
            (None, Some(webhook)) => format!("unknown (webhook {})", pgrx::Uuid::from_bytes(webhook)),
            (None, None) => "unknown".into(),
        }
    }
}

/// Received within the last `lookback` and longer than `age` ago, both in microseconds.
fn missing(session: &Session, lookback: i64, age: i64) -> Result<Vec<Missing>> {
    find_missing(session, lookback, age)?.all()
}

/// How far back, and from which age on; `None` when no threshold is enabled.
fn window(thresholds: &Thresholds) -> Option<(i64, i64)> {
    let age = thresholds.lowest(CONDITION)? * MINUTE;
    let lookback = thresholds.lookback(CONDITION).unwrap_or((20.0 * MINUTE) as i64);
    Some((lookback, age as i64))
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let Some((lookback, age)) = window(&thresholds) else {
        return Ok(judge(&[], &[], &Shops::default(), &thresholds));
    };
    let shops = Shops::read(session)?;
    let within = missing(session, lookback, age)?;
    // ORD looks back 20 minutes. An order that is still missing after that is not "resolved": the alert stays open.
    let longer = match within.is_empty() || shops.are_several() {
        true => missing(session, DAY, age)?,
        false => Vec::new(),
    };
    Ok(judge(&within, &longer, &shops, &thresholds))
}

/// Each shop is judged as if it were alone: by what is missing `within` ORD's lookback; where that is nothing, what is missing
/// for `longer` keeps an alert open.
fn judge(within: &[Missing], longer: &[Missing], shops: &Shops, thresholds: &Thresholds) -> Report {
    let ids: Vec<String> = within.iter().take(SHOWN).map(Missing::label).collect();
    let summary = json!({
        "orders_affected": within.len(), "oldest_minutes": (oldest(within) * 10.0).round() / 10.0, "order_ids": ids,
    });
    let mut report = Report::new(NAME, summary);
    let by_shop = shops.group(within, Missing::shop);
    if shops.are_several() {
        let of_shop = |(shop, missing): (&&str, &Vec<&Missing>)| {
            json!({
                "shop_domain": shop, "orders_affected": missing.len(),
                "oldest_minutes": (oldest(missing.iter().copied()) * 10.0).round() / 10.0,
            })
        };
        report
            .summary
            .insert("shops".into(), by_shop.iter().map(of_shop).collect());
    }
    let mut lasting = shops.group(longer, Missing::shop);
    lasting.retain(|shop, _| !by_shop.contains_key(shop));
    let beyond: usize = lasting.values().map(Vec::len).sum();
    report
        .summary
        .insert("missing_beyond_lookback".into(), beyond.into());
    let mut calm: BTreeSet<&str> = shops.active().chain([""]).map(|shop| shops.owner(shop)).collect();
    calm.retain(|shop| !by_shop.contains_key(shop) && !lasting.contains_key(shop));
    let breaches = by_shop.iter().map(|(shop, missing)| {
        let crossed = thresholds.crossed(CONDITION, oldest(missing.iter().copied()));
        breach(shop, missing, crossed, shops)
    });
    let lasting = lasting.iter().map(|(shop, missing)| {
        let severity = thresholds.crossed(CONDITION, oldest(missing.iter().copied()));
        let severity = severity.map_or(Severity::Warning, |crossed| crossed.severity);
        breach(shop, missing, None, shops).lasts(Lasts::As(severity), thresholds, CONDITION)
    });
    let calm = calm.into_iter().map(|shop| breach(shop, &[], None, shops));
    report.readings = breaches.chain(lasting).chain(calm).collect();
    report
}

/// The longest that one of them has been missing, in minutes.
fn oldest<'a>(missing: impl IntoIterator<Item = &'a Missing>) -> f64 {
    missing.into_iter().map(|one| one.age_minutes).fold(0.0, f64::max)
}

fn breach(shop: &str, missing: &[&Missing], crossed: Option<&Threshold>, shops: &Shops) -> Reading {
    let oldest = oldest(missing.iter().copied());
    let ids: Vec<String> = missing.iter().take(SHOWN).map(|one| one.label()).collect();
    let ids = match ids.is_empty() {
        true => "none".to_owned(),
        false => listed(&ids, missing.len() as i64),
    };
    let received = missing.iter().map(|one| one.created_at.0).min();
    let error = missing.iter().find_map(|one| one.last_error.as_deref());
    let problem = format!(
        "{} not here, the oldest announced {} ago{}",
        counted(missing.len() as i64, "order is", "orders are"),
        duration(oldest),
        error.map(|error| format!("; {error}")).unwrap_or_default()
    );
    Reading::new(CONDITION, crossed, CONDITION, "Order Ingestion SLO Breach")
        .field("Orders Affected", missing.len())
        .field("Oldest (minutes)", rounded(oldest))
        .severity_field()
        .field("Order IDs", ids)
        .problem(problem)
        .count(missing.len() as i64)
        .since(received)
        .next(advice::missing_orders(|keyword| shops.condition(keyword, shop)))
        .of_shop(shops, shop)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_order_ingestion_slo_v2() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

type MissingRow = (
    Option<i64>,
    Option<pgrx::Uuid>,
    Option<TimestampWithTimeZone>,
    f64,
    Option<String>,
    Option<i32>,
    Option<String>,
    Option<String>,
    String,
);

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx wants the columns spelled out")]
fn check_order_ingestion_slo() -> Result<
    TableIterator<
        'static,
        (
            name!(shopify_order_id, Option<i64>),
            name!(webhook_id, Option<pgrx::Uuid>),
            name!(received_at, Option<TimestampWithTimeZone>),
            name!(age_minutes, f64),
            name!(processing_status, Option<String>),
            name!(attempts, Option<i32>),
            name!(last_error, Option<String>),
            name!(severity, Option<String>),
            name!(shop_domain, String),
        ),
    >,
    ErrorReport,
> {
    let rows = owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            let thresholds = Thresholds::of(session, NAME)?;
            let rows = match window(&thresholds) {
                Some((lookback, age)) => missing(session, lookback, age)?,
                None => Vec::new(),
            };
            Ok(rows
                .into_iter()
                .map(|one| row(one, &thresholds))
                .collect::<Vec<_>>())
        })
    })?;
    Ok(TableIterator::new(rows))
}

fn row(one: Missing, thresholds: &Thresholds) -> MissingRow {
    let severity = thresholds
        .crossed(CONDITION, one.age_minutes)
        .map(|one| one.severity.as_str().to_owned());
    (
        one.shopify_order_id,
        one.webhook_id.map(pgrx::Uuid::from_bytes),
        TimestampWithTimeZone::try_from(one.created_at.0).ok(),
        (one.age_minutes * 10.0).round() / 10.0,
        one.processing_status,
        one.processing_attempts,
        one.last_error,
        severity,
        one.shop_domain,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{tests::row, tests::shops};

    fn thresholds() -> Thresholds {
        Thresholds(vec![
            row(CONDITION, Severity::Warning, "#ops-alerts", 5.0),
            row(CONDITION, Severity::Critical, "#ops-urgent", 15.0),
        ])
    }

    fn missing(shop: &str, age_minutes: f64) -> Missing {
        Missing {
            shopify_order_id: Some(820_982_911_946_154_508),
            webhook_id: None,
            shop_domain: shop.into(),
            created_at: Timestamp(0),
            age_minutes,
            processing_status: None,
            processing_attempts: None,
            last_error: None,
        }
    }

    #[test]
    fn the_alert_is_the_one_ord_prints() {
        let (alone, all) = (
            shops(&["uk.example"]),
            [missing("uk.example", 6.04), missing("", 5.2)],
        );
        let json = judge(&all, &[], &alone, &thresholds()).to_json();
        assert_eq!(
            json["alert_config"],
            serde_json::json!({
                "severity": "warning", "channel": "#ops-alerts", "title": "Order Ingestion SLO Breach",
                "fields": [
                    {"title": "Orders Affected", "value": "2"},
                    {"title": "Oldest (minutes)", "value": "6"},
                    {"title": "Severity", "value": "warning"},
                    {"title": "Order IDs", "value": "820982911946154508, 820982911946154508"},
                ],
            })
        );
        let worse = judge(&[missing("", 15.5)], &[], &shops(&[]), &thresholds());
        assert_eq!(
            (worse.status(), worse.findings()[0].channel.as_str()),
            ("critical", "#ops-urgent")
        );
        assert_eq!(judge(&[], &[], &alone, &thresholds()).status(), "ok");
    }

    #[test]
    fn an_order_missing_for_longer_than_ord_looks_back_is_still_a_fault_and_its_alert_goes_on() {
        let report = judge(&[], &[missing("", 90.0)], &shops(&[]), &thresholds());
        assert_eq!(report.status(), "ok", "ORD's answer");
        assert_eq!(report.told().lasting.len(), 1);
        assert_eq!(report.faults()[0].1.severity, Severity::Critical);
        let over = judge(&[], &[], &shops(&[]), &thresholds());
        assert_eq!(
            over.told().calm[0].fields[0],
            ("Orders Affected".to_owned(), "0".to_owned())
        );
    }

    #[test]
    fn of_several_shops_each_has_its_own_breach() {
        let two = shops(&["eu.example", "uk.example"]);
        let all = [
            missing("uk.example", 16.0),
            missing("eu.example", 4.0),
            missing("", 6.0),
        ];
        let report = judge(&all, &[], &two, &thresholds());
        let findings = report.findings();
        let told: Vec<(&str, Severity)> = findings
            .iter()
            .map(|one| (one.condition.shop.as_str(), one.severity))
            .collect();
        assert_eq!(
            told,
            [("", Severity::Warning), ("uk.example", Severity::Critical)]
        );
        let fields = &findings[1].fields;
        assert_eq!(fields[0], ("Shop".to_owned(), "uk.example".to_owned()));
        assert_eq!(fields[1], ("Orders Affected".to_owned(), "1".to_owned()));
        assert!(findings[1].next[0].ends_with("WHERE shop_domain = 'uk.example';"));
        assert!(findings[1].next[2].ends_with("AND shop_domain = 'uk.example';"));
        assert_eq!(report.summary["orders_affected"], 3);
    }
}
