//! The page: what is wrong first, what to do about it next, then the trends. Pure.

use super::advice::{Advice, advice};
use super::data::{Data, Indicator, State};
use super::figures::{count, counted, milliseconds, percent};
use super::html::Html;
use super::{panels, questions};

/// Nothing is fetched and nothing is run: the browser is told so too.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Webhook Operations</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta http-equiv="refresh" content="60">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<style>
"#;

pub fn render(data: &Data) -> String {
    let mut html = Html::default();
    html.raw(HEAD)
        .raw(include_str!("page.css"))
        .raw("</style>\n</head>\n<body>\n");
    top(&mut html, data);
    html.raw("<main>\n");
    let advice = advice(data);
    health(&mut html, data, &advice);
    to_do(&mut html, &advice);
    html.raw(
        "<section aria-labelledby=\"trends\">\n<h2 id=\"trends\">Trends</h2>\n<div class=\"questions\">\n",
    );
    questions::all(&mut html, data);
    html.raw("</div>\n</section>\n<div class=\"panels\">\n");
    panels::all(&mut html, data);
    html.raw("</div>\n</main>\n");
    bottom(&mut html, data);
    html.raw("</body>\n</html>\n");
    html.finish()
}

fn top(html: &mut Html, data: &Data) {
    html.raw("<header class=\"top\">\n<h1>Webhook Operations</h1>\n<p>database <b>");
    html.text(&data.moment.database).raw("</b>");
    if data.moment.is_replica {
        html.raw(" (replica)");
    }
    html.raw(" <span class=\"made\">as of <b>")
        .text(&data.moment.made_at)
        .raw("</b></span></p>\n</header>\n");
}

fn bottom(html: &mut Html, data: &Data) {
    html.raw("<footer>Made by <code>raw_ops.fn_dashboard_html_v1()</code> at ");
    html.text(&data.moment.made_at);
    html.raw("; an open page reloads itself every 60 seconds. Figures come from the views <code>raw_ops.dashboard_*</code> and <code>raw_ops.health_indicators</code>.</footer>\n");
}

fn word(state: State) -> &'static str {
    match state {
        State::Healthy => "Healthy",
        State::Warning => "Warning",
        State::Critical => "Critical",
    }
}

fn class(state: State) -> &'static str {
    match state {
        State::Healthy => "healthy",
        State::Warning => "warning",
        State::Critical => "critical",
    }
}

/// A shape of its own for each state: disc, triangle, octagon.
pub fn sign(html: &mut Html, state: State) {
    html.raw(match state {
        State::Healthy => {
            r#"<svg class="sign healthy" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="11"/><path d="M6.8 12.6l3.4 3.4 7-7.4"/></svg>"#
        }
        State::Warning => {
            r#"<svg class="sign warning" viewBox="0 0 24 24" aria-hidden="true"><path class="body" d="M12 1.6L23.4 22H.6z"/><path d="M12 8.6v6.2M12 18.3v.2"/></svg>"#
        }
        State::Critical => {
            r#"<svg class="sign critical" viewBox="0 0 24 24" aria-hidden="true"><path class="body" d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z"/><path d="M8 8l8 8M16 8l-8 8"/></svg>"#
        }
    });
}

fn health(html: &mut Html, data: &Data, advice: &[Advice]) {
    html.raw("<section class=\"card health ").raw(class(data.overall));
    html.raw("\" aria-label=\"Health\">\n<div class=\"light\">");
    sign(html, data.overall);
    html.raw("<div><h2 class=\"word\">")
        .raw(word(data.overall))
        .raw("</h2>\n<p>");
    html.text(&sentence(data, advice))
        .raw("</p></div></div>\n<dl class=\"indicators\">\n");
    for indicator in &data.indicators {
        tile(html, indicator);
    }
    html.raw("</dl>\n</section>\n");
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

fn tile(html: &mut Html, indicator: &Indicator) {
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
    html.raw("<div class=\"tile ")
        .raw(class(indicator.state))
        .raw("\">\n<dt>")
        .text(name);
    html.raw(" <span>")
        .raw(time)
        .raw("</span></dt>\n<dd class=\"value\">");
    match value {
        Some(value) => html.text(&value).raw(" <small>").raw(counts).raw("</small>"),
        None => html.raw("<span class=\"none\">nothing yet</span>"),
    };
    html.raw("</dd>\n<dd class=\"state\">");
    sign(html, indicator.state);
    html.raw(word(indicator.state))
        .raw("</dd>\n<dd class=\"ranges\">");
    let range = match indicator.state {
        State::Healthy => [("healthy", &indicator.healthy), ("warning", &indicator.warning)],
        State::Warning => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
        State::Critical => [("healthy", &indicator.healthy), ("critical", &indicator.critical)],
    };
    for (state, values) in range {
        html.raw("<span>")
            .raw(state)
            .raw(" ")
            .text(values)
            .raw(unit)
            .raw("</span>");
    }
    html.raw("</dd>\n</div>\n");
}

fn to_do(html: &mut Html, advice: &[Advice]) {
    if advice.is_empty() {
        return;
    }
    html.raw(
        "<section aria-labelledby=\"to-do\">\n<h2 id=\"to-do\">What to do now</h2>\n<ol class=\"to-do\">\n",
    );
    for item in advice {
        html.raw("<li class=\"card ")
            .raw(class(item.state))
            .raw("\">\n<p class=\"problem\">");
        sign(html, item.state);
        html.raw("<span class=\"hidden\">")
            .raw(word(item.state))
            .raw(": </span>");
        html.text(&item.problem).raw("</p>\n");
        for (why, statement) in &item.steps {
            if !why.is_empty() {
                html.raw("<p class=\"why\">").raw(why).raw("</p>\n");
            }
            html.raw("<pre><code>").text(statement).raw("</code></pre>\n");
        }
        html.raw("</li>\n");
    }
    html.raw("</ol>\n</section>\n");
}
