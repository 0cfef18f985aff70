//! Whether messages reach anybody: what became of their attempts, and the other ways for those that its channel does not take.

use super::Id;
use super::message::request;
use crate::config;
use crate::db::{Session, TypedRowset, result_row, rowset_row, statements};
use crate::error::Result;
use crate::outbox::receivers::customerio;
use crate::outbox::receivers::slack::{self, Webhook};
use crate::outbox::{self, Destination, NewRequest, Outcome, Requester, State, secrets};
use crate::schedule::Purpose;
use serde_json::{Value as Json, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// Failed attempts after which another way is tried as well.
const ELSEWHERE_AFTER: i32 = 3;
const DELIVERED_BEFORE: &str = "not needed: the message has been delivered";

pub const REQUESTER: Requester = Requester {
    purpose: Purpose::Alert,
    find_unwanted: outbox::always_wanted,
    why_unwanted: DELIVERED_BEFORE,
    on_recorded: follow_outcomes,
    on_discarded: discard_messages,
    on_secret_set: super::resend::send_what_waits,
};

statements! {
    execute mark_delivered(messages: Vec<Id>, reached: Vec<&str>) = file "alerts/mark_delivered.sql";
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
    let messages: Vec<Id> = arrived.iter().map(|outcome| outcome.subject).collect();
    let reached = arrived.iter().map(|outcome| reached(outcome.destination));
    mark_delivered(session, messages.clone(), reached.collect())?;
    outbox::cancel_requests(session, &messages, DELIVERED_BEFORE)
}

/// Where a message has arrived, as `alert_messages.reached` has it.
fn reached(destination: Option<Destination>) -> &'static str {
    match destination {
        Some(Destination::Slack(webhook)) => webhook.channel().unwrap_or("fallback"),
        _ => "fallback",
    }
}

fn not_delivered(session: &Session, failed: &[&Outcome]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let goes_elsewhere =
        |outcome: &&&Outcome| outcome.state == State::Abandoned || outcome.attempt >= ELSEWHERE_AFTER;
    let failures: HashMap<Id, &Outcome> = failed
        .iter()
        .filter(goes_elsewhere)
        .map(|outcome| (outcome.subject, *outcome))
        .collect();
    try_elsewhere(session, &failures)?;

    // One row a message: the last word of several. Sorted, so that two transactions lock in one order.
    let last: BTreeMap<Id, &Outcome> = failed.iter().map(|outcome| (outcome.subject, *outcome)).collect();
    let mut rows = TypedRowset::new(session);
    for (message, outcome) in last {
        let error = failure(outcome);
        rows.push(FailedRow {
            id: message,
            error: &error,
        })?;
    }
    mark_not_delivered(session, &mut rows)?;
    Ok(())
}

fn failure(outcome: &Outcome) -> String {
    let destination = outcome
        .destination
        .map_or("unknown destination", Destination::as_str);
    format!("{destination}: {}", outcome.reason().unwrap_or_default())
}

/// Where a message goes, one after the other: its channel, the second URL, Customer.io, the other channels.
fn ways(channel: &str) -> Vec<Destination> {
    let own = Webhook::of_channel(channel);
    let others = Webhook::OF_CHANNELS.into_iter().filter(|webhook| *webhook != own);
    let mut ways = vec![
        Destination::Slack(own),
        Destination::Slack(Webhook::Fallback),
        Destination::CustomerIo,
    ];
    ways.extend(others.map(Destination::Slack));
    ways
}

/// What did not arrive goes the next way that is set up (the shop's own, or that of all), naming the one that does not work. Asked
/// again it does nothing: the key is the message's own and the way's.
fn try_elsewhere(session: &Session, failures: &HashMap<Id, &Outcome>) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let address = config::alert_email();
    let path = address.as_deref().map(customerio::events_path);
    let mut known: HashMap<(Webhook, String), bool> = HashMap::new();
    let mut next: Vec<(Pending, Destination, Json, String)> = Vec::new();
    for message in find_pending(session, failures.keys().copied().collect())?.all()? {
        let Some(failed) = failures.get(&message.id) else {
            continue;
        };
        let tried = |way: &Destination| Some(*way) != failed.destination;
        // Another channel is Slack, too: it helps where this one is gone, not where Slack is in trouble.
        let helps = |way: &Destination| match way {
            Destination::Slack(webhook) if webhook.channel().is_some() => failed.state == State::Abandoned,
            _ => true,
        };
        let rest = ways(&message.channel)
            .into_iter()
            .skip_while(tried)
            .skip(1)
            .filter(helps);
        for way in rest {
            let is_set_up = match way {
                Destination::Slack(webhook) => match known.entry((webhook, message.shop_domain.clone())) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(unknown) => {
                        *unknown.insert(secrets::is_set(session, webhook.secret(), &message.shop_domain)?)
                    }
                },
                _ => path.is_some(),
            };
            if is_set_up {
                let body = body_for(way, &message, &failure(failed));
                let key = format!("alert-{}-{}", way.as_str(), pgrx::Uuid::from_bytes(message.id));
                next.push((message, way, body, key));
                break;
            }
        }
    }
    let requests: Vec<NewRequest<'_>> = next
        .iter()
        .map(|(message, way, body, key)| {
            let path = path.as_deref().filter(|_| *way == Destination::CustomerIo);
            request(message.id, &message.shop_domain, *way, path, body, key)
        })
        .collect();
    outbox::enqueue_requests(session, &requests)
}

/// A message as it goes another way than its own: it says which does not work.
fn body_for(way: Destination, message: &Pending, failure: &str) -> Json {
    let why = format!("Meant for {}, which did not take it: {failure}", message.channel);
    match way {
        Destination::CustomerIo => event(message, &why),
        _ => slack::with_note(&message.body, &why),
    }
}

/// A message as Customer.io's campaign wants it.
fn event(message: &Pending, why: &str) -> Json {
    let text = message.body["text"].as_str().unwrap_or_default();
    let data = json!({
        "title": message.title, "severity": message.severity, "channel": message.channel, "text": format!("{text}\n{why}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_every_way_there_is_and_its_own_channel_first() {
        let ways = ways("#ops-urgent");
        assert_eq!(ways[0], Destination::Slack(Webhook::OpsUrgent));
        assert_eq!(ways.len(), 5);
        assert_eq!(reached(Some(ways[0])), "#ops-urgent");
        assert_eq!(reached(Some(ways[1])), "fallback");
        assert_eq!(reached(Some(ways[3])), "#ops-alerts");
    }
}
