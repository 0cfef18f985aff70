//! Messages to Slack's incoming webhooks. Source: CONTRACTS §7; the channels are ORD's.

use super::{Receiver, Target, origin};
use crate::error::Result;
use crate::outbox::address;
use crate::outbox::policy::{self, Response};
use crate::outbox::redaction::{self, Redacted};
use crate::outbox::secrets::{Secret, Secrets};
use hyper::header::HeaderMap;
use serde_json::{Value as Json, json};

/// The URLs of its incoming webhooks.
pub const SECRETS: &[Secret] = &[
    Secret::url(Webhook::OpsAlerts.secret()),
    Secret::url(Webhook::OpsUrgent.secret()),
    Secret::url(Webhook::DailyOps.secret()),
    Secret::url(Webhook::Fallback.secret()),
];

pub const RECEIVER: Receiver = Receiver {
    // Slack wants one message a second.
    concurrency: 1,
    has_url_in_row: false,
    class: policy::class_of_service,
    redact,
};

/// The incoming webhooks that messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    OpsAlerts,
    OpsUrgent,
    DailyOps,
    /// The second URL, for when Slack's own does not take a message.
    Fallback,
}

impl Webhook {
    /// Those of the channels; the fallback need not be set.
    pub const OF_CHANNELS: [Self; 3] = [Webhook::OpsAlerts, Webhook::OpsUrgent, Webhook::DailyOps];

    /// The secret that holds its URL.
    pub const fn secret(self) -> &'static str {
        match self {
            Webhook::OpsAlerts => "slack_url_ops_alerts",
            Webhook::OpsUrgent => "slack_url_ops_urgent",
            Webhook::DailyOps => "slack_url_daily_ops",
            Webhook::Fallback => "slack_url_fallback",
        }
    }

    /// The channel it posts to; `None`: the fallback has none.
    pub const fn channel(self) -> Option<&'static str> {
        match self {
            Webhook::OpsAlerts => Some("#ops-alerts"),
            Webhook::OpsUrgent => Some("#ops-urgent"),
            Webhook::DailyOps => Some("#daily-ops"),
            Webhook::Fallback => None,
        }
    }

    /// A channel's; messages for one that has none go where alerts go.
    pub fn of_channel(channel: &str) -> Self {
        match channel {
            "#ops-urgent" => Webhook::OpsUrgent,
            "#daily-ops" => Webhook::DailyOps,
            _ => Webhook::OpsAlerts,
        }
    }
}

/// Where a request about a shop goes. The whole URL is the secret: only its origin is written down.
pub fn target(secrets: &Secrets<'_>, shop: &str, webhook: Webhook) -> Result<Target> {
    let name = webhook.secret();
    let url = secrets.reveal(name, secrets.whose(&[name], shop)?)?;
    let public_url = address::parse(&url).ok().and_then(|uri| origin(&uri));
    Ok(Target {
        url,
        public_url: public_url.unwrap_or_default(),
        headers: HeaderMap::new(),
    })
}

fn redact(response: &Response) -> Redacted {
    redaction::in_own_words(
        response,
        known_answer(response.body.as_deref().unwrap_or_default()),
    )
}

