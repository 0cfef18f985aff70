//! Slack's incoming webhooks: what they take, and what they answer. Errors are plain text.
//! Source: docs.slack.dev, incoming webhooks and rate limits; the errors of api.slack.com/changelog/2016-05-17.

use serde_json::Value;

use super::{Received, Reply};

const MOST_BLOCKS: usize = 50;
const MOST_ATTACHMENTS: usize = 100;

/// The path of an incoming webhook; in life it is the secret.
pub const PATH: &str = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

/// What an incoming webhook does with a message: `ok`, or why it is none.
pub fn incoming_webhook(request: &Received) -> Reply {
    let json = request
        .header("content-type")
        .is_some_and(|value| value.starts_with("application/json"));
    if request.method != "POST" || !json {
        return refused(400, "invalid_payload");
    }
    match complaint(&request.body) {
        Some(complaint) => refused(400, complaint),
        None => Reply::ok().text("ok"),
    }
}

/// 429: one message a second is what a channel takes.
pub fn rate_limited(seconds: u64) -> Reply {
    refused(429, "rate_limited").retry_after(seconds)
}

/// 404: the webhook has been removed.
pub fn no_service() -> Reply {
    refused(404, "no_service")
}

/// 403: the workspace's administrators forbid it.
pub fn action_prohibited() -> Reply {
    refused(403, "action_prohibited")
}

/// 410: the channel is archived.
pub fn channel_is_archived() -> Reply {
    refused(410, "channel_is_archived")
}

/// 500: something went wrong at Slack.
pub fn rollup_error() -> Reply {
    refused(500, "rollup_error")
}

fn refused(status: u16, why: &str) -> Reply {
    Reply::status(status).text(why)
}

fn complaint(body: &[u8]) -> Option<&'static str> {
    let Ok(Value::Object(message)) = serde_json::from_slice(body) else {
        return Some("invalid_payload");
    };
    let list = |name: &str| message.get(name).map(|value| value.as_array().map(Vec::len));
    let (blocks, attachments) = (list("blocks"), list("attachments"));
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    match (blocks, attachments) {
        (Some(None), _) => Some("invalid_blocks_format"),
        (Some(Some(count)), _) if count > MOST_BLOCKS => Some("invalid_blocks"),
        (_, Some(Some(count))) if count > MOST_ATTACHMENTS => Some("too_many_attachments"),
        (None | Some(Some(0)), None | Some(None | Some(0))) if text.is_empty() => Some("no_text"),
        _ => None,
    }
}
