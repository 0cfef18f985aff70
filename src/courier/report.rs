//! What couriers report about shipments, as their webhooks bring it: each event for itself. Those whose shipment is not here yet wait.

use super::Id;
use super::event::{self, Event, Recorded};
use crate::command::{Applied, Envelope};
use crate::db::{self, Jsonb, Session, result_row, statements};
use crate::elements::{self, Left, Source};
use crate::error::{Category, Error, Result};
use crate::providers::list::Element;
use crate::providers::{ShipmentEvent, ShipmentReport};
use crate::shop;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

statements! {
    execute find_named_shipments(numbers: Vec<&str>, courier: &str, shop: &str) -> NamedShipment
        = file "courier/find_named_shipments.sql";
}

result_row! {
    struct NamedShipment {
        tracking_no: String,
        id: Id,
        shops: Vec<String>,
    }
}

/// What a tracking number names.
pub enum Named {
    Shipment(Id),
    /// Nobody says of which of these shops.
    OfSeveral(Vec<String>),
}

/// Records what can be recorded and keeps the rest.
///
/// # Errors
/// [`Error::MissingReference`] when too many events of unknown shipments wait already: the others are recorded all the same.
pub fn record_report(session: &Session, webhook: &Envelope<ShipmentReport<Jsonb<'_>>>) -> Result<Applied> {
    let report = &webhook.command;
    let elements = &report.events;
    let shipments = shipments(session, &webhook.shop, report)?;
    let (mut known, mut left) = (Vec::with_capacity(elements.len()), Vec::new());
    let mut undecided = Vec::new();
    for element in elements {
        match &element.read {
            Ok(event) => match shipments.get(&event.tracking_no) {
                Some(Named::Shipment(shipment)) => {
                    known.push((element, of_shipment(event, report.courier, *shipment)));
                }
                Some(Named::OfSeveral(shops)) => {
                    undecided.push(((element, event), of_several_shops(element, event, shops)));
                }
                None => {
                    let number = &event.tracking_no;
                    left.push(waiting(element, number, not_here_yet(element, number)));
                }
            },
            Err(error) => left.push(refused(element, error.to_string())),
        }
    }
    let events: Vec<&Event<'_>> = known.iter().map(|(_, event)| event).collect();
    let outcomes = match events[..] {
        // Alone in its webhook: there is no other to be harmed.
        [only] if elements.len() == 1 => vec![Ok(event::record_event(session, only)?)],
        _ => record_each(session, &events)?,
    };
    let (mut recorded, mut failed) = (Vec::with_capacity(events.len()), Vec::new());
    for ((element, _), outcome) in known.iter().zip(outcomes) {
        match outcome {
            Ok(done) => recorded.push(done),
            Err(error) => failed.push((*element, error)),
        }
    }
    let one_waits = left.iter().any(|one| one.reference.is_some());
    let is_nothing_done = recorded.is_empty() && !one_waits;
    // Nothing of it can be done: that is the webhook's own trouble.
    if is_nothing_done && !undecided.is_empty() {
        return Err(undecided.swap_remove(0).1);
    }
    if is_nothing_done && !failed.is_empty() {
        return Err(failed.swap_remove(0).1);
    }
    // Which shop's shipment is meant may show later.
    let undecided = undecided.iter();
    left.extend(
        undecided.map(|((element, event), error)| waiting(element, &event.tracking_no, error.to_string())),
    );
    let failed = failed.iter();
    left.extend(failed.map(|(element, error)| refused(element, error.to_string())));
    let source = Source {
        webhook: webhook.webhook,
        provider: report.provider,
        shop: &webhook.shop,
    };
    elements::keep_elements(session, &source, &left)?;
    let outcome = match recorded.is_empty() {
        true => "waiting",
        false => "recorded",
    };
    let left = elements::shown(&left);
    Ok(Applied::new(outcome, move || {
        let events: Vec<Json> = recorded.iter().map(Recorded::to_json).collect();
        json!({"courier_events": events, "left": left})
    }))
}

