//! The questions that ask how something went over time. Pure.

use super::chart::{self, Plot};
use super::data::{Data, DeadLetterDay, Trends};
use super::figures::{compact, count, counted, milliseconds, percent};
use super::parts::{NOTHING_YET, card};
use super::svg::Svg;
use crate::alerts::{AllThresholds, Severity};
use maud::Markup;

pub fn success_rate(trends: &Trends, limits: &AllThresholds) -> Markup {
    let rows = &trends.success_rate;
    let rolling: Vec<_> = rows.iter().map(|row| row.rolling_rate).collect();
    let single: Vec<_> = rows.iter().map(|row| row.rate).collect();
    let last = rolling.last().copied().flatten();
    let figure = last.map_or_else(|| "–".to_owned(), percent);
    let limits = indicator_limits(
        limits,
        "success_rate",
        ["Healthy above", "Critical below"],
        percent,
    );
    card(
        "Success rate",
        (&figure, ""),
        "7 days rolling; dots: single days; 21 days",
        || {
            let lowest = rolling.iter().chain(&single).flatten().copied().reduce(f64::min);
            let Some(lowest) = lowest else {
                return chart::empty(NOTHING_YET);
            };
            let summary = format!(
                "Success rate of the last 21 days, 7 days rolling: now {figure}, lowest day {}.{}",
                percent(lowest),
                limits
                    .iter()
                    .map(|(_, label)| format!(" {label}."))
                    .collect::<String>()
            );
            let low = [98.0, 94.0, 90.0, 80.0, 50.0]
                .into_iter()
                .find(|low| lowest >= *low);
            let plot = Plot::new(rows.len(), low.unwrap_or(0.0), 100.0);
            chart::drawing(&summary, |svg| {
                let middle = f64::midpoint(plot.low(), 100.0);
                plot.grid(
                    svg,
                    &[plot.low(), middle, 100.0].map(|value| (value, percent(value))),
                );
                limit_lines(&plot, svg, &limits);
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
            })
        },
    )
}

pub fn queue_depth(data: &Data) -> Markup {
    let rows = &data.queue_depth;
    let now = rows.last().map_or(0, |row| row.depth);
    let most = rows.iter().map(|row| row.depth).max().unwrap_or(0);
    card(
        "Queue depth",
        (&count(now), "waiting"),
        "webhooks waiting at each full hour, 7 days",
        || {
            if !data.has_webhooks() && most == 0 {
                return chart::empty(NOTHING_YET);
            }
            let summary = format!(
                "Queue depth of the last 7 days by hour: now {}, at most {}.",
                counted(now, "webhook", "webhooks"),
                count(most)
            );
            let values: Vec<_> = rows.iter().map(|row| Some(row.depth as f64)).collect();
            let plot = Plot::from_zero(rows.len(), values.iter().flatten().copied(), 20.0);
            chart::drawing(&summary, |svg| {
                grid_from_zero(&plot, svg, compact);
                let words = ["Healthy up to", "Critical above"];
                let limits = indicator_limits(&data.limits, "queue_depth", words, compact);
                limit_lines(&plot, svg, &limits);
                plot.area(svg, &values);
                plot.line(svg, &values);
                let at = |index: usize| rows.get(index).map_or("", |row| row.at.as_str());
                plot.span(svg, day_of(at(0)), day_of(at(rows.len() / 2)), "now");
                plot.tips(
                    svg,
                    rows.iter()
                        .map(|row| format!("{}: {}", row.at, counted(row.depth, "webhook", "webhooks"))),
                );
            })
        },
    )
}

/// `24 Nov` of `24 Nov 17:00`
fn day_of(at: &str) -> &str {
    at.rsplit_once(' ').map_or(at, |(day, _)| day)
}

pub fn dead_letters(trends: &Trends, settled_without_order: i64) -> Markup {
    let rows = &trends.dead_letters;
    let open: i64 = rows.iter().map(|row| row.open).sum();
    let settled: i64 = rows.iter().map(|row| row.settled).sum();
    let today = rows.last().map_or(0, |row| row.open + row.settled);
    card(
        "Dead letters by day",
        (&count(today), "today"),
        &match settled_without_order {
            0 => "filled: open, outlined: settled; 30 days".to_owned(),
            some => format!(
                "filled: open, outlined: settled, {} without an order; 30 days",
                count(some)
            ),
        },
        || {
            if open + settled == 0 {
                let none = if trends.has_webhooks() {
                    "none in 30 days"
                } else {
                    NOTHING_YET
                };
                return chart::empty(none);
            }
            let summary = format!(
                "Dead letters of the last 30 days: {}, {} still open; today {}.",
                count(open + settled),
                count(open),
                count(today)
            );
            let values = |of: fn(&DeadLetterDay) -> i64| -> Vec<f64> {
                rows.iter().map(|row| of(row) as f64).collect()
            };
            let (open, settled) = (values(|row| row.open), values(|row| row.settled));
            let plot = Plot::from_zero(rows.len(), values(|row| row.open + row.settled), 4.0);
            chart::drawing(&summary, |svg| {
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
            })
        },
    )
}

