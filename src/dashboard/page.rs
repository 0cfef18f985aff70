//! The page: what is wrong first, what to do about it next, then the trends. Pure.

use super::advice::{Advice, advice};
use super::data::{Data, Indicator, State};
use super::figures::{count, counted, milliseconds, percent};
use super::parts::{class, not_read, sign};
use super::{html as text, panels, questions, shops};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub fn render(data: &Data) -> String {
    let advice = advice(data);
    text::ascii(html! {
        (DOCTYPE)
        html lang="en" {
            (head(data))
            body {
                (top(data))
                main {
                    (health(data, &advice))
                    (to_do(&advice))
                    @if data.shops.is_empty() {
                        section aria-labelledby="trends" {
                            h2 id="trends" { "Trends" }
                            div class="questions" { (questions::all(data)) }
                        }
                    } @else { (shops::choice(data)) }
                    div class="panels" { (panels::all(data)) }
                }
                (bottom(data))
            }
        }
    })
}

/// Nothing is fetched and nothing is run: the browser is told so too.
fn head(data: &Data) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { "Webhook Operations" }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta http-equiv="Content-Security-Policy"
                content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
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
                "database " b { (data.moment.database) }
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
        State::Healthy => "Healthy",
        State::Warning => "Warning",
        State::Critical => "Critical",
    }
}

fn health(data: &Data, advice: &[Advice]) -> Markup {
    html! {
        section class={ "card health " (class(data.overall)) } aria-label="Health" {
            div class="light" {
                (sign(data.overall))
                div {
                    h2 class="word" { (word(data.overall)) }
                    p { (sentence(data, advice)) }
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
fn sentence(data: &Data, advice: &[Advice]) -> String {
    let off: Vec<_> = data
        .indicators
        .iter()
        .filter(|indicator| indicator.state != State::Healthy)
        .map(|indicator| label(&indicator.name).0)
        .map(|name| {
            name.strip_prefix("P95")
                .map_or_else(|| name.to_lowercase(), |rest| format!("P95{rest}"))
        })
        .collect();
    let to_do = match advice.len() {
        0 => "Nothing to do.".to_owned(),
        things => format!("{} below.", counted(things as i64, "thing to do", "things to do")),
    };
    match off.as_slice() {
        [] if data.is_unread(&["indicators"]) => format!("The indicators could not be read. {to_do}"),
        [] if !data.has_webhooks() => format!("No webhooks yet. {to_do}"),
        [] => format!("All four indicators are in range. {to_do}"),
        [one] => format!("Out of range: {one}."),
        [others @ .., last] => format!("Out of range: {} and {last}.", others.join(", ")),
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
        State::Healthy => [("healthy", &indicator.healthy), ("warning", &indicator.warning)],
        State::Warning => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
        State::Critical => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
    };
    html! {
        div class={ "tile " (class(indicator.state)) } {
            dt { (name) " " span { (time) } }
            dd class="value" {
                @match value {
                    Some(value) => { (value) " " small { (counts) } }
                    None => span class="none" { "nothing yet" },
                }
            }
            dd class="state" { (sign(indicator.state)) (word(indicator.state)) }
            dd class="ranges" {
                @for (state, values) in ranges { span { (state) " " (values) (unit) } }
            }
        }
    }
}

fn to_do(advice: &[Advice]) -> Markup {
    html! {
        @if !advice.is_empty() {
            section aria-labelledby="to-do" {
                h2 id="to-do" { "What to do now" }
                ol class="to-do" {
                    @for item in advice { (thing_to_do(item)) }
                }
            }
        }
    }
}

fn thing_to_do(item: &Advice) -> Markup {
    html! {
        li class={ "card " (class(item.state)) } {
            p class="problem" {
                (sign(item.state))
                span class="hidden" { (word(item.state)) ": " }
                (item.problem)
            }
            @for (why, statement) in &item.steps {
                @if !why.is_empty() { p class="why" { (why) } }
                pre { code { (statement) } }
            }
        }
    }
}
