//! A source that has gone quiet against its own rhythm: Shopify deletes a subscription after 8 failures and says nothing.

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Condition, Finding, Report, Shops, Thresholds, rounded};
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
    report.lasting = still_silent(sources, shops);
    report.findings = sources
        .iter()
        .filter_map(|source| quiet(source, shops, thresholds))
        .collect();
    report
}

fn condition(provider: &str) -> String {
    format!("{CONDITION}:{provider}")
}

/// Sources that have sent nothing for a day, or for longer than is looked back: whatever has become usual meanwhile, only a
/// webhook ends their alert. One of no shop is ended by any webhook of its provider.
fn still_silent(sources: &[Source], shops: &Shops) -> Vec<Condition> {
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
        let shops: BTreeSet<&str> = shops.active().chain(named).chain([""]).collect();
        let quiet = shops.into_iter().filter(|shop| !has_spoken(provider, shop));
        silent.extend(quiet.map(|shop| Condition::new(condition(provider), shop)));
    }
    silent
}

/// Each source is a condition of its own.
fn quiet(source: &Source, shops: &Shops, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(CONDITION, source.usual)?;
    let finding = Finding::new(condition(&source.provider), crossed, "A Source Has Gone Quiet")
        .field("Source", &source.provider)
        .field("Silent For (minutes)", rounded(source.silent_minutes))
        .field("Usual In That Time", rounded(source.usual))
        .next_step(
            "SELECT provider, shop_domain, max(received_at) FROM raw_ops.webhook_inbox GROUP BY provider, shop_domain; \
             -- then look at the shim's log and at the provider's list of webhook subscriptions",
        );
    // A provider that names no shop speaks for all of them.
    match shops.owner(&source.shop_domain) {
        "" => Some(finding),
        shop => Some(finding.of_shop(shops, shop)),
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
    use crate::monitoring::report::{Severity, tests::row, tests::shops};

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
                .lasting
                .contains(&Condition::new("quiet_source:stripe", ""))
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
        let told: Vec<_> = report
            .findings
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
        let told: Vec<_> = report.findings.iter().map(|one| one.condition.clone()).collect();
        assert_eq!(told, [of("uk.example")]);
        assert_eq!(report.findings[0].fields[0].0, "Shop");
        assert!(report.lasting.contains(&of("uk.example")));
        assert!(!report.lasting.contains(&of("eu.example")) && !report.lasting.contains(&of("")));
        // A single shop is not named, whatever came before it was known.
        let one = shops(&["uk.example"]);
        let sources = vec![source("", 9_000.0, 40.0), source("uk.example", 120.0, 40.0)];
        let alone = judge(&expected(sources, &one), &one, &thresholds);
        assert_eq!(alone.findings.len(), 1);
        assert_eq!(alone.findings[0].condition, of("uk.example"));
        assert_eq!(alone.findings[0].fields[0].0, "Source");
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
        assert!(report.findings.is_empty());
        assert!(
            !report
                .lasting
                .contains(&Condition::new("quiet_source:shopify", "eu.example"))
        );
    }
}
