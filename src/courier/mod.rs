//! Courier Watchdog: what couriers report about shipments ([`event`]), the notification to the customer ([`notification`], what
//! became of it [`outcome`], picked up by [`retry`] where it was lost), what a person has to do ([`task`]), and the shipments themselves ([`shipment`], [`fulfillment`]). Events come by
//! webhook ([`report`]), or wait for their shipment ([`waiting`]).
//! Source: DLV.

mod event;
mod fulfillment;
mod notification;
pub mod outcome;
mod report;
mod retry;
mod shipment;
mod task;
mod unwanted;
mod waiting;

use crate::db::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::providers::dpd::ShipmentEvent;
use crate::providers::list::Element;
use crate::providers::shopify_fulfillment::Fulfillment;
use serde_json::Value as Json;

pub type Id = [u8; 16];

/// What a webhook asks for.
pub enum Change<'a> {
    Fulfillment {
        fulfillment: Fulfillment<'a>,
        /// When the webhook was triggered: tells the age of a payload without `updated_at`.
        triggered_at: Option<i64>,
        /// Decides which payload is the newer where the times do not.
        payload_hash: i64,
    },
    ShipmentEvents {
        webhook: Id,
        events: Vec<Element<Jsonb<'a>, ShipmentEvent<Jsonb<'a>>>>,
    },
}

/// What it did.
pub enum Applied {
    Shipments(shipment::Converged),
    Events(report::Reported),
}

impl Applied {
    pub fn to_json(&self) -> Json {
        match self {
            Applied::Shipments(converged) => converged.to_json(),
            Applied::Events(reported) => reported.to_json(),
        }
    }
}

/// Applies a set, one by one; fulfillments first, since events are about their shipments. What is wrong with one of them
/// stands in its outcome.
///
/// # Errors
/// Any other leaves the set half written: roll back.
pub fn apply(session: &Session, changes: Vec<(usize, Change<'_>)>) -> Result<Vec<(usize, Result<Applied>)>> {
    let (mut fulfillments, mut reports) = (Vec::new(), Vec::new());
    for (index, change) in changes {
        match change {
            Change::Fulfillment {
                fulfillment,
                triggered_at,
                payload_hash,
            } => fulfillments.push((index, fulfillment, triggered_at, payload_hash)),
            Change::ShipmentEvents { webhook, events } => reports.push((index, webhook, events)),
        }
    }
    // Always in one order, so that two drains wait for each other instead of deadlocking.
    fulfillments.sort_by_key(|(_, fulfillment, ..)| fulfillment.shopify_fulfillment_id);
    reports.sort_by_cached_key(|(_, _, events)| {
        let mut readable = events.iter().filter_map(|element| element.read.as_ref().ok());
        readable.next().map(|event| event.tracking_no.clone())
    });

    let mut outcomes = Vec::with_capacity(fulfillments.len() + reports.len());
    for (index, fulfillment, triggered_at, hash) in fulfillments {
        let done = shipment::converge(session, &fulfillment, triggered_at, hash).map(Applied::Shipments);
        outcomes.push((index, own_fault(done)?));
    }
    for (index, webhook, events) in reports {
        let done = report::record(session, webhook, &events).map(Applied::Events);
        outcomes.push((index, own_fault(done)?));
    }
    Ok(outcomes)
}

/// What is missing is that webhook's own error, and the set goes on: what it has written until then holds for itself.
fn own_fault<T>(done: Result<T>) -> Result<Result<T>> {
    match done {
        Err(error @ (Error::MissingReference(_) | Error::Payload { .. })) => Ok(Err(error)),
        Err(error) => Err(error),
        done => Ok(done),
    }
}

/// An id as JSON shows it.
fn shown(id: Id) -> String {
    pgrx::Uuid::from_bytes(id).to_string()
}
