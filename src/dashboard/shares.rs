//! The questions that ask for parts of a whole, and for the age of one webhook. Pure.

use super::chart::{self, Gauge, Part};
use super::data::{Data, ErrorCategory};
use super::figures::{age, count, counted, percent, plural};
use super::parts::{NOTHING_YET, card};
use maud::{Markup, html};

/// As many as `error_category` may have, and one for those without.
const SLICES: [&str; 8] = [
    "slice c1", "slice c2", "slice c3", "slice c4", "slice c5", "slice c6", "slice c7", "slice c8",
];

pub fn error_categories(data: &Data) -> Markup {
    let rows = &data.error_categories;
    let total: i64 = rows.iter().map(|row| row.webhooks).sum();
    let about = "failed at least once, by category; 7 days";
    card(
        "Error categories",
        (&count(total), plural(total, "webhook", "webhooks")),
        about,
        || {
            if total == 0 {
                return chart::empty(none_yet(data, "none in 7 days"));
            }
            let named = |row: &ErrorCategory| {
                format!(
                    "{}: {} ({})",
                    row.name.replace('_', " "),
                    count(row.webhooks),
                    percent(row.share)
                )
            };
            let listed: Vec<_> = rows.iter().map(named).collect();
            let summary = format!("Error categories of the last 7 days: {}.", listed.join(", "));
            let parts: Vec<_> = rows
                .iter()
                .zip(SLICES)
                .map(|(row, class)| Part {
                    class,
                    share: row.webhooks as f64 / total as f64,
                    tip: named(row),
                })
                .collect();
            html! {
                div class="pie centred" {
                    (chart::ring(&summary, &parts))
                    table class="legend" {
                        @for (row, class) in rows.iter().zip(SLICES) {
                            tr {
                                td { span class={ "swatch " (class) } {} }
                                th scope="row" { (row.name.replace('_', " ")) }
                                td { (count(row.webhooks)) }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// What a chart says that shows nothing: that there was none, unless there never was any webhook.
fn none_yet(data: &Data, none: &'static str) -> &'static str {
    if data.has_webhooks() { none } else { NOTHING_YET }
}

pub fn retry_resolution(data: &Data) -> Markup {
    let retries = &data.retries;
    let ended = retries.succeeded + retries.dead;
    let total = ended + retries.waiting;
    let share = |part: i64, whole: i64| 100.0 * part as f64 / whole.max(1) as f64;
    // Rounded down, as every rate of success.
    let rate = (share(retries.succeeded, ended) * 10.0).floor() / 10.0;
    let figure = if ended == 0 {
        "–".to_owned()
    } else {
        percent(rate)
    };
    card(
        "Retry resolution",
        (&figure, ""),
        "of those whose first attempt failed; 7 days",
        || {
            if total == 0 {
                return chart::empty(none_yet(data, "no retries in 7 days"));
            }
            let outcomes = [
                ("part good", "✓", "retried, then success", retries.succeeded),
                ("part bad", "✕", "retried, then dead letter", retries.dead),
                ("part open", "•", "waiting for a retry", retries.waiting),
            ];
            let named = |(_, _, name, webhooks): &(_, _, &str, i64)| format!("{name}: {}", count(*webhooks));
            let listed: Vec<_> = outcomes.iter().map(named).collect();
            let summary = format!("Retry resolution of the last 7 days: {}.", listed.join(", "));
            let parts = outcomes.each_ref().map(|outcome| Part {
                class: outcome.0,
                share: outcome.3 as f64 / total as f64,
                tip: named(outcome),
            });
            let tenths = |webhooks| (share(webhooks, total) * 10.0).round() / 10.0;
            html! {
                div class="centred" {
                    (chart::band(&summary, &parts))
                    table class="legend" {
                        @for (class, sign, name, webhooks) in outcomes {
                            tr {
                                td { span class={ "swatch " (class) } aria-hidden="true" { (sign) } }
                                th scope="row" { (name) }
                                td { (count(webhooks)) }
                                td { (percent(tenths(webhooks))) }
                            }
                        }
                    }
                }
            }
        },
    )
}

pub fn oldest_pending(data: &Data) -> Markup {
    let oldest = &data.oldest;
    let is_waiting = oldest.webhooks_waiting > 0;
    let figure = if is_waiting {
        age(oldest.seconds)
    } else {
        "–".to_owned()
    };
    let about = "since it was received";
    card("Oldest pending", (&figure, ""), about, || {
        if !is_waiting && !data.has_webhooks() {
            return chart::empty(NOTHING_YET);
        }
        let limit_seconds = oldest.threshold_minutes.map(|minutes| minutes * 60.0);
        let seconds = oldest.seconds as f64;
        // The limit in the middle while the age is below twice of it.
        let high = limit_seconds.map_or(3600.0, |limit| limit * 2.0);
        let high = if seconds > high { seconds * 1.1 } else { high };
        let limit_label = limit_seconds.map(|limit| format!("alert after {}", age(limit as i64)));
        let summary = match is_waiting {
            true => format!("The oldest waiting webhook has waited for {figure}."),
            false => "Nothing is waiting.".to_owned(),
        };
        let gauge = Gauge {
            value: seconds,
            high,
            high_label: &age(high as i64),
            limit: limit_seconds.zip(limit_label.as_deref()),
        };
        html! {
            div class="centred" {
                (chart::gauge(&summary, &gauge))
                p class="about" {
                    @match (is_waiting, &oldest.topic, &oldest.status) {
                        (true, Some(topic), Some(status)) => {
                            (topic) ", " (status) "; "
                            (counted(oldest.webhooks_waiting, "webhook waits", "webhooks wait"))
                        }
                        _ => "Nothing is waiting.",
                    }
                }
            }
        }
    })
}