/// The shipments that events are about. Of those that are not here none can appear unseen any more until
/// the events are stored as waiting.
fn shipments(
    session: &Session,
    shop: &str,
    report: &ShipmentReport<Jsonb<'_>>,
) -> Result<HashMap<String, Named>> {
    let readable = report
        .events
        .iter()
        .filter_map(|element| element.read.as_ref().ok());
    let mut numbers: Vec<&str> = readable.map(|event| event.tracking_no.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = shipments_under(session, report.courier, shop, numbers.clone())?;
    numbers.retain(|number| !found.contains_key(*number));
    if !numbers.is_empty() {
        let references: Vec<String> = numbers.iter().map(|number| elements::reference(number)).collect();
        elements::lock_to_wait(session, report.provider, &references)?;
        found.extend(shipments_under(session, report.courier, shop, numbers)?);
    }
    Ok(found)
}

/// The shipments that tracking numbers of a courier name now: those of a shop, or of any where none is named.
pub fn shipments_under(
    session: &Session,
    courier: &str,
    shop: &str,
    numbers: Vec<&str>,
) -> Result<HashMap<String, Named>> {
    let found = find_named_shipments(session, numbers, courier, shop)?.map(|row| {
        let named = match row.shops.len() {
            0 | 1 => Named::Shipment(row.id),
            _ => Named::OfSeveral(row.shops),
        };
        (row.tracking_no, named)
    })?;
    Ok(found.into_iter().collect())
}

fn of_several_shops<T>(
    element: &Element<T, ShipmentEvent<T>>,
    event: &ShipmentEvent<T>,
    shops: &[String],
) -> Error {
    shop::ambiguous(
        &format!("{}.parcelNumber: shipment {}", element.path, event.tracking_no),
        shops,
        "give each shop a token of its own (DPD_WEBHOOK_TOKEN=token@shop,…)",
    )
}

/// An event as it is recorded of this shipment.
pub fn of_shipment<'e, 'a: 'e>(
    event: &'e ShipmentEvent<Jsonb<'a>>,
    courier: &'e str,
    shipment: Id,
) -> Event<'e> {
    Event {
        shipment,
        courier,
        code: &event.code,
        text: event.text.as_deref(),
        time: event.time.0,
        raw: Some(event.raw),
    }
}

/// An element that waits for a shipment, of this tracking number.
fn waiting<'a, T>(element: &Element<Jsonb<'a>, T>, number: &str, error: String) -> Left<'a> {
    Left {
        reference: Some(elements::reference(number)),
        ..refused(element, error)
    }
}

fn refused<'a, T>(element: &Element<Jsonb<'a>, T>, error: String) -> Left<'a> {
    Left {
        path: element.path.clone(),
        element: element.raw,
        reference: None,
        error,
    }
}

fn not_here_yet<T>(element: &Element<T, ShipmentEvent<T>>, number: &str) -> String {
    format!(
        "{}.parcelNumber: there is no shipment {number} here yet",
        element.path
    )
}

/// Records events, one outcome each, in the order given: all together, and where that fails each for itself, so that an odd
/// one harms no other.
///
/// # Errors
/// What is no event's own fault.
pub fn record_each(session: &Session, events: &[&Event<'_>]) -> Result<Vec<Result<Recorded>>> {
    let order = in_order(session, events)?;
    let together = || {
        order
            .iter()
            .map(|&index| event::record_event(session, events[index]))
            .collect()
    };
    let recorded: Vec<Result<Recorded>> = match db::attempt(together) {
        Ok(recorded) => {
            let recorded: Vec<Recorded> = recorded;
            recorded.into_iter().map(Ok).collect()
        }
        Err(error) if !is_own_fault(&error) => return Err(error),
        Err(_) => {
            let apart = |&index: &usize| match db::attempt(|| event::record_event(session, events[index])) {
                Err(error) if !is_own_fault(&error) => Err(error),
                outcome => Ok(outcome),
            };
            order.iter().map(apart).collect::<Result<_>>()?
        }
    };
    let mut outcomes: Vec<(usize, Result<Recorded>)> = order.into_iter().zip(recorded).collect();
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// In the order in which things happened, but ends first: of a shipment that has arrived, nobody is told what went wrong
/// before.
fn in_order(session: &Session, events: &[&Event<'_>]) -> Result<Vec<usize>> {
    let mut ends: HashMap<&str, bool> = HashMap::new();
    for event in events {
        if !ends.contains_key(event.code) {
            let meaning = event::meaning(session, event.courier, event.code)?;
            ends.insert(event.code, meaning.is_some_and(|meaning| meaning.is_end()));
        }
    }
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|&index| (!ends[events[index].code], events[index].time));
    Ok(order)
}

/// Whether an event is to blame: not a lock, another transaction, or a table that is missing.
fn is_own_fault(error: &Error) -> bool {
    !error.may_be_servers_fault()
        && matches!(
            error.category(),
            Category::MalformedPayload | Category::ConstraintViolation | Category::Internal
        )
}
