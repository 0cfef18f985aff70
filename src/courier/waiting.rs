//! Events that came before their shipment: recorded once it is written, by a fulfillment or by hand.

use super::event::Event;
use super::report::{self, Named};
use crate::db::{self, Jsonb, Session, owner, result_row, schema, statements};
use crate::elements::{self, Waiting};
use crate::error::Result;
use crate::providers::{self, ShipmentEvent};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::collections::BTreeSet;

/// Events recorded at a time; there are hardly ever more. The rest is found by [`match_missed`].
const MOST_EVENTS: i64 = 1_000;
/// Shipments looked at in one run of [`match_missed`].
const MOST_REFERENCES: i64 = 100;

statements! {
    execute find_matchable(provider: &str, most: i64) -> Matchable = file "courier/find_matchable.sql";
}

result_row! {
    struct Matchable {
        shop_domain: String,
        references: Vec<String>,
    }
}

/// The trigger of `shipments`: a shipment has a tracking number now.
#[pg_trigger]
fn match_waiting_courier_events<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    let row = trigger.new();
    let text = |name| -> Option<String> { row.as_ref()?.get_by_name(name).ok().flatten() };
    let (number, shop) = (text("tracking_no"), text("shop_domain"));
    if let Some(number) = number
        && let Err(error) = match_new(&number, shop.as_deref().unwrap_or_default())
    {
        db::raise(error);
    }
    Ok(trigger.new())
}

/// With the owner's rights: who may write a shipment need not have any on events.
fn match_new(number: &str, shop: &str) -> Result<()> {
    let reference = elements::reference(number);
    if reference.chars().nth(elements::LONGEST_REFERENCE).is_some() {
        // Nothing waits for it.
        return Ok(());
    }
    owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            let references = [reference];
            for (provider, courier) in reporters() {
                elements::lock_to_match(session, provider, &references)?;
                record(session, provider, courier, shop, &references)?;
            }
            Ok(())
        })
    })
}

/// The safety net under the trigger. Returns how many events it recorded.
pub fn match_missed(session: &Session) -> Result<usize> {
    let mut count = 0;
    for (provider, courier) in reporters() {
        for found in find_matchable(session, provider, MOST_REFERENCES)?.all()? {
            count += record(session, provider, courier, &found.shop_domain, &found.references)?;
        }
    }
    Ok(count)
}

/// Who reports about shipments, and of which courier.
fn reporters() -> impl Iterator<Item = (&'static str, &'static str)> {
    let reporters = providers::REPORTERS.iter();
    reporters.filter_map(|(provider, courier)| Some((*provider, (*courier)?)))
}

/// Records what waits for these shipments of a shop, of one provider. An event that cannot be recorded is left for a person, and harms nobody else.
fn record(
    session: &Session,
    provider: &str,
    courier: &str,
    shop: &str,
    references: &[String],
) -> Result<usize> {
    let waiting = elements::waiting(session, provider, shop, references, MOST_EVENTS)?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut read: Vec<(&Waiting<'_>, ShipmentEvent<Jsonb<'_>>)> = Vec::with_capacity(waiting.len());
    for one in &waiting {
        match providers::read_waiting(provider, one.element, &one.reference) {
            Ok(event) => read.push((one, event)),
            Err(error) => elements::refuse(session, one.id, &error)?,
        }
    }
    let of_shop: BTreeSet<&str> = read.iter().map(|(one, _)| one.shop_domain.as_str()).collect();
    let mut known: Vec<(&Waiting<'_>, Event<'_>)> = Vec::with_capacity(read.len());
    for shop in of_shop {
        let of_this = || read.iter().filter(|(one, _)| one.shop_domain == shop);
        let numbers = of_this().map(|(_, event)| event.tracking_no.as_str()).collect();
        let shipments = report::shipments_under(session, courier, shop, numbers)?;
        known.extend(
            of_this().filter_map(|(one, event)| match shipments.get(&event.tracking_no)? {
                Named::Shipment(shipment) => Some((*one, report::of_shipment(event, courier, *shipment))),
                // It waits on: nobody says which is meant.
                Named::OfSeveral(_) => None,
            }),
        );
    }
    let events: Vec<&Event<'_>> = known.iter().map(|(_, event)| event).collect();
    let mut count = 0;
    for ((one, _), outcome) in known.iter().zip(report::record_each(session, &events)?) {
        match outcome {
            Ok(_) => {
                elements::done(session, one.id)?;
                count += 1;
            }
            Err(error) => elements::refuse(session, one.id, &error)?,
        }
    }
    Ok(count)
}
