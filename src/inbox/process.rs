//! Claimed webhooks to changed tables: the whole set at once, and when it fails, halves of it, down to the one that
//! is to blame. A bad webhook costs only itself.

use super::blame;
use super::claim::Claimed;
use crate::courier;
use crate::db::settings::hardly_wait_for_locks;
use crate::db::subtransaction::{attempt_until_unraced_and_tell, ends_transaction};
use crate::db::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::orders;
use crate::providers::{self, Command};

/// What a webhook did.
pub enum Applied {
    Order(orders::Applied),
    Courier(courier::Applied),
}

impl Applied {
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Applied::Order(applied) => applied.to_json(),
            Applied::Courier(applied) => applied.to_json(),
        }
    }
}

/// Webhooks a sub-transaction. More share its cost, but also more is done again when one of them fails.
const SET: usize = 250;

/// What became of a claimed webhook; `None`: nothing, it stays as it is for another time.
pub type Outcome = Option<Result<Applied>>;

/// One outcome a webhook, in order.
///
/// # Errors
/// Only when the trouble is the server's; nothing of it is to be held against a webhook then.
pub fn webhooks(session: &Session, claims: &[Claimed<'_>]) -> Result<Vec<Outcome>> {
    // Always in the order of the orders they are about, which is the order in which rows are locked: two drains that
    // share orders wait for each other instead of deadlocking. Webhooks of one order stay in the order received.
    let mut sorted: Vec<(usize, &Claimed<'_>)> = claims.iter().enumerate().collect();
    sorted.sort_by_cached_key(|(_, claim)| order_id(claim));

    let mut outcomes: Vec<(usize, Result<Applied>)> = Vec::with_capacity(claims.len());
    let mut locked_out = 0;
    for set in sorted.chunks(SET) {
        let done = halving(session, set, &mut locked_out)?;
        outcomes.extend(set.iter().map(|(index, _)| *index).zip(done));
    }
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<Result<Applied>> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    blame::judge(session, claims, outcomes)
}

fn order_id(claim: &Claimed<'_>) -> Option<i64> {
    claim
        .payload
        .and_then(|payload| providers::shopify_order_id(&claim.provider, &claim.topic, payload))
}

/// Webhooks found to need a locked table, one by one, before the rest is no longer taken apart to find more.
const MOST_LOCKED_OUT: usize = 10;

/// Halves a set that fails, down to the ones that fail alone; `locked_out` counts those that a locked table is in the way
/// of.
fn halving(
    session: &Session,
    set: &[(usize, &Claimed<'_>)],
    locked_out: &mut usize,
) -> Result<Vec<Result<Applied>>> {
    let error = match attempt_until_unraced_and_tell(orders::LOST_RACES, || apply(session, set)) {
        Ok(outcomes) => return Ok(outcomes),
        Err(error) if ends_transaction(&error) => return Err(error),
        Err(error) => error,
    };
    if let Error::TableLocked { table } = &error
        && (set.len() <= 1 || *locked_out >= MOST_LOCKED_OUT)
    {
        *locked_out += set.len();
        let locked = || Err(Error::TableLocked { table: table.clone() });
        return Ok(set.iter().map(|_| locked()).collect());
    }
    if set.len() <= 1 {
        return Ok(vec![Err(error)]);
    }
    let _waits = error.is_lock_timeout().then(hardly_wait_for_locks);
    let (first, second) = set.split_at(set.len() / 2);
    let mut outcomes = halving(session, first, locked_out)?;
    outcomes.extend(halving(session, second, locked_out)?);
    Ok(outcomes)
}

/// Another attempt at one webhook, by itself.
pub(super) fn alone(session: &Session, claim: &Claimed<'_>) -> Result<Result<Applied>> {
    halving(session, &[(0, claim)], &mut 0).map(|mut outcomes| outcomes.pop().unwrap_or_else(no_outcome))
}

fn no_outcome() -> Result<Applied> {
    Err(Error::Internal("no outcome".into()))
}

/// Applies a set; what is wrong with a payload stands in its own outcome, any other error fails the set. Orders come
/// first: the rest may be about them.
fn apply(session: &Session, set: &[(usize, &Claimed<'_>)]) -> Result<Vec<Result<Applied>>> {
    let mut outcomes: Vec<Option<Result<Applied>>> = Vec::with_capacity(set.len());
    outcomes.resize_with(set.len(), || None);
    let (mut order_changes, mut courier_changes) = (Vec::with_capacity(set.len()), Vec::new());
    for (index, (_, claim)) in set.iter().enumerate() {
        match command(claim).map(|command| change(index, claim, command)) {
            Ok(Change::Order(change)) => order_changes.push(change),
            Ok(Change::Courier(change)) => courier_changes.push((index, change)),
            Err(error) => outcomes[index] = Some(Err(error)),
        }
    }
    for (index, outcome) in orders::apply_orders(session, order_changes)? {
        outcomes[index] = Some(outcome.map(Applied::Order));
    }
    for (index, outcome) in courier::apply_shipments(session, courier_changes)? {
        outcomes[index] = Some(outcome.map(Applied::Courier));
    }
    Ok(outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(no_outcome))
        .collect())
}

fn command<'a>(claim: &Claimed<'a>) -> Result<Command<'a, Jsonb<'a>>> {
    match (claim.payload, &claim.unreadable) {
        (Some(payload), _) => providers::command(&claim.provider, &claim.topic, payload),
        (None, Some((code, message))) => Err(Error::Database {
            code: *code,
            message: message.clone(),
        }),
        (None, None) => Err(Error::NotJson {
            provider: claim.provider.clone(),
        }),
    }
}

/// Which room a command is for.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are orders: a box would cost each of them an allocation"
)]
enum Change<'a> {
    Order(orders::Change<'a>),
    Courier(courier::Change<'a>),
}

fn change<'a>(index: usize, claim: &Claimed<'a>, command: Command<'a, Jsonb<'a>>) -> Change<'a> {
    let order = |order, must_exist| {
        Change::Order(orders::Change {
            index,
            order,
            payload_hash: claim.payload.map_or(0, Jsonb::hash),
            must_exist,
            triggered_at: claim.triggered_at,
        })
    };
    match command {
        Command::UpsertOrder(upserted) => order(upserted, false),
        Command::CancelOrder(cancelled) => order(cancelled, true),
        Command::RecordFulfillment(fulfillment) => Change::Courier(courier::Change::Fulfillment {
            fulfillment,
            triggered_at: claim.triggered_at,
            payload_hash: claim.payload.map_or(0, Jsonb::hash),
        }),
        Command::RecordShipmentEvents(events) => Change::Courier(courier::Change::ShipmentEvents {
            webhook: claim.id,
            events,
        }),
    }
}
