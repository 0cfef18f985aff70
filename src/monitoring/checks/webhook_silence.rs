//! A source that has gone quiet against its own rhythm: Shopify deletes a subscription after 8 failures and says nothing.

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Finding, Report, Thresholds, rounded};
use crate::providers;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::HashSet;

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
    query find_shops() -> String = text "select shop_domain from raw_ops.shops";
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
    let sources = find_sources(session, lookback)?.all()?;
    Ok(judge(&named(sources), &find_shops(session)?.all()?, &thresholds))
}

/// Without what names no shop, where a provider's webhooks name shops: that is no source of its own that should go on.
fn named(mut sources: Vec<Source>) -> Vec<Source> {
    let naming = sources.iter().filter(|source| !source.shop_domain.is_empty());
    let naming: HashSet<String> = naming.map(|source| source.provider.clone()).collect();
    sources.retain(|source| !source.shop_domain.is_empty() || !naming.contains(&source.provider));
    sources
}

fn judge(sources: &[Source], shops: &[String], thresholds: &Thresholds) -> Report {
    let summary: Json = sources
        .iter()
        .map(|one| {
            let mut summary = json!({
                "provider": one.provider, "silent_minutes": one.silent_minutes.round(),
                "usual_webhooks": (one.usual * 10.0).round() / 10.0,
            });
            if let Some(shop) = shop_to_name(sources, one) {
                summary["shop_domain"] = shop.into();
            }
            summary
        })
        .collect();
    let mut report = Report::new(NAME, json!({"sources": summary}));
    report.lasting = still_silent(sources, shops);
    report.findings = sources
        .iter()
        .filter_map(|source| quiet(source, shop_to_name(sources, source), thresholds))
        .collect();
    report
}

/// The shop of a source, where its provider speaks for several.
fn shop_to_name<'s>(sources: &[Source], source: &'s Source) -> Option<&'s str> {
    let others = sources.iter().filter(|other| other.provider == source.provider);
    (others.count() > 1).then_some(source.shop_domain.as_str())
}

fn condition(provider: &str, shop: Option<&str>) -> String {
    match shop {
        None => format!("{CONDITION}:{provider}"),
        Some(shop) => format!("{CONDITION}:{provider}:{shop}"),
    }
}

/// Sources that have sent nothing for a day, or for longer than is looked back: whatever has become usual meanwhile, only a
/// webhook ends their alert.
fn still_silent(sources: &[Source], shops: &[String]) -> Vec<String> {
    const DAY_MINUTES: f64 = 1_440.0;
    let has_spoken = |provider: &str, shop: Option<&str>| {
        sources.iter().any(|source| {
            source.provider == provider
                && shop.is_none_or(|shop| source.shop_domain == shop)
                && source.silent_minutes < DAY_MINUTES
        })
    };
    let of_all = providers::NAMES.iter().map(|provider| (*provider, None));
    let of_shops = providers::NAMES.iter().flat_map(|provider| {
        let shops = shops.iter().map(String::as_str).chain([""]);
        shops.map(|shop| (*provider, Some(shop)))
    });
    let silent = of_all
        .chain(of_shops)
        .filter(|(provider, shop)| !has_spoken(provider, *shop));
    silent.map(|(provider, shop)| condition(provider, shop)).collect()
}

/// Each source is a condition of its own.
fn quiet(source: &Source, shop: Option<&str>, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(CONDITION, source.usual)?;
    let condition = condition(&source.provider, shop);
    let mut finding =
        Finding::new(condition, crossed, "A Source Has Gone Quiet").field("Source", &source.provider);
    if let Some(shop) = shop {
        finding = finding.field("Shop", if shop.is_empty() { "none named" } else { shop });
    }
    let finding = finding
        .field("Silent For (minutes)", rounded(source.silent_minutes))
        .field("Usual In That Time", rounded(source.usual))
        .next_step(
            "SELECT provider, shop_domain, max(received_at) FROM raw_ops.webhook_inbox GROUP BY provider, shop_domain; -- then look at the shim's \
             log and at the provider's list of webhook subscriptions",
        );
    Some(finding)
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_check_webhook_silence_v1() -> Result<pgrx::JsonB, ErrorReport> {
    Ok(super::answer(&CHECK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::{Severity, tests::row};

    #[test]
    fn only_a_webhook_ends_a_silence() {
        let source = |silent_minutes| Source {
            provider: "stripe".into(),
            shop_domain: String::new(),
            silent_minutes,
            usual: 0.0,
        };
        let lasts = |sources: &[Source]| {
            judge(sources, &[], &Thresholds::default())
                .lasting
                .contains(&"quiet_source:stripe".to_owned())
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
        let report = judge(&sources, &[], &thresholds);
        let told: Vec<_> = report
            .findings
            .iter()
            .map(|one| (one.condition.as_str(), one.severity))
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
        let shops = ["eu.example".to_owned(), "uk.example".to_owned()];
        let report = judge(
            &[
                source("eu.example", 2.0, 0.0),
                source("uk.example", 1_500.0, 40.0),
            ],
            &shops,
            &thresholds,
        );
        let told: Vec<_> = report.findings.iter().map(|one| one.condition.as_str()).collect();
        assert_eq!(told, ["quiet_source:shopify:uk.example"]);
        let lasts = |condition: &str| report.lasting.contains(&condition.to_owned());
        assert!(lasts("quiet_source:shopify:uk.example"));
        assert!(!lasts("quiet_source:shopify:eu.example") && !lasts("quiet_source:shopify"));
        // A single shop is not named, whatever came before it was known.
        let sources = named(vec![source("", 9_000.0, 40.0), source("uk.example", 120.0, 40.0)]);
        let alone = judge(&sources, &shops, &thresholds);
        assert_eq!(alone.findings.len(), 1);
        assert_eq!(alone.findings[0].condition, "quiet_source:shopify");
    }
}
