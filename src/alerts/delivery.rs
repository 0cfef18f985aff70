//! Whether messages reach anybody: what became of their attempts, and the fallback for those that Slack does not take.

use super::Id;
use super::message::request;
use crate::config;
use crate::db::{Session, TypedRowset, result_row, rowset_row, statements};
use crate::error::Result;
use crate::outbox::receivers::customerio;
use crate::outbox::receivers::slack::Webhook;
use crate::outbox::{self, Destination, NewRequest, Outcome, Requester, State, secrets};
use crate::schedule::Purpose;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Failed attempts after which the fallback is tried as well.
const FALLBACK_AFTER: i32 = 3;
const DELIVERED_BEFORE: &str = "not needed: the message has been delivered";

pub const REQUESTER: Requester = Requester {
    purpose: Purpose::Alert,
    find_unwanted: outbox::always_wanted,
    why_unwanted: DELIVERED_BEFORE,
    on_recorded: follow_outcomes,
    on_discarded: discard_messages,
};

statements! {
    execute mark_delivered(by_channel: Vec<Id>, by_fallback: Vec<Id>) = file "alerts/mark_delivered.sql";
    execute mark_not_delivered() with (failed: FailedRow<'static>) = file "alerts/mark_not_delivered.sql";
    execute find_pending(messages: Vec<Id>) -> Pending = text
        "select message.id, message.title, message.severity, message.channel, alert.shop_domain, message.body
           from raw_ops.alert_messages as message
           join raw_ops.alerts as alert on alert.id = message.alert_id
          where message.id = any ($1) and message.delivery = 'pending'";
    execute mark_discarded(messages: Vec<Id>, why: &str) = text
        "update raw_ops.alert_messages set delivery = 'discarded', last_error = $2
          where id = any ($1) and delivery in ('pending', 'undelivered')";
}

rowset_row! {
    struct FailedRow<'a> {
        id: Id,
        error: &'a str,
    }
}

result_row! {
    /// A message that still waits to reach anybody.
    struct Pending {
        id: Id,
        title: String,
        severity: String,
        channel: String,
        shop_domain: String,
        body: Json,
    }
}

fn is_fallback(destination: Option<Destination>) -> bool {
    matches!(
        destination,
        Some(Destination::Slack(Webhook::Fallback) | Destination::CustomerIo)
    )
}

/// What became of attempts. Those that arrived come first: of a message that has been delivered nothing else matters.
fn follow_outcomes(session: &Session, outcomes: &[&Outcome]) -> Result<()> {
    let (arrived, others): (Vec<&Outcome>, Vec<&Outcome>) = outcomes
        .iter()
        .copied()
        .partition(|outcome| outcome.state == State::Succeeded);
    delivered(session, &arrived)?;
    not_delivered(session, &others)
}

fn delivered(session: &Session, arrived: &[&Outcome]) -> Result<()> {
    if arrived.is_empty() {
        return Ok(());
    }
    let subjects = |by_fallback: bool| -> Vec<Id> {
        let ours = arrived
            .iter()
            .filter(|outcome| is_fallback(outcome.destination) == by_fallback);
        ours.map(|outcome| outcome.subject).collect()
    };
    let (by_channel, by_fallback) = (subjects(false), subjects(true));
    let all = [by_channel.as_slice(), by_fallback.as_slice()].concat();
    mark_delivered(session, by_channel, by_fallback)?;
    outbox::cancel_requests(session, &all, DELIVERED_BEFORE)
}

fn not_delivered(session: &Session, failed: &[&Outcome]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let needs_fallback = |outcome: &&&Outcome| {
        let is_over = outcome.state == State::Abandoned;
        !is_fallback(outcome.destination) && (is_over || outcome.attempt >= FALLBACK_AFTER)
    };
    let messages = failed.iter().filter(needs_fallback);
    try_fallback(session, messages.map(|outcome| outcome.subject).collect())?;

    // One row a message: the last word of several. Sorted, so that two transactions lock in one order.
    let last: BTreeMap<Id, &Outcome> = failed.iter().map(|outcome| (outcome.subject, *outcome)).collect();
    let mut rows = TypedRowset::new(session);
    for (message, outcome) in last {
        let destination = outcome
            .destination
            .map_or("unknown destination", Destination::as_str);
        let error = format!("{destination}: {}", outcome.reason().unwrap_or_default());
        rows.push(FailedRow {
            id: message,
            error: &error,
        })?;
    }
    mark_not_delivered(session, &mut rows)?;
    Ok(())
}

/// The second URL (the shop's own, or that of all), else Customer.io, where either is set up. Asked again it does nothing: the key
/// is the message's own.
fn try_fallback(session: &Session, messages: Vec<Id>) -> Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let pending = find_pending(session, messages)?.all()?;
    let mut has_second_url: BTreeMap<&str, bool> = BTreeMap::new();
    for message in &pending {
        if let Entry::Vacant(unknown) = has_second_url.entry(&message.shop_domain) {
            unknown.insert(secrets::is_set(
                session,
                Webhook::Fallback.secret(),
                &message.shop_domain,
            )?);
        }
    }
    let address = config::alert_email();
    let path = address.as_deref().map(customerio::events_path);
    let keys: Vec<String> = pending
        .iter()
        .map(|message| format!("alert-fallback-{}", pgrx::Uuid::from_bytes(message.id)))
        .collect();
    let events: Vec<Json> = pending.iter().map(event).collect();
    let fallbacks = pending.iter().zip(events.iter().zip(&keys));
    let requests: Vec<NewRequest<'_>> = fallbacks
        .filter_map(|(message, (event, key))| {
            let (destination, path, body) = if has_second_url[message.shop_domain.as_str()] {
                (Destination::Slack(Webhook::Fallback), None, &message.body)
            } else {
                (Destination::CustomerIo, Some(path.as_deref()?), event)
            };
            Some(request(
                message.id,
                &message.shop_domain,
                destination,
                path,
                body,
                key,
            ))
        })
        .collect();
    outbox::enqueue_requests(session, &requests)
}

/// A message as Customer.io's campaign wants it.
fn event(message: &Pending) -> Json {
    let data = json!({
        "title": message.title, "severity": message.severity, "channel": message.channel, "text": message.body["text"],
    });
    customerio::event("ops_alert", message.id, &data)
}

/// Messages whose requests somebody has discarded reach nobody, and are not to.
fn discard_messages(session: &Session, messages: Vec<Id>, why: &str) -> Result<()> {
    if !messages.is_empty() {
        mark_discarded(session, messages, why)?;
    }
    Ok(())
}