/// What Slack is known to answer, and what that means. Source: CONTRACTS §7.
const ANSWERS: &[(&str, &str)] = &[
    (
        "invalid_payload",
        "invalid_payload (Slack cannot read the message)",
    ),
    ("invalid_blocks", "invalid_blocks (Slack cannot read the message)"),
    (
        "invalid_blocks_format",
        "invalid_blocks_format (Slack cannot read the message)",
    ),
    ("no_text", "no_text (the message is empty)"),
    (
        "missing_text_or_fallback_or_attachments",
        "missing_text_or_fallback_or_attachments (the message is empty)",
    ),
    ("too_many_attachments", "too_many_attachments"),
    (
        "user_not_found",
        "user_not_found (the webhook posts to a user who is gone)",
    ),
    (
        "action_prohibited",
        "action_prohibited (the workspace's administrators forbid it)",
    ),
    (
        "posting_to_general_channel_denied",
        "posting_to_general_channel_denied (the workspace's administrators forbid it)",
    ),
    (
        "invalid_token",
        "invalid_token (the webhook's URL is not right: set the secret anew)",
    ),
    (
        "channel_not_found",
        "channel_not_found (the channel is gone: make a new webhook)",
    ),
    (
        "channel_is_archived",
        "channel_is_archived (the channel is archived: make a new webhook)",
    ),
    (
        "no_service",
        "no_service (the webhook was removed or switched off: make a new one)",
    ),
    (
        "no_active_hooks",
        "no_active_hooks (the webhook was switched off: make a new one)",
    ),
    ("no_team", "no_team (the workspace is gone)"),
    ("team_disabled", "team_disabled (the workspace is switched off)"),
    ("rate_limited", "rate_limited (too many messages)"),
    ("rollup_error", "rollup_error (something went wrong at Slack)"),
];

/// What an answer says, in our own words; `None` unless it is one of those, whole.
fn known_answer(body: &str) -> Option<&'static str> {
    let said = body.trim();
    let known = ANSWERS.iter().find(|(response, _)| *response == said);
    known.map(|(_, meaning)| *meaning)
}

/// What a message says.
pub struct AlertMessage<'a> {
    pub severity: &'a str,
    pub title: &'a str,
    /// Name and value, in order.
    pub fields: &'a [(String, String)],
    /// When and how often, in a sentence.
    pub context: &'a str,
    /// The next steps, in order: statements to run, and comments.
    pub next: &'a [String],
    pub is_resolved: bool,
}

/// Most fields Slack takes in one section.
const FIELDS_A_SECTION: usize = 10;
/// Slack refuses longer texts (3,000 a section, 2,000 a field, 150 a header; 40,000 in all).
const LONGEST_FIELD: usize = 1_900;
const LONGEST_STEPS: usize = 2_000;
const LONGEST_TEXT: usize = 10_000;
const LONGEST_HEADER: usize = 140;

