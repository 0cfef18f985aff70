//! What is posted about an alert: composed, written down, queued.

use super::Id;
use super::finding::Finding;
use crate::db::{self, Session, ids, result_row, statements};
use crate::error::Result;
use crate::outbox::receivers::slack::{self, AlertMessage, Webhook};
use crate::outbox::{self, Destination, NewRequest};
use crate::schedule::Purpose;
use serde_json::{Value as Json, json};

const TIMEOUT_MS: i32 = 5_000;
const SUPERSEDED: &str = "superseded by a later message about the same alert";

statements! {
    execute supersede_messages(alert: Id) -> Id = file "alerts/supersede_messages.sql";
    execute insert_message(
        id: Id,
        alert: Id,
        kind: &str,
        severity: &str,
        channel: &str,
        title: &str,
        body: &Json,
    ) = text
        "insert into raw_ops.alert_messages (id, alert_id, kind, severity, channel, title, body)
         values ($1, $2, $3, $4, $5, $6, $7)";
}

/// Tells what was found.
pub fn tell(
    session: &Session,
    alert: Id,
    kind: &'static str,
    finding: &Finding,
    context: &str,
) -> Result<()> {
    let message = AlertMessage {
        severity: finding.severity.as_str(),
        title: &finding.title,
        fields: &finding.fields,
        context,
        next: &finding.next,
        is_resolved: false,
    };
    let shop = &finding.condition.shop;
    post(session, alert, kind, &finding.channel, shop, &message)
}

/// Writes a message and queues it; an earlier one about the same alert that is still on its way is not sent any more.
pub fn post(
    session: &Session,
    alert: Id,
    kind: &str,
    channel: &str,
    shop: &str,
    message: &AlertMessage<'_>,
) -> Result<()> {
    let superseded = supersede_messages(session, alert)?.all()?;
    outbox::cancel_requests(session, &superseded, SUPERSEDED)?;
    let context = format!("{} · {}", message.context, db::server_label());
    let message = &AlertMessage {
        context: &context,
        ..*message
    };
    let (id, body) = (ids::uuid_v7(), slack::message_body(message));
    insert_message(
        session,
        id,
        alert,
        kind,
        message.severity,
        channel,
        message.title,
        &body,
    )?;
    let message = Queued {
        id,
        channel: channel.to_owned(),
        shop_domain: shop.to_owned(),
        body,
    };
    queue_messages(session, &[message])
}

result_row! {
    /// A message for its channel.
    pub struct Queued {
        pub id: Id,
        pub channel: String,
        pub shop_domain: String,
        pub body: Json,
    }
}

/// Queues messages for their channels, each under a key of its own: queued again it is sent again.
pub fn queue_messages(session: &Session, messages: &[Queued]) -> Result<()> {
    let keys: Vec<String> = messages
        .iter()
        .map(|_| format!("alert-{}", pgrx::Uuid::from_bytes(ids::uuid_v7())))
        .collect();
    let requests: Vec<NewRequest<'_>> = messages
        .iter()
        .zip(&keys)
        .map(|(message, key)| {
            let destination = Destination::Slack(Webhook::of_channel(&message.channel));
            request(
                message.id,
                &message.shop_domain,
                destination,
                None,
                &message.body,
                key,
            )
        })
        .collect();
    outbox::enqueue_requests(session, &requests)
}

/// The first attempt at a message.
pub fn request<'a>(
    message: Id,
    shop: &'a str,
    destination: Destination,
    path: Option<&'a str>,
    body: &'a Json,
    key: &'a str,
) -> NewRequest<'a> {
    NewRequest {
        purpose: Purpose::Alert,
        subject: message,
        shop,
        destination,
        url: None,
        path,
        headers: json!({}),
        body,
        idempotency_key: key,
        attempt: 1,
        timeout_ms: TIMEOUT_MS,
    }
}