pub fn latency(trends: &Trends, limits: &AllThresholds) -> Markup {
    let rows = &trends.latency;
    let values: Vec<_> = rows.iter().map(|row| row.p95_ms).collect();
    let last = values.iter().flatten().last().copied();
    let figure = last.map_or_else(|| "–".to_owned(), milliseconds);
    card(
        "P95 latency",
        (&figure, ""),
        "processing time by day, 14 days",
        || {
            let Some(most) = values.iter().flatten().copied().reduce(f64::max) else {
                return chart::empty(NOTHING_YET);
            };
            let summary = format!(
                "95th percentile of processing time by day, last 14 days: now {figure}, at most {}.",
                milliseconds(most)
            );
            let plot = Plot::from_zero(rows.len(), values.iter().flatten().copied(), 10.0);
            chart::drawing(&summary, |svg| {
                grid_from_zero(&plot, svg, milliseconds);
                let limits = indicator_limits(
                    limits,
                    "p95_latency",
                    ["Healthy below", "Critical above"],
                    milliseconds,
                );
                limit_lines(&plot, svg, &limits);
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
            })
        },
    )
}

pub fn daily_volume(trends: &Trends) -> Markup {
    let rows = &trends.volume;
    let today = rows.last().map_or(0, |row| row.received);
    card(
        "Daily volume",
        (&count(today), "today"),
        "webhooks received, 21 days",
        || {
            if !trends.has_webhooks() {
                return chart::empty(NOTHING_YET);
            }
            let values: Vec<_> = rows.iter().map(|row| row.received as f64).collect();
            let most = rows.iter().map(|row| row.received).max().unwrap_or(0);
            let summary = format!(
                "Webhooks received by day, last 21 days: today {}, at most {}.",
                count(today),
                count(most)
            );
            let plot = Plot::from_zero(rows.len(), values.iter().copied(), 4.0);
            chart::drawing(&summary, |svg| {
                grid_from_zero(&plot, svg, compact);
                plot.bars(svg, ("bar", &values), ("bar", &[]));
                let [first, middle, last] = days(rows, |row| &row.day);
                plot.span(svg, &first, &middle, &last);
                plot.tips(
                    svg,
                    rows.iter()
                        .map(|row| format!("{}: {}", row.day, counted(row.received, "webhook", "webhooks"))),
                );
            })
        },
    )
}

/// Where an indicator stops being healthy and where it becomes critical, with what stands beside the line.
fn indicator_limits(
    limits: &AllThresholds,
    indicator: &str,
    words: [&str; 2],
    figure: fn(f64) -> String,
) -> Vec<(f64, String)> {
    let limits = limits.of("health_indicators");
    let severities = [Severity::Warning, Severity::Critical];
    let lines = severities.into_iter().zip(words).filter_map(|(severity, words)| {
        let value = limits.at(indicator, severity)?;
        Some((value, format!("{words} {}", figure(value))))
    });
    lines.collect()
}

fn limit_lines(plot: &Plot, svg: &mut Svg, limits: &[(f64, String)]) {
    for (value, label) in limits {
        plot.limit(svg, *value, &label.to_lowercase());
    }
}

/// First, middle and last of the days.
fn days<T>(rows: &[T], day: impl Fn(&T) -> &str) -> [String; 3] {
    let at = |index: usize| {
        rows.get(index)
            .map_or_else(String::new, |row| day(row).to_owned())
    };
    [at(0), at(rows.len() / 2), "today".to_owned()]
}

/// Zero, half and top.
fn grid_from_zero(plot: &Plot, svg: &mut Svg, label: fn(f64) -> String) {
    let lines = [0.0, plot.high() / 2.0, plot.high()].map(|value| (value, label(value)));
    plot.grid(svg, &lines);
}
