//! The page: what is wrong first, what to do about it next, then the trends. Pure.

use super::data::{Data, Indicator, State};
use super::figures::{age, count, counted, milliseconds, percent};
use super::parts::{class, not_read, sign};
use super::{html as text, panels, questions, shops};
use crate::monitoring::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// What the buttons beside the statements do.
const SCRIPT: &str = include_str!("page.js");

pub fn render(data: &Data) -> String {
    text::ascii(html! {
        (DOCTYPE)
        html lang="en" {
            (head(data))
            body {
                (top(data))
                main {
                    (health(data))
                    (to_do(data))
                    @if data.shops.is_empty() {
                        section aria-labelledby="trends" {
                            h2 id="trends" { "Trends" }
                            div class="questions" { (questions::all(data)) }
                        }
                    } @else { (shops::choice(data)) }
                    div class="panels" { (panels::all(data)) }
                }
                (bottom(data))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    })
}

/// Nothing is fetched, and nothing is run but the one script of ours: the browser is told so too.
fn head(data: &Data) -> Markup {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{}'",
        BASE64.encode(Sha256::digest(SCRIPT))
    );
    html! {
        head {
            meta charset="utf-8";
            title { "Webhook Operations" }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta http-equiv="refresh" content="60";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            link rel="icon" href="data:,";
            style {
                "\n" (PreEscaped(include_str!("page.css")))
                @if !data.shops.is_empty() { (PreEscaped(include_str!("shops.css"))) }
            }
        }
        "\n"
    }
}

fn top(data: &Data) -> Markup {
    html! {
        header class="top" {
            h1 { "Webhook Operations" }
            p {
                "database " b { (data.moment.database) } " on " b { (data.server) }
                @if data.moment.is_replica { " (replica)" }
                " " span class="made" { "as of " b { (data.moment.made_at) } }
            }
        }
    }
}

fn bottom(data: &Data) -> Markup {
    html! {
        footer {
            "Made by " code { "raw_ops.fn_dashboard_html_v1()" } " at " (data.moment.made_at)
            "; an open page reloads itself every 60 seconds. Figures come from the views " code { "raw_ops.dashboard_*" }
            " and " code { "raw_ops.health_indicators" } "."
        }
        "\n"
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Unknown => "No data yet",
        State::Healthy => "Healthy",
        State::Warning => "Warning",
        State::Critical => "Critical",
    }
}

fn health(data: &Data) -> Markup {
    html! {
        section class={ "card health " (class(data.overall)) } aria-label="Health" {
            div class="light" {
                (sign(data.overall))
                div {
                    h2 class="word" { (word(data.overall)) }
                    p { (sentence(data)) }
                }
            }
            @if let Some(why) = data.why_unread(&["indicators"]) { (not_read(&why)) }
            dl class="indicators" {
                @for indicator in &data.indicators { (tile(indicator)) }
            }
        }
    }
}

/// What the light says, in words.
fn sentence(data: &Data) -> String {
    match (data.overall, data.faults.len()) {
        (State::Unknown, _) => return "No webhooks yet, and nothing to do.".to_owned(),
        (_, 0) => {}
        (_, things) => return format!("{} below.", counted(things as i64, "thing to do", "things to do")),
    }
    let off = data
        .indicators
        .iter()
        .filter(|indicator| indicator.state > State::Healthy);
    let off: Vec<_> = off
        .map(|indicator| label(&indicator.name).0)
        .map(|name| {
            name.strip_prefix("P95")
                .map_or_else(|| name.to_lowercase(), |rest| format!("P95{rest}"))
        })
        .collect();
    match off.as_slice() {
        [] if data.is_unread(&["indicators"]) => "The indicators could not be read.".to_owned(),
        [] => "All four indicators are in range. Nothing to do.".to_owned(),
        [one] => format!("Nothing to do now. Out of range: {one}."),
        [others @ .., last] => format!(
            "Nothing to do now. Out of range: {} and {last}.",
            others.join(", ")
        ),
    }
}

/// What an indicator is called, and over which time.
fn label(indicator: &str) -> (&str, &'static str) {
    match indicator {
        "success_rate" => ("Success rate", "24 hours"),
        "queue_depth" => ("Queue depth", "now"),
        "p95_latency" => ("P95 latency", "24 hours"),
        "dlq_per_day" => ("Dead letters", "24 hours"),
        other => (other, ""),
    }
}

fn tile(indicator: &Indicator) -> Markup {
    let (name, time) = label(&indicator.name);
    let value = indicator.value.map(|value| match indicator.name.as_str() {
        "success_rate" => percent(value),
        "p95_latency" => milliseconds(value),
        _ => count(value as i64),
    });
    let unit = match indicator.name.as_str() {
        "success_rate" => " %",
        "p95_latency" => " ms",
        _ => "",
    };
    let counts = match indicator.name.as_str() {
        "queue_depth" => "waiting",
        "dlq_per_day" => "new",
        _ => "",
    };
    let ranges = match indicator.state {
        State::Unknown | State::Healthy => [("healthy", &indicator.healthy), ("warning", &indicator.warning)],
        State::Warning => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
        State::Critical => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
    };
    html! {
        div class={ "tile " (class(indicator.state)) } {
            dt { (name) " " span { (time) } }
            dd class="value" {
                @match value {
                    Some(value) => { (value) " " small { (counts) } }
                    None => span class="none" { "no data yet" },
                }
            }
            dd class="state" { (sign(indicator.state)) (word(indicator.state)) }
            dd class="ranges" {
                @for (state, values) in ranges { span { (state) " " (values) (unit) } }
            }
        }
    }
}

fn to_do(data: &Data) -> Markup {
    html! {
        @if !data.faults.is_empty() {
            section aria-labelledby="to-do" {
                h2 id="to-do" { "What to do now" }
                ol class="to-do" {
                    @for fault in &data.faults { (thing_to_do(fault, data.now)) }
                }
            }
        }
    }
}

/// A fault as health tells it: what is wrong, since when, and what to paste, in order.
fn thing_to_do(fault: &Fault, now: i64) -> Markup {
    let state = State::from(fault.severity);
    let lasted = fault.since.map(|since| (now - since) / 1_000_000);
    html! {
        li class={ "card " (class(state)) } {
            p class="problem" {
                (sign(state))
                span class="hidden" { (word(state)) ": " }
                span { (as_sentence(&fault.problem)) }
            }
            @if let Some(seconds) = lasted.filter(|seconds| *seconds > 0) {
                p class="why" { "For " (age(seconds)) "." }
            }
            @for step in &fault.next {
                div class="step" {
                    pre { code { (step) } }
                    button class="copy" type="button" hidden { "Copy" }
                }
            }
        }
    }
}

fn as_sentence(problem: &str) -> String {
    let mut letters = problem.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let end = if problem.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_sentence() {
        assert_eq!(as_sentence("3 webhooks wait"), "3 webhooks wait.");
        assert_eq!(as_sentence("nothing is sent."), "Nothing is sent.");
        assert!(SCRIPT.is_ascii(), "no references in a script");
    }
}