/// The message as Slack wants it: blocks for people, and `text` for notifications and for receivers without blocks.
pub fn message_body(message: &AlertMessage<'_>) -> Json {
    let headline = cut(&format!("{} {}", mark(message), message.title), LONGEST_HEADER);
    let mut lines = vec![headline.clone()];
    lines.extend(
        message
            .fields
            .iter()
            .map(|(title, value)| format!("{title}: {value}")),
    );
    lines.push(message.context.to_owned());
    let next = steps(message.next);
    lines.extend(next.as_ref().map(|next| format!("Next: {next}")));

    let mut blocks =
        vec![json!({"type": "header", "text": {"type": "plain_text", "text": headline, "emoji": true}})];
    for fields in message.fields.chunks(FIELDS_A_SECTION) {
        let fields: Vec<Json> = fields
            .iter()
            .map(|(title, value)| {
                let text = cut(&format!("*{}*\n{}", escape(title), escape(value)), LONGEST_FIELD);
                json!({"type": "mrkdwn", "text": text})
            })
            .collect();
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    if let Some(next) = next {
        let text = format!("Next:\n```{}```", escape(&next));
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    let context = json!([{"type": "mrkdwn", "text": escape(message.context)}]);
    blocks.push(json!({"type": "context", "elements": context}));
    // No name in a figure or an error calls anybody.
    json!({
        "text": cut(&escape(&lines.join("\n")), LONGEST_TEXT), "blocks": blocks, "parse": "none", "link_names": false,
    })
}

/// What is to be pasted, whole statements only: a statement that is cut would not run, or worse. `None` where there is none.
fn steps(next: &[String]) -> Option<String> {
    let mut shown = String::new();
    for step in next {
        // Three of them end a block of code.
        let step = step.replace("```", "'''");
        if shown.chars().count() + step.chars().count() > LONGEST_STEPS {
            shown += "\n-- and more: SELECT jsonb_pretty(raw_ops.fn_health_v1());";
            break;
        }
        shown += if shown.is_empty() { "" } else { "\n" };
        shown += &step;
    }
    (!shown.is_empty()).then_some(shown)
}

/// The same message with a sentence at its end.
pub fn with_note(body: &Json, note: &str) -> Json {
    let mut body = body.clone();
    let text = body["text"].as_str().unwrap_or_default();
    body["text"] = format!("{text}\n{}", escape(note)).into();
    let note = json!({"type": "context", "elements": [{"type": "mrkdwn", "text": cut(&escape(note), LONGEST_FIELD)}]});
    if let Some(blocks) = body["blocks"].as_array_mut() {
        blocks.push(note);
    }
    body
}

fn mark(message: &AlertMessage<'_>) -> &'static str {
    match (message.is_resolved, message.severity) {
        (true, _) => ":white_check_mark:",
        (false, "critical") => ":rotating_light:",
        (false, "warning") => ":warning:",
        (false, _) => ":bar_chart:",
    }
}

/// The three characters that mean something to Slack.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest - 1).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example<'a>(fields: &'a [(String, String)], next: &'a [String]) -> AlertMessage<'a> {
        AlertMessage {
            severity: "critical",
            title: "Orders <lost> & found",
            fields,
            context: "Since 10:00 UTC",
            next,
            is_resolved: false,
        }
    }

    #[test]
    fn a_message_has_a_text_and_blocks_and_escapes_what_slack_would_read() {
        let fields: Vec<_> = (0..12)
            .map(|n| (format!("Field {n}"), "a < b".to_owned()))
            .collect();
        let next = ["SELECT * FROM raw_ops.check_order_ingestion_slo();".to_owned()];
        let message = message_body(&example(&fields, &next));
        let text = message["text"].as_str().unwrap();
        assert!(text.starts_with(":rotating_light: Orders &lt;lost&gt; &amp; found\nField 0: a &lt; b"));
        assert!(text.contains("Next: SELECT * FROM raw_ops.check_order_ingestion_slo();"));
        let blocks = message["blocks"].as_array().unwrap();
        // header, two sections of fields, next step, context
        assert_eq!(blocks.len(), 5);
        assert_eq!(blocks[1]["fields"].as_array().unwrap().len(), 10);
        // A header is plain text: Slack shows it as it stands.
        assert_eq!(
            blocks[0]["text"]["text"],
            ":rotating_light: Orders <lost> & found"
        );
    }

    #[test]
    fn long_values_are_cut_where_slack_would_refuse_them() {
        let fields = [("Order IDs".to_owned(), "9".repeat(5_000))];
        let next = ["SELECT 1; -- ```".to_owned(), "9".repeat(3_000)];
        let message = message_body(&example(&fields, &next));
        let shown = message["blocks"][1]["fields"][0]["text"].as_str().unwrap();
        assert!(shown.chars().count() < 2_000 && shown.ends_with('…'));
        let steps = message["blocks"][2]["text"]["text"].as_str().unwrap();
        let whole =
            "Next:\n```SELECT 1; -- '''\n-- and more: SELECT jsonb_pretty(raw_ops.fn_health_v1());```";
        assert_eq!(steps, whole, "whole statements, or none");
    }

    #[test]
    fn every_channel_has_its_secret() {
        for (channel, secret) in [
            ("#ops-alerts", "slack_url_ops_alerts"),
            ("#ops-urgent", "slack_url_ops_urgent"),
            ("#daily-ops", "slack_url_daily_ops"),
        ] {
            assert_eq!(Webhook::of_channel(channel).secret(), secret);
            assert_eq!(Webhook::of_channel(channel).channel(), Some(channel));
        }
    }
}
