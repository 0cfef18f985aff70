//! `fn_metrics_v1()`: the database's figures as Prometheus reads them (text exposition format 0.0.4).
//!
//! Reads only, so it also answers on a replica. Names that an operator's runbook knows come as they are; all others begin
//! with `raw_ops_`. Counters come from tables that outlive what they count and never go down. Where there are several shops,
//! what belongs to one has a label `shop` ([`ShopLabels`]). Each source is read apart: what could not be read is not there,
//! and `raw_ops_unread` says so.

use super::fault::Fault;
use super::locks;
use super::shop_labels::ShopLabels;
use super::sight::{Sight, Unread};
use crate::db::{self, Session, owner, schema};
use crate::error::Result;
use crate::outbox::clone_guard;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::fmt::Write;
use std::time::Duration;

/// Whoever scrapes is answered within five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// The last label is `quantile`; its values `sum` and `count` are the samples of that name.
    Summary,
}

struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
}

/// One question to the database: each row has the labels' values first, then one value a family.
struct Source {
    /// As `raw_ops_unread` names it.
    name: &'static str,
    labels: &'static [&'static str],
    families: &'static [Family],
}

/// What a row of a source says.
struct Sample {
    labels: Vec<String>,
    values: Vec<String>,
}

/// Declares [`SOURCES`], each with its statement (which may ask for the providers there are: $1, for shops, for their labels and
/// for the label of all other shops: $2, $3, $4), its labels and its families, a column each, by name; and `find_samples`, which
/// asks them all, in this order.
macro_rules! sources {
    ($($name:ident = $file:literal by ($($label:ident),*) { $($column:ident: $family:expr,)+ })+) => {
        const SOURCES: &[Source] = &[$(Source {
            name: stringify!($name),
            labels: &[$(stringify!($label)),*],
            families: &[$($family),+],
        }),+];

        /// `None`: could not be read.
        fn find_samples(session: &Session, sight: &Sight) -> Vec<Option<Vec<Sample>>> {
            let shops = sight.ask(session, "shops", ShopLabels::find);
            // Without the shops no label can be given to what has one.
            let unlabelled = ShopLabels::default();
            vec![$({
                let has_shop = [$(stringify!($label)),*].contains(&"shop");
                let shops = shops.as_ref().or((!has_shop).then_some(&unlabelled));
                shops.and_then(|shops| {
                    sight.ask(session, stringify!($name), |session| $name::find_samples(session, shops))
                })
            }),+]
        }

        $(mod $name {
            use super::Sample;
            use crate::db::{Session, result_row, statements};
            use crate::error::Result;
            use crate::monitoring::shop_labels::ShopLabels;
            use crate::providers;

            statements! {
                query find(providers: Vec<&str>, shops: Vec<&str>, labels: Vec<&str>, others: &str) -> Row = file $file;
            }

            result_row! {
                struct Row {
                    $($label: String,)*
                    $($column: String),+
                }
            }

            pub fn find_samples(session: &Session, shops: &ShopLabels) -> Result<Vec<Sample>> {
                let (domains, labels) = shops.columns();
                find(session, providers::NAMES.to_vec(), domains, labels, shops.others())?.map(|row| Sample {
                    labels: vec![$(row.$label),*],
                    values: vec![$(row.$column),+],
                })
            }
        })+
    };
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

sources! {
    // Source: RUN, "Metrics to Monitor".
    webhook_events = "monitoring/metrics/webhook_events.sql" by (provider, shop) {
        processed: counter("webhook_events_processed_total", "Webhooks processed successfully."),
        failed: counter(
            "webhook_events_failed_total",
            "Attempts at processing a webhook that failed; one webhook may fail several times."
        ),
        duplicates: counter("webhook_events_duplicate_total", "Deliveries of a webhook that was here already."),
    }
    queue_depth = "monitoring/metrics/queue_depth.sql" by (status, shop) {
        webhooks: gauge("raw_ops_webhook_queue_depth", "Webhooks that wait to be processed."),
    }
    inbox = "monitoring/metrics/inbox.sql" by (shop) {
        oldest_pending_age: gauge(
            "raw_ops_webhook_oldest_pending_age_seconds",
            "How long the oldest pending webhook has waited; 0 when none does."
        ),
        dead_letters: gauge(
            "raw_ops_webhook_dead_letters",
            "Webhooks in the dead letter queue; each waits for a person."
        ),
    }
    processing_seconds = "monitoring/metrics/processing_seconds.sql" by (quantile) {
        seconds: Family {
            name: "raw_ops_webhook_processing_seconds",
            kind: Kind::Summary,
            help: "Time from claim to recorded outcome, of the whole set a webhook was processed in. Quantiles: the newest \
                   10000 successes of the last hour, 1 is the slowest; sum and count: all attempts.",
        },
    }
    monitors = "monitoring/metrics/monitors.sql" by (check) {
        last_run_age: gauge(
            "raw_ops_monitor_last_run_age_seconds",
            "Time since a monitor last ran, or since it was scheduled if it never has."
        ),
    }
    open_alerts = "monitoring/metrics/open_alerts.sql" by (severity) {
        alerts: gauge("raw_ops_alerts_open", "Alerts that are open."),
    }
    outbox_depth = "monitoring/metrics/outbox_depth.sql" by (state) {
        requests: gauge("raw_ops_outbox_depth", "HTTP requests queued or under way."),
    }
    outbox = "monitoring/metrics/outbox.sql" by () {
        oldest_due_age: gauge(
            "raw_ops_outbox_oldest_due_age_seconds",
            "How long the queued HTTP request that waits longest has been due; 0 when none is."
        ),
        undelivered: gauge(
            "raw_ops_alerts_undelivered",
            "Messages about alerts that have reached nobody: no attempt is left, or the lookback in monitor_thresholds has passed."
        ),
    }
    http_requests = "monitoring/metrics/http_requests.sql" by (purpose, outcome, shop) {
        requests: counter(
            "raw_ops_http_requests_total",
            "HTTP requests that have ended: succeeded (answered 2xx), failed (another attempt follows), abandoned (none \
             follows, or no longer needed)."
        ),
    }
    info = "monitoring/metrics/info.sql" by (schema_version) {
        present: gauge("raw_ops_info", "Always 1; the version of the schema is in the label."),
    }
}

/// Not a question to a table: the host's name and its settings are in it.
const DELIVERY_HELD: Family = gauge(
    "raw_ops_delivery_held",
    "1: this database takes changes and may not send, so that nobody hears of anything; 0 on a replica.",
);

/// Of each source.
const UNREAD: Family = gauge(
    "raw_ops_unread",
    "1: what this question asks for could not be read now, so its metrics are not there; a comment at the end says why.",
);

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_metrics_v1() -> Result<String, ErrorReport> {
    let sight = Sight::new(PATIENCE);
    let mut text = owner::as_table_owner(|| db::session(|session| metrics(session, &sight)))?;
    let holders = match sight.was_locked_out() {
        true => db::session(|session| Ok(locks::ask_for_holders(session, &sight)))?,
        false => Vec::new(),
    };
    remark(&mut text, &sight.into_unread(), &holders);
    Ok(db::for_client(text))
}

fn metrics(session: &Session, sight: &Sight) -> Result<String> {
    let not_ready = sight.ask(session, "schema", |session| {
        Ok(schema::ensure_ready(session).err())
    });
    if let Some(error) = not_ready.flatten() {
        return Err(error);
    }
    let mut text = String::with_capacity(8192);
    let mut unread = Vec::new();
    for (source, samples) in SOURCES.iter().zip(find_samples(session, sight)) {
        unread.push((source.name, samples.is_none()));
        let samples = samples.unwrap_or_default();
        for (number, family) in source.families.iter().enumerate() {
            exposition(&mut text, family, source.labels, &samples, number);
        }
    }
    let is_replica = db::is_standby();
    let is_held = sight.ask(session, "delivery_held", |session| {
        Ok(!is_replica && !clone_guard::may_send(session)?)
    });
    unread.push(("delivery_held", is_held.is_none()));
    let held = is_held.map(|is_held| flag(&[], is_held));
    exposition(&mut text, &DELIVERY_HELD, &[], held.as_slice(), 0);
    let unread: Vec<Sample> = unread
        .into_iter()
        .map(|(what, is_unread)| flag(&[what], is_unread))
        .collect();
    exposition(&mut text, &UNREAD, &["what"], &unread, 0);
    Ok(text)
}

fn flag(labels: &[&str], is_set: bool) -> Sample {
    Sample {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        values: vec![i32::from(is_set).to_string()],
    }
}

/// What could not be read and who is in the way, in comments: for whoever looks at the text.
fn remark(text: &mut String, unread: &[Unread], holders: &[Fault]) {
    let of_unread = unread
        .iter()
        .map(|one| format!("not read: {}: {}", one.what, one.why.told()));
    let of_holders = holders
        .iter()
        .map(|holder| format!("{} {}", holder.problem, holder.next.join(" ")));
    for remark in of_unread.chain(of_holders) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {}", remark.replace(['\n', '\r'], " "));
    }
}

