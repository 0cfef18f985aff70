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

use crate::command::Batch;
use crate::db::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::providers::Command;

pub type Id = [u8; 16];

/// Applies what a batch says of shipments, one by one; fulfillments first, since events are about their shipments. What is
/// wrong with one of them stands in its outcome.
///
/// # Errors
/// Any other leaves the set half written: roll back.
pub fn apply_shipments<'a>(session: &Session, batch: &mut Batch<Command<'a, Jsonb<'a>>>) -> Result<()> {
    let fulfillments = batch.take(|command| match command {
        Command::RecordFulfillment(fulfillment) => Ok(fulfillment),
        other => Err(other),
    });
    for fulfillment in fulfillments {
        let done = shipment::converge(session, &fulfillment);
        batch.settle(fulfillment.index, own_fault(done)?);
    }
    let reports = batch.take(|command| match command {
        Command::RecordShipmentEvents(report) => Ok(report),
        other => Err(other),
    });
    for report in reports {
        let done = report::record_report(session, &report);
        batch.settle(report.index, own_fault(done)?);
    }
    Ok(())
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
