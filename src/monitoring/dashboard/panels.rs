//! Below the charts: open alerts, alerts that reached nobody, the outbox. Pure.

use super::courier;
use super::data::{Alert, Data, Outbox, State, Undelivered};
use super::figures::{age, count, counted, plural};
use super::html::Html;
use super::page::sign;

pub fn all(html: &mut Html, data: &Data) {
    alerts(html, data);
    undelivered(html, data);
    outbox(html, &data.outbox);
    courier::all(html, &data.courier);
    // Outbound webhooks: a panel here, once their tables exist.
}

pub fn panel(
    html: &mut Html,
    (id, title): (&'static str, &'static str),
    (figure, unit): (i64, &'static str),
    content: impl FnOnce(&mut Html),
) {
    html.raw("<section class=\"card panel\" aria-labelledby=\"")
        .raw(id)
        .raw("\">\n<header><h2 id=\"")
        .raw(id);
    html.raw("\">")
        .raw(title)
        .raw("</h2><p class=\"figure\">")
        .text(&count(figure));
    html.raw(" <small>").raw(unit).raw("</small></p></header>\n");
    content(html);
    html.raw("</section>\n");
}

fn severity(html: &mut Html, severity: &str) {
    let state = match severity {
        "critical" => State::Critical,
        "warning" => State::Warning,
        _ => State::Healthy,
    };
    html.raw("<td class=\"severity\">");
    sign(html, state);
    html.text(severity).raw("</td>");
}

pub fn more(html: &mut Html, shown: usize, all: i64, view: &'static str) {
    let rest = all - shown as i64;
    if rest > 0 {
        html.raw("<p class=\"about\">and ")
            .text(&count(rest))
            .raw(" more: <code>")
            .raw(view)
            .raw("</code></p>\n");
    }
}

fn alerts(html: &mut Html, data: &Data) {
    panel(
        html,
        ("alerts", "Open alerts"),
        (data.moment.open_alerts, "open"),
        |html| {
            if data.alerts.is_empty() {
                html.raw("<p class=\"nothing\">")
                    .raw(match data.moment.seconds_since_monitor {
                        Some(_) => "None open.",
                        None => "Nothing yet.",
                    });
                html.raw("</p>\n");
            } else {
                html.raw("<table class=\"rows\">\n<thead><tr><th>Severity</th><th>Alert</th><th>Open for</th><th>Seen</th><th>Channel</th></tr></thead>\n<tbody>\n");
                for alert in &data.alerts {
                    alert_row(html, alert);
                }
                html.raw("</tbody>\n</table>\n");
                more(
                    html,
                    data.alerts.len(),
                    data.moment.open_alerts,
                    "SELECT * FROM raw_ops.alerts WHERE state = 'open';",
                );
            }
            if let Some(seconds) = data.moment.seconds_since_monitor {
                html.raw("<p class=\"about\">The last monitor ran ")
                    .text(&age(seconds))
                    .raw(" ago.</p>\n");
            }
        },
    );
}

fn alert_row(html: &mut Html, alert: &Alert) {
    html.raw("<tr>");
    severity(html, &alert.severity);
    html.raw("<td class=\"wide\"><b>").text(&alert.title).raw("</b>");
    if !alert.details.is_empty() {
        html.raw("<br>").text(&alert.details);
    }
    html.raw("<br><span class=\"about\">")
        .text(&alert.check)
        .raw(", ")
        .text(&alert.condition);
    html.raw("</span></td><td data-label=\"open for\">")
        .text(&age(alert.seconds_open));
    html.raw("</td><td data-label=\"seen\">")
        .text(&counted(alert.occurrences, "time", "times"));
    html.raw("</td><td data-label=\"channel\">")
        .text(&alert.channel)
        .raw("</td></tr>\n");
}

fn undelivered(html: &mut Html, data: &Data) {
    let all = data.moment.undelivered_alerts;
    panel(
        html,
        ("undelivered", "Undelivered alerts"),
        (all, plural(all, "message", "messages")),
        |html| {
            if data.undelivered.is_empty() {
                html.raw("<p class=\"nothing\">None: every alert has reached somebody.</p>\n");
                return;
            }
            html.raw("<table class=\"rows\">\n<thead><tr><th>Severity</th><th>Message</th><th>Age</th><th>Attempts</th><th>Next</th></tr></thead>\n<tbody>\n");
            for message in &data.undelivered {
                undelivered_row(html, message);
            }
            html.raw("</tbody>\n</table>\n");
            more(
                html,
                data.undelivered.len(),
                all,
                "SELECT * FROM raw_ops.undelivered_alerts;",
            );
        },
    );
}

fn undelivered_row(html: &mut Html, message: &Undelivered) {
    html.raw("<tr>");
    severity(html, &message.severity);
    html.raw("<td class=\"wide\"><b>")
        .text(&message.title)
        .raw("</b>");
    if !message.error.is_empty() {
        html.raw("<br>").text(&message.error);
    }
    html.raw("<br><span class=\"about\">to ").text(&message.channel);
    html.raw("</span></td><td data-label=\"age\">")
        .text(&age(message.seconds_old));
    html.raw("</td><td data-label=\"attempts\">")
        .text(&count(message.attempts))
        .raw("</td><td data-label=\"next\">");
    match message.seconds_to_next {
        Some(seconds) if seconds <= 0 => html.raw("due"),
        Some(seconds) => html.raw("in ").text(&age(seconds)),
        None => html.raw("none left"),
    };
    html.raw("</td></tr>\n");
}

fn outbox(html: &mut Html, lines: &[Outbox]) {
    let waiting: i64 = lines.iter().map(|line| line.queued + line.sending).sum();
    panel(html, ("outbox", "Outbox"), (waiting, "waiting"), |html| {
        if lines.is_empty() {
            html.raw("<p class=\"nothing\">Nothing yet.</p>\n");
            return;
        }
        html.raw("<table class=\"rows figures\">\n<thead><tr><th>Purpose</th><th>Queued</th><th>Sending</th><th>Succeeded</th><th>Failed</th><th>Abandoned</th></tr></thead>\n<tbody>\n");
        for line in lines {
            html.raw("<tr><th scope=\"row\">")
                .text(&line.purpose)
                .raw("</th><td data-label=\"queued\">");
            html.text(&count(line.queued));
            if let Some(seconds) = line.seconds_overdue.filter(|seconds| *seconds > 0) {
                html.raw(" <span class=\"about\">due for ")
                    .text(&age(seconds))
                    .raw("</span>");
            }
            let columns: [(&'static str, i64); 4] = [
                ("sending", line.sending),
                ("succeeded", line.succeeded),
                ("failed", line.failed),
                ("abandoned", line.abandoned),
            ];
            for (name, requests) in columns {
                html.raw("</td><td data-label=\"")
                    .raw(name)
                    .raw("\">")
                    .text(&count(requests));
            }
            html.raw("</td></tr>\n");
        }
        html.raw("</tbody>\n</table>\n<p class=\"about\">Queued and sending: now. Succeeded, failed (tried again) and abandoned: attempts of the last 24 hours.</p>\n");
    });
}
