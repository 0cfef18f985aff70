//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::chart::{self, Gauge, Part, Plot};
use super::data::{Data, ErrorCategory};
use super::figures::{age, compact, count, counted, milliseconds, percent, plural};
use super::html::Html;

const NOTHING_YET: &str = "nothing yet";

pub fn all(html: &mut Html, data: &Data) {
    success_rate(html, data);
    queue_depth(html, data);
    dead_letters(html, data);
    latency(html, data);
    error_categories(html, data);
    retry_resolution(html, data);
    oldest_pending(html, data);
    daily_volume(html, data);
}

/// A card: title, the figure of now with its unit, what the chart shows, the chart.
fn card(
    html: &mut Html,
    title: &'static str,
    (figure, unit): (&str, &'static str),
    about: &'static str,
    chart: impl FnOnce(&mut Html),
) {
    html.raw("<article class=\"card question\">\n<header><h3>")
        .raw(title);
    html.raw("</h3><p class=\"figure\">").text(figure);
    html.raw(" <small>")
        .raw(unit)
        .raw("</small></p></header>\n<p class=\"about\">")
        .raw(about)
        .raw("</p>\n");
    chart(html);
    html.raw("</article>\n");
}

/// First, middle and last of the days.
fn days<T>(rows: &[T], day: impl Fn(&T) -> &str) -> [String; 3] {
    let at = |index: usize| {
        rows.get(index)
            .map_or_else(String::new, |row| day(row).to_owned())
    };
    [at(0), at(rows.len() / 2), "today".to_owned()]
}

fn success_rate(html: &mut Html, data: &Data) {
    let rows = &data.success_rate;
    let rolling: Vec<_> = rows.iter().map(|row| row.rolling_rate).collect();
    let single: Vec<_> = rows.iter().map(|row| row.rate).collect();
    let last = rolling.last().copied().flatten();
    let figure = last.map_or_else(|| "–".to_owned(), percent);
    card(
        html,
        "Success rate",
        (&figure, ""),
        "7 days rolling; dots are single days",
        |html| {
            let lowest = rolling.iter().chain(&single).flatten().copied().reduce(f64::min);
            let Some(lowest) = lowest else {
                return chart::empty(html, NOTHING_YET);
            };
            let summary = format!(
                "Success rate of the last 30 days, 7 days rolling: now {}, lowest day {}. Healthy above 99 %, critical below 95 %.",
                figure,
                percent(lowest)
            );
            let low = [98.0, 94.0, 90.0, 80.0, 50.0]
                .into_iter()
                .find(|low| lowest >= *low);
            let plot = Plot::new(rows.len(), low.unwrap_or(0.0), 100.0);
            chart::drawing(html, &summary, |svg| {
                let middle = f64::midpoint(plot.low(), 100.0);
                plot.grid(
                    svg,
                    &[plot.low(), middle, 100.0].map(|value| (value, percent(value))),
                );
                plot.limit(svg, 99.0, "healthy above 99 %");
                plot.limit(svg, 95.0, "critical below 95 %");
                // No area below: the axis does not begin at zero.
                plot.dots(svg, &single);
                plot.line(svg, &rolling);
                let [first, middle, last] = days(rows, |row| &row.day);
                plot.span(svg, &first, &middle, &last);
                let shown = |rate: Option<f64>| rate.map_or_else(|| "nothing".to_owned(), percent);
                plot.tips(
                    svg,
                    rows.iter().map(|row| {
                        format!(
                            "{}: {} (7 days: {})",
                            row.day,
                            shown(row.rate),
                            shown(row.rolling_rate)
                        )
                    }),
                );
            });
        },
    );
}

fn queue_depth(html: &mut Html, data: &Data) {
    let rows = &data.queue_depth;
    let now = rows.last().map_or(0, |row| row.depth);
    let most = rows.iter().map(|row| row.depth).max().unwrap_or(0);
    card(
        html,
        "Queue depth",
        (&count(now), "waiting"),
        "webhooks waiting at each full hour, 7 days",
        |html| {
            if !data.has_webhooks() && most == 0 {
                return chart::empty(html, NOTHING_YET);
            }
            let summary = format!(
                "Queue depth of the last 7 days by hour: now {}, at most {}.",
                counted(now, "webhook", "webhooks"),
                count(most)
            );
            let values: Vec<_> = rows.iter().map(|row| Some(row.depth as f64)).collect();
            let plot = Plot::from_zero(rows.len(), values.iter().flatten().copied(), 20.0);
            chart::drawing(html, &summary, |svg| {
                grid_from_zero(&plot, svg, compact);
                plot.limit(svg, 10.0, "healthy up to 10");
                plot.limit(svg, 50.0, "critical above 50");
                plot.area(svg, &values);
                plot.line(svg, &values);
                let at = |index: usize| rows.get(index).map_or("", |row| row.at.as_str());
                plot.span(svg, day_of(at(0)), day_of(at(rows.len() / 2)), "now");
                plot.tips(
                    svg,
                    rows.iter()
                        .map(|row| format!("{}: {}", row.at, counted(row.depth, "webhook", "webhooks"))),
                );
            });
        },
    );
}

/// `24 Nov` of `24 Nov 17:00`
fn day_of(at: &str) -> &str {
    at.rsplit_once(' ').map_or(at, |(day, _)| day)
}

fn dead_letters(html: &mut Html, data: &Data) {
    let rows = &data.dead_letters;
    let open: i64 = rows.iter().map(|row| row.open).sum();
    let settled: i64 = rows.iter().map(|row| row.settled).sum();
    let today = rows.last().map_or(0, |row| row.open + row.settled);
    card(
        html,
        "Dead letters by day",
        (&count(today), "today"),
        "filled: open, outlined: settled; 30 days",
        |html| {
            if open + settled == 0 {
                let none = if data.has_webhooks() {
                    "none in 30 days"
                } else {
                    NOTHING_YET
                };
                return chart::empty(html, none);
            }
            let summary = format!(
                "Dead letters of the last 30 days: {}, {} still open; today {}.",
                count(open + settled),
                count(open),
                count(today)
            );
            let values = |of: fn(&super::data::DeadLetterDay) -> i64| -> Vec<f64> {
                rows.iter().map(|row| of(row) as f64).collect()
            };
            let (open, settled) = (values(|row| row.open), values(|row| row.settled));
            let plot = Plot::from_zero(rows.len(), values(|row| row.open + row.settled), 4.0);
            chart::drawing(html, &summary, |svg| {
                grid_from_zero(&plot, svg, compact);
                plot.bars(svg, ("bar bad", &open), ("bar settled", &settled));
                let [first, middle, last] = days(rows, |row| &row.day);
                plot.span(svg, &first, &middle, &last);
                plot.tips(
                    svg,
                    rows.iter().map(|row| {
                        format!(
                            "{}: {} open, {} settled",
                            row.day,
                            count(row.open),
                            count(row.settled)
                        )
                    }),
                );
            });
        },
    );
}

fn latency(html: &mut Html, data: &Data) {
    let rows = &data.latency;
    let values: Vec<_> = rows.iter().map(|row| row.p95_ms).collect();
    let last = values.iter().flatten().last().copied();
    let figure = last.map_or_else(|| "–".to_owned(), milliseconds);
    card(
        html,
        "P95 latency",
        (&figure, ""),
        "processing time by day, 14 days",
        |html| {
            let Some(most) = values.iter().flatten().copied().reduce(f64::max) else {
                return chart::empty(html, NOTHING_YET);
            };
            let summary = format!(
                "95th percentile of processing time by day, last 14 days: now {figure}, at most {}.",
                milliseconds(most)
            );
            let plot = Plot::from_zero(rows.len(), values.iter().flatten().copied(), 10.0);
            chart::drawing(html, &summary, |svg| {
                grid_from_zero(&plot, svg, milliseconds);
                plot.limit(svg, 1000.0, "healthy below 1 s");
                plot.limit(svg, 3000.0, "critical above 3 s");
                plot.area(svg, &values);
                plot.line(svg, &values);
                let [first, middle, last] = days(rows, |row| &row.day);
                plot.span(svg, &first, &middle, &last);
                let shown = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), milliseconds);
                plot.tips(
                    svg,
                    rows.iter()
                        .map(|row| format!("{}: {}", row.day, shown(row.p95_ms))),
                );
            });
        },
    );
}

