//! A source that has gone quiet against its own rhythm: Shopify deletes a subscription after 8 failures and says nothing.

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::advice;
use crate::monitoring::report::{
    Lasts, Reading, Report, Shops, Threshold, Thresholds, counted, duration, rounded,
};
use crate::providers;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashSet};

const NAME: &str = "webhook_silence";

pub const CHECK: Check = Check {
    name: NAME,
    job: "monitor-webhook-silence",
    schedule: "*/15 * * * *",
    run,
    shown: Some(run),
};

const CONDITION: &str = "quiet_source";
const FORTNIGHT: i64 = 14 * 86_400_000_000;

statements! {
    query find_sources(lookback: i64) -> Source = file "monitoring/quiet_sources.sql";
}

result_row! {
    struct Source {
        provider: String,
        shop_domain: String,
        silent_minutes: f64,
        /// Webhooks that were usual in a time as long as the silence.
        usual: f64,
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let lookback = thresholds.lookback(CONDITION).unwrap_or(FORTNIGHT);
    let shops = Shops::read(session)?;
    let sources = expected(find_sources(session, lookback)?.all()?, &shops);
    Ok(judge(&sources, &shops, &thresholds))
}

/// Without what names no shop, where a provider's webhooks name shops: that is no source of its own that should go on. Nor
/// should those of a shop that is switched off.
fn expected(mut sources: Vec<Source>, shops: &Shops) -> Vec<Source> {
    let naming = sources.iter().filter(|source| !source.shop_domain.is_empty());
    let naming: HashSet<String> = naming.map(|source| source.provider.clone()).collect();
    sources.retain(|source| !source.shop_domain.is_empty() || !naming.contains(&source.provider));
    sources.retain(|source| !shops.is_inactive(&source.shop_domain));
    sources
}

fn judge(sources: &[Source], shops: &Shops, thresholds: &Thresholds) -> Report {
    let summary: Json = sources
        .iter()
        .map(|one| {
            let mut summary = json!({
                "provider": one.provider, "silent_minutes": one.silent_minutes.round(),
                "usual_webhooks": (one.usual * 10.0).round() / 10.0,
            });
            if !one.shop_domain.is_empty() && shops.name_of(&one.shop_domain).is_some() {
                summary["shop_domain"] = one.shop_domain.as_str().into();
            }
            summary
        })
        .collect();
    let mut report = Report::new(NAME, json!({"sources": summary}));
    report.readings = sources
        .iter()
        .map(|source| quiet(source, shops, thresholds))
        .collect();
    for silent in still_silent(sources, shops, thresholds) {
        match report
            .readings
            .iter_mut()
            .find(|reading| reading.condition() == silent.condition())
        {
            Some(reading) => *reading = reading.clone().lasts(Lasts::IfAlerted, thresholds, CONDITION),
            None => report.readings.push(silent),
        }
    }
    report
}

fn condition(provider: &str) -> String {
    format!("{CONDITION}:{provider}")
}

/// Sources that have sent nothing for a day, or for longer than is looked back: whatever has become usual meanwhile, only a
/// webhook ends their alert. One of no shop is ended by any webhook of its provider.
fn still_silent(sources: &[Source], shops: &Shops, thresholds: &Thresholds) -> Vec<Reading> {
    const DAY_MINUTES: f64 = 1_440.0;
    let has_spoken = |provider: &str, shop: &str| {
        let mut ours = sources.iter().filter(|source| source.provider == provider);
        ours.any(|source| {
            let is_its = shop.is_empty() || shops.owner(&source.shop_domain) == shop;
            is_its && source.silent_minutes < DAY_MINUTES
        })
    };
    let mut silent = Vec::new();
    for provider in providers::NAMES {
        let ours = sources.iter().filter(|source| source.provider == *provider);
        let named = ours.map(|source| source.shop_domain.as_str());
        let named: BTreeSet<&str> = shops.active().chain(named).chain([""]).collect();
        let quiet = named.into_iter().filter(|shop| !has_spoken(provider, shop));
        silent.extend(quiet.map(|shop| {
            reading(provider, None, shops, shop)
                .problem(format!("{provider} has sent nothing for a day or longer"))
                .lasts(Lasts::IfAlerted, thresholds, CONDITION)
        }));
    }
    silent
}

/// Each source is a condition of its own.
fn quiet(source: &Source, shops: &Shops, thresholds: &Thresholds) -> Reading {
    let crossed = thresholds.crossed(CONDITION, source.usual);
    let problem = format!(
        "{} has sent nothing for {}, {} were usual in that time",
        source.provider,
        duration(source.silent_minutes),
        counted(source.usual.round() as i64, "webhook", "webhooks")
    );
    reading(&source.provider, crossed, shops, shops.owner(&source.shop_domain))
        .field("Silent For (minutes)", rounded(source.silent_minutes))
        .field("Usual In That Time", rounded(source.usual))
        .problem(problem)
}

fn reading(provider: &str, crossed: Option<&Threshold>, shops: &Shops, shop: &str) -> Reading {
    let reading = Reading::new(condition(provider), crossed, CONDITION, "A Source Has Gone Quiet")
        .field("Source", provider)
        .next(advice::quiet_source(provider, &shops.condition("AND", shop)));
    // A provider that names no shop speaks for all of them.
    match shop {
        "" => reading,
        shop => reading.of_shop(shops, shop),
    }
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_silence_v1() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Condition, Severity, tests::row, tests::shops};

    #[test]
    fn only_a_webhook_ends_a_silence() {
        let source = |silent_minutes| Source {
            provider: "stripe".into(),
            shop_domain: String::new(),
            silent_minutes,
            usual: 0.0,
        };
        let lasts = |sources: &[Source]| {
            judge(sources, &shops(&[]), &Thresholds::default())
                .told()
                .lasting
                .iter()
                .any(|one| one.condition == Condition::new("quiet_source:stripe", ""))
        };
        assert!(lasts(&[]) && lasts(&[source(9.0 * 1_440.0)]));
        assert!(!lasts(&[source(5.0)]));
    }

    #[test]
    fn only_a_silence_that_is_unusual_for_the_source_is_told() {
        let thresholds = Thresholds(vec![
            row(CONDITION, Severity::Warning, "#ops-alerts", 10.0),
            row(CONDITION, Severity::Critical, "#ops-urgent", 50.0),
        ]);
        let source = |provider: &str, usual| Source {
            provider: provider.into(),
            shop_domain: String::new(),
            silent_minutes: 120.0,
            usual,
        };
        let sources = [
            source("shopify", 51.0),
            source("stripe", 10.0),
            source("clerk", 11.0),
        ];
        let report = judge(&sources, &shops(&[]), &thresholds);
        let findings = report.findings();
        let told: Vec<_> = findings
            .iter()
            .map(|one| (one.condition.name.as_str(), one.severity))
            .collect();
        assert_eq!(
            told,
            [
                ("quiet_source:shopify", Severity::Critical),
                ("quiet_source:clerk", Severity::Warning)
            ]
        );
    }

    #[test]
    fn of_several_shops_each_has_its_own_silence() {
        let thresholds = Thresholds(vec![row(CONDITION, Severity::Warning, "#ops-alerts", 10.0)]);
        let source = |shop: &str, silent_minutes, usual| Source {
            provider: "shopify".into(),
            shop_domain: shop.into(),
            silent_minutes,
            usual,
        };
        let two = shops(&["eu.example", "uk.example"]);
        let report = judge(
            &[
                source("eu.example", 2.0, 0.0),
                source("uk.example", 1_500.0, 40.0),
            ],
            &two,
            &thresholds,
        );
        let of = |shop: &str| Condition::new("quiet_source:shopify", shop);
        let findings = report.findings();
        let told: Vec<_> = findings.iter().map(|one| one.condition.clone()).collect();
        assert_eq!(told, [of("uk.example")]);
        assert_eq!(findings[0].fields[0].0, "Shop");
        let lasting: Vec<&Condition> = report
            .told()
            .lasting
            .into_iter()
            .map(|one| &one.condition)
            .collect();
        assert!(
            !lasting.contains(&&of("eu.example")) && !lasting.contains(&&of("")),
            "{lasting:?}"
        );
        // A single shop is not named, whatever came before it was known.
        let one = shops(&["uk.example"]);
        let sources = vec![source("", 9_000.0, 40.0), source("uk.example", 120.0, 40.0)];
        let alone = judge(&expected(sources, &one), &one, &thresholds);
        let findings = alone.findings();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].condition, of("uk.example"));
        assert_eq!(findings[0].fields[0].0, "Source");
    }

    #[test]
    fn of_a_shop_that_is_switched_off_nothing_is_expected() {
        let mut two = shops(&["eu.example", "uk.example"]);
        two.switch_off("eu.example");
        let source = Source {
            provider: "shopify".into(),
            shop_domain: "eu.example".into(),
            silent_minutes: 5_000.0,
            usual: 40.0,
        };
        let report = judge(&expected(vec![source], &two), &two, &Thresholds::default());
        assert!(report.findings().is_empty());
        let eu = Condition::new("quiet_source:shopify", "eu.example");
        assert!(report.told().lasting.iter().all(|one| one.condition != eu));
    }
}
