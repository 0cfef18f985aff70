//! Below the charts: open alerts, alerts that reached nobody, the outbox. Pure.

use super::courier;
use super::data::{Alert, Data, Outbox, State, Undelivered};
use super::figures::{age, count, counted, plural};
use super::parts::{more, not_read, nothing, panel, sign, table, unread_panel};
use maud::{Markup, html};

pub fn all(data: &Data) -> Markup {
    html! {
        (read(data, &["shops"], ("shops", "Shops"), Markup::default))
        (read(data, &["alerts", "open_alerts"], ("alerts", "Open alerts"), || alerts(data)))
        (read(data, &["undelivered", "undelivered_alerts"], ("undelivered", "Undelivered alerts"), || undelivered(data)))
        (read(data, &["outbox"], ("outbox", "Outbox"), || outbox(&data.outbox)))
        (read(data, &["courier"], ("courier", "Courier Watchdog"), || courier::all(&data.courier)))
        // Outbound webhooks: a panel here, once their tables exist.
    }
}

/// A panel, unless something that it shows could not be read.
fn read(data: &Data, names: &[&str], heading: (&str, &str), panel: impl FnOnce() -> Markup) -> Markup {
    match data.why_unread(names) {
        Some(why) => unread_panel(heading, &why),
        None => panel(),
    }
}

fn severity(severity: &str) -> Markup {
    let state = match severity {
        "critical" => State::Critical,
        "warning" => State::Warning,
        _ => State::Healthy,
    };
    html! { td class="severity" { (sign(state)) (severity) } }
}

fn alerts(data: &Data) -> Markup {
    let open = data.moment.open_alerts;
    let last_run = data.moment.seconds_since_monitor;
    let content = html! {
        @if data.alerts.is_empty() {
            (nothing(if last_run.is_some() || data.is_unread(&["last_run"]) { "None open." } else { "Nothing yet." }))
        } @else {
            (table("rows", &["Severity", "Alert", "Open for", "Seen", "Channel"], data.alerts.iter().map(alert_row)))
            (more(data.alerts.len(), open, "SELECT * FROM raw_ops.alerts WHERE state = 'open';"))
        }
        @if let Some(why) = data.why_unread(&["last_run"]) {
            (not_read(&format!("when a monitor last ran: {why}")))
        } @else if let Some(seconds) = last_run {
            p class="about" { "The last monitor ran " (age(seconds)) " ago." }
        }
    };
    panel(("alerts", "Open alerts"), (open, "open"), content)
}

fn alert_row(alert: &Alert) -> Markup {
    html! {
        tr {
            (severity(&alert.severity))
            td class="wide" {
                b { (alert.title) }
                @if !alert.details.is_empty() { br; (alert.details) }
                br;
                span class="about" { (alert.check) ", " (alert.condition) }
            }
            td data-label="open for" { (age(alert.seconds_open)) }
            td data-label="seen" { (counted(alert.occurrences, "time", "times")) }
            td data-label="channel" { (alert.channel) }
        }
    }
}

fn undelivered(data: &Data) -> Markup {
    let all = data.moment.undelivered_alerts;
    let messages = &data.undelivered;
    let content = html! {
        @if messages.is_empty() {
            (nothing("None: every alert has reached somebody."))
        } @else {
            (table("rows", &["Severity", "Message", "Age", "Attempts", "Next"], messages.iter().map(undelivered_row)))
            (more(messages.len(), all, "SELECT * FROM raw_ops.undelivered_alerts;"))
        }
    };
    let unit = plural(all, "message", "messages");
    panel(("undelivered", "Undelivered alerts"), (all, unit), content)
}

fn undelivered_row(message: &Undelivered) -> Markup {
    html! {
        tr {
            (severity(&message.severity))
            td class="wide" {
                b { (message.title) }
                @if !message.error.is_empty() { br; (message.error) }
                br;
                span class="about" { "to " (message.channel) }
            }
            td data-label="age" { (age(message.seconds_old)) }
            td data-label="attempts" { (count(message.attempts)) }
            td data-label="next" {
                @match message.seconds_to_next {
                    Some(seconds) if seconds <= 0 => "due",
                    Some(seconds) => { "in " (age(seconds)) }
                    None => "none left",
                }
            }
        }
    }
}

fn outbox(lines: &[Outbox]) -> Markup {
    const HEADINGS: &[&str] = &["Purpose", "Queued", "Sending", "Succeeded", "Failed", "Abandoned"];
    let waiting: i64 = lines.iter().map(|line| line.queued + line.sending).sum();
    let content = html! {
        @if lines.is_empty() {
            (nothing("Nothing yet."))
        } @else {
            (table("rows figures", HEADINGS, lines.iter().map(outbox_row)))
            p class="about" {
                "Queued and sending: now. Succeeded, failed (tried again) and abandoned: attempts of the last 24 hours."
            }
        }
    };
    panel(("outbox", "Outbox"), (waiting, "waiting"), content)
}

fn outbox_row(line: &Outbox) -> Markup {
    let others = [
        ("sending", line.sending),
        ("succeeded", line.succeeded),
        ("failed", line.failed),
        ("abandoned", line.abandoned),
    ];
    html! {
        tr {
            th scope="row" { (line.purpose) }
            td data-label="queued" {
                (count(line.queued))
                @if let Some(seconds) = line.seconds_overdue.filter(|seconds| *seconds > 0) {
                    " " span class="about" { "due for " (age(seconds)) }
                }
            }
            @for (name, requests) in others {
                td data-label=(name) { (count(requests)) }
            }
        }
    }
}