/// A family with all its samples, as the format wants them: in one piece. Nothing of it where there are none.
fn exposition(text: &mut String, family: &Family, names: &[&str], samples: &[Sample], number: usize) {
    if samples.is_empty() {
        return;
    }
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Summary => "summary",
    };
    let help = family.help.replace('\\', r"\\").replace('\n', r"\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {} {help}", family.name);
    let _ = writeln!(text, "# TYPE {} {kind}", family.name);
    for sample in samples {
        text.push_str(family.name);
        let mut labels: Vec<(&str, &str)> = names
            .iter()
            .copied()
            .zip(sample.labels.iter().map(String::as_str))
            // To Prometheus a label without a value is none.
            .filter(|(_, value)| !value.is_empty())
            .collect();
        if family.kind == Kind::Summary
            && let Some((_, part @ ("sum" | "count"))) = labels.last().copied()
        {
            labels.pop();
            let _ = write!(text, "_{part}");
        }
        for (position, (name, value)) in labels.iter().enumerate() {
            let before = if position == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(
            text,
            " {}",
            sample.values.get(number).map_or("NaN", String::as_str)
        );
    }
}

/// A label's value, which anybody may have written.
fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(labels: &[&str], value: &str) -> Sample {
        Sample {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            values: vec![value.to_owned()],
        }
    }

    #[test]
    fn labels_are_escaped_as_the_format_says() {
        let mut text = String::new();
        let family = gauge("a_metric", "One \\ two\nthree.");
        exposition(
            &mut text,
            &family,
            &["check"],
            &[sample(&["q\"u\\o\nte"], "1")],
            0,
        );
        assert_eq!(
            text,
            "# HELP a_metric One \\\\ two\\nthree.\n# TYPE a_metric gauge\na_metric{check=\"q\\\"u\\\\o\\nte\"} 1\n"
        );
    }

    #[test]
    fn a_label_without_a_value_is_left_out() {
        let mut text = String::new();
        let samples = [
            sample(&["pending", ""], "1"),
            sample(&["failed", "uk.example"], "2"),
        ];
        exposition(&mut text, &gauge("depth", "D."), &["status", "shop"], &samples, 0);
        assert!(
            text.ends_with("depth{status=\"pending\"} 1\ndepth{status=\"failed\",shop=\"uk.example\"} 2\n")
        );
    }

    #[test]
    fn a_summary_has_its_sum_and_count_under_names_of_their_own() {
        let mut text = String::new();
        let family = Family {
            name: "s_seconds",
            kind: Kind::Summary,
            help: "S.",
        };
        let samples = [
            sample(&["0.5"], "0.01"),
            sample(&["sum"], "2"),
            sample(&["count"], "7"),
        ];
        exposition(&mut text, &family, &["quantile"], &samples, 0);
        assert!(text.ends_with("s_seconds{quantile=\"0.5\"} 0.01\ns_seconds_sum 2\ns_seconds_count 7\n"));
    }

    #[test]
    fn every_family_is_named_once_and_counters_end_in_total() {
        let of_sources = SOURCES.iter().flat_map(|source| source.families);
        let families: Vec<&Family> = of_sources.chain([&DELIVERY_HELD, &UNREAD]).collect();
        for (number, family) in families.iter().enumerate() {
            assert!(
                families[..number].iter().all(|other| other.name != family.name),
                "{}",
                family.name
            );
            assert_eq!(
                family.name.ends_with("_total"),
                family.kind == Kind::Counter,
                "{}",
                family.name
            );
        }
    }
}
