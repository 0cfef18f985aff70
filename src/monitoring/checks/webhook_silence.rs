//! A source that has gone quiet against its own rhythm: Shopify deletes a subscription after 8 failures and says nothing.

use super::Check;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::report::{Finding, Report, Thresholds, rounded};
use crate::providers;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

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
        silent_minutes: f64,
        /// Webhooks that were usual in a time as long as the silence.
        usual: f64,
    }
}

fn run(session: &Session) -> Result<Report> {
    let thresholds = Thresholds::of(session, NAME)?;
    let lookback = thresholds.lookback(CONDITION).unwrap_or(FORTNIGHT);
    let sources = find_sources(session, lookback)?.all()?;
    Ok(judge(&sources, &thresholds))
}

fn judge(sources: &[Source], thresholds: &Thresholds) -> Report {
    let summary: Json = sources
        .iter()
        .map(|one| {
            json!({
                "provider": one.provider, "silent_minutes": one.silent_minutes.round(),
                "usual_webhooks": (one.usual * 10.0).round() / 10.0,
            })
        })
        .collect();
    let mut report = Report::new(NAME, json!({"sources": summary}));
    report.lasting = still_silent(sources);
    report.findings = sources
        .iter()
        .filter_map(|source| quiet(source, thresholds))
        .collect();
    report
}

/// Sources that have sent nothing for a day, or for longer than is looked back: whatever has become usual meanwhile, only a
/// webhook ends their alert.
fn still_silent(sources: &[Source]) -> Vec<String> {
    const DAY_MINUTES: f64 = 1_440.0;
    let has_spoken = |provider: &str| {
        let source = sources.iter().find(|source| source.provider == provider);
        source.is_some_and(|source| source.silent_minutes < DAY_MINUTES)
    };
    let silent = providers::NAMES.iter().filter(|provider| !has_spoken(provider));
    silent.map(|provider| format!("{CONDITION}:{provider}")).collect()
}

/// Each source is a condition of its own.
fn quiet(source: &Source, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = thresholds.crossed(CONDITION, source.usual)?;
    let finding = Finding::new(format!("{CONDITION}:{}", source.provider), crossed, "A Source Has Gone Quiet")
        .field("Source", &source.provider)
        .field("Silent For (minutes)", rounded(source.silent_minutes))
        .field("Usual In That Time", rounded(source.usual))
        .next_step(
            "SELECT provider, max(received_at) FROM raw_ops.webhook_inbox GROUP BY provider; -- then look at the shim's \
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
            silent_minutes,
            usual: 0.0,
        };
        let lasts = |sources: &[Source]| {
            judge(sources, &Thresholds::default())
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
            silent_minutes: 120.0,
            usual,
        };
        let sources = [
            source("shopify", 51.0),
            source("stripe", 10.0),
            source("clerk", 11.0),
        ];
        let report = judge(&sources, &thresholds);
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
}
