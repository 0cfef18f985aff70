//! What couriers report about shipments, as their webhooks bring it: each event for itself. Those whose shipment is not here yet wait.

use super::Id;
use super::event::{self, Event, Recorded};
use crate::command::Applied;
use crate::db::{self, Jsonb, Session, result_row, statements};
use crate::elements::{self, Left};
use crate::error::{Category, Error, Result};
use crate::providers::list::Element;
use crate::providers::{ShipmentEvent, ShipmentReport};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

statements! {
    execute find_named_shipments(numbers: Vec<&str>, courier: &str) -> NamedShipment
        = file "courier/find_named_shipments.sql";
}

result_row! {
    struct NamedShipment {
        tracking_no: String,
        id: Id,
    }
}

/// Records what can be recorded and keeps the rest.
///
/// # Errors
/// [`Error::MissingReference`] when too many events of unknown shipments wait already: the others are recorded all the same.
pub fn record_report(session: &Session, webhook: Id, report: &ShipmentReport<Jsonb<'_>>) -> Result<Applied> {
    let elements = &report.events;
    let shipments = shipments(session, report)?;
    let (mut known, mut left) = (Vec::with_capacity(elements.len()), Vec::new());
    for element in elements {
        match &element.read {
            Ok(event) => match shipments.get(&event.tracking_no) {
                Some(shipment) => known.push((element, of_shipment(event, report.courier, *shipment))),
                None => left.push(waiting(element, &event.tracking_no)),
            },
            Err(error) => left.push(refused(element, error)),
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
    if recorded.is_empty() && !one_waits && !failed.is_empty() {
        // Nothing of it can be done: that is the webhook's own trouble.
        return Err(failed.swap_remove(0).1);
    }
    left.extend(failed.iter().map(|(element, error)| refused(element, error)));
    elements::keep_elements(session, report.provider, webhook, &left)?;
    let outcome = if recorded.is_empty() {
        "waiting"
    } else {
        "recorded"
    };
    let left = elements::shown(&left);
    Ok(Applied::new(outcome, move || {
        let events: Vec<Json> = recorded.iter().map(Recorded::to_json).collect();
        json!({"courier_events": events, "left": left})
    }))
}

/// The shipments that events are about. Of those that are not here none can appear unseen any more until
/// the events are stored as waiting.
fn shipments(session: &Session, report: &ShipmentReport<Jsonb<'_>>) -> Result<HashMap<String, Id>> {
    let readable = report
        .events
        .iter()
        .filter_map(|element| element.read.as_ref().ok());
    let mut numbers: Vec<&str> = readable.map(|event| event.tracking_no.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = shipments_under(session, report.courier, numbers.clone())?;
    numbers.retain(|number| !found.contains_key(*number));
    if !numbers.is_empty() {
        let references: Vec<String> = numbers.iter().map(|number| elements::reference(number)).collect();
        elements::lock_to_wait(session, report.provider, &references)?;
        found.extend(shipments_under(session, report.courier, numbers)?);
    }
    Ok(found)
}

/// The shipments that tracking numbers of a courier name now.
pub fn shipments_under(session: &Session, courier: &str, numbers: Vec<&str>) -> Result<HashMap<String, Id>> {
    let found = find_named_shipments(session, numbers, courier)?;
    let found = found.map(|row| (row.tracking_no, row.id))?;
    Ok(found.into_iter().collect())
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

fn waiting<'a, T>(element: &Element<Jsonb<'a>, T>, number: &str) -> Left<'a> {
    Left {
        path: element.path.clone(),
        element: element.raw,
        reference: Some(elements::reference(number)),
        error: format!(
            "{}.parcelNumber: there is no shipment {number} here yet",
            element.path
        ),
    }
}

fn refused<'a, T>(element: &Element<Jsonb<'a>, T>, error: &Error) -> Left<'a> {
    Left {
        path: element.path.clone(),
        element: element.raw,
        reference: None,
        error: error.to_string(),
    }
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