/// As many as `error_category` may have, and one for those without.
const SLICES: [&str; 8] = [
    "slice c1", "slice c2", "slice c3", "slice c4", "slice c5", "slice c6", "slice c7", "slice c8",
];

fn error_categories(html: &mut Html, data: &Data) {
    let rows = &data.error_categories;
    let total: i64 = rows.iter().map(|row| row.webhooks).sum();
    let about = "failed at least once, by category; 7 days";
    card(
        html,
        "Error categories",
        (&count(total), plural(total, "webhook", "webhooks")),
        about,
        |html| {
            if total == 0 {
                let none = if data.has_webhooks() {
                    "none in 7 days"
                } else {
                    NOTHING_YET
                };
                return chart::empty(html, none);
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
            html.raw("<div class=\"pie centred\">\n");
            chart::ring(html, &summary, &parts);
            html.raw("<table class=\"legend\">\n");
            for (row, class) in rows.iter().zip(SLICES) {
                html.raw("<tr><td><span class=\"swatch ")
                    .raw(class)
                    .raw("\"></span></td><th scope=\"row\">");
                html.text(&row.name.replace('_', " "));
                html.raw("</th><td>")
                    .text(&count(row.webhooks))
                    .raw("</td></tr>\n");
            }
            html.raw("</table>\n</div>\n");
        },
    );
}

fn retry_resolution(html: &mut Html, data: &Data) {
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
        html,
        "Retry resolution",
        (&figure, ""),
        "of those whose first attempt failed; 7 days",
        |html| {
            if total == 0 {
                let none = if data.has_webhooks() {
                    "no retries in 7 days"
                } else {
                    NOTHING_YET
                };
                return chart::empty(html, none);
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
            html.raw("<div class=\"centred\">\n");
            chart::band(html, &summary, &parts);
            html.raw("<table class=\"legend\">\n");
            for (class, sign, name, webhooks) in outcomes {
                html.raw("<tr><td><span class=\"swatch ")
                    .raw(class)
                    .raw("\" aria-hidden=\"true\">")
                    .raw(sign);
                html.raw("</span></td><th scope=\"row\">").raw(name);
                html.raw("</th><td>").text(&count(webhooks));
                let tenths = (share(webhooks, total) * 10.0).round() / 10.0;
                html.raw("</td><td>").text(&percent(tenths)).raw("</td></tr>\n");
            }
            html.raw("</table>\n</div>\n");
        },
    );
}

fn oldest_pending(html: &mut Html, data: &Data) {
    let oldest = &data.oldest;
    let is_waiting = oldest.webhooks_waiting > 0;
    let figure = if is_waiting {
        age(oldest.seconds)
    } else {
        "–".to_owned()
    };
    card(
        html,
        "Oldest pending",
        (&figure, ""),
        "since it was received",
        |html| {
            if !is_waiting && !data.has_webhooks() {
                return chart::empty(html, NOTHING_YET);
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
            html.raw("<div class=\"centred\">\n");
            chart::gauge(
                html,
                &summary,
                &Gauge {
                    value: seconds,
                    high,
                    high_label: &age(high as i64),
                    limit: limit_seconds.zip(limit_label.as_deref()),
                },
            );
            html.raw("<p class=\"about\">");
            match (is_waiting, &oldest.topic, &oldest.status) {
                (true, Some(topic), Some(status)) => {
                    html.text(topic).raw(", ").text(status).raw("; ");
                    html.text(&counted(
                        oldest.webhooks_waiting,
                        "webhook waits",
                        "webhooks wait",
                    ));
                }
                _ => {
                    html.raw("Nothing is waiting.");
                }
            }
            html.raw("</p>\n</div>\n");
        },
    );
}

fn daily_volume(html: &mut Html, data: &Data) {
    let rows = &data.volume;
    let today = rows.last().map_or(0, |row| row.received);
    card(
        html,
        "Daily volume",
        (&count(today), "today"),
        "webhooks received, 30 days",
        |html| {
            if !data.has_webhooks() {
                return chart::empty(html, NOTHING_YET);
            }
            let values: Vec<_> = rows.iter().map(|row| row.received as f64).collect();
            let most = rows.iter().map(|row| row.received).max().unwrap_or(0);
            let summary = format!(
                "Webhooks received by day, last 30 days: today {}, at most {}.",
                count(today),
                count(most)
            );
            let plot = Plot::from_zero(rows.len(), values.iter().copied(), 4.0);
            chart::drawing(html, &summary, |svg| {
                grid_from_zero(&plot, svg, compact);
                plot.bars(svg, ("bar", &values), ("bar", &[]));
                let [first, middle, last] = days(rows, |row| &row.day);
                plot.span(svg, &first, &middle, &last);
                plot.tips(
                    svg,
                    rows.iter()
                        .map(|row| format!("{}: {}", row.day, counted(row.received, "webhook", "webhooks"))),
                );
            });
        },
    );
}

/// Zero, half and top.
fn grid_from_zero(plot: &Plot, svg: &mut Html, label: fn(f64) -> String) {
    let lines = [0.0, plot.high() / 2.0, plot.high()].map(|value| (value, label(value)));
    plot.grid(svg, &lines);
}
