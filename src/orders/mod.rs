//! Customers, orders and items, converged from Shopify's payloads whatever the order they come in.
//!
//! [`apply`] takes a whole set: a look at what is here ([`lookup`]), then one statement for all that is new, and
//! for what is known only if something differs. Payloads of one order in one set are applied one after the other.

mod customers;
mod lookup;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
mod transaction;
mod write;

use crate::db::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::providers::shopify_order::Order;
use serde_json::json;
use std::collections::HashMap;

pub type Id = [u8; 16];

/// An order payload to apply.
pub struct Change<'a> {
    /// The caller's number for it; comes back with its outcome.
    pub index: usize,
    pub order: Order<'a, Jsonb<'a>>,
    /// Of the payload: the same one again is recognised by it.
    pub payload_hash: i64,
    /// The order must be here already.
    pub must_exist: bool,
    /// When the webhook was triggered: tells the age of a payload without `updated_at`.
    pub triggered_at: Option<i64>,
}

/// What a payload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    /// Everything it says was known.
    #[default]
    Unchanged,
    /// A newer payload was here first; at most gaps it left were filled.
    Stale,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Created => "created",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Stale => "stale",
        }
    }
}

/// The result of one payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Applied {
    pub outcome: Outcome,
    pub order_id: Id,
    pub customer_id: Option<Id>,
    /// Items in the payload.
    pub items: usize,
    pub shopify_order_id: i64,
}

impl Applied {
    pub fn to_json(self) -> serde_json::Value {
        let shown = |id: Id| pgrx::Uuid::from_bytes(id).to_string();
        json!({
            "success": true,
            "outcome": self.outcome.as_str(),
            "order_id": shown(self.order_id),
            "customer_id": self.customer_id.map(shown),
            "items": self.items,
            "shopify_order_id": self.shopify_order_id,
        })
    }
}

/// Applies a set of payloads. What is wrong with one of them stands in its outcome.
///
/// # Errors
/// [`Error::Raced`] when another transaction wrote the same rows meanwhile: roll back and apply again. Any other
/// error, raised ones included, also leaves the set half written: roll back.
pub fn apply(session: &Session, changes: Vec<Change<'_>>) -> Result<Vec<(usize, Result<Applied>)>> {
    let mut outcomes = Vec::with_capacity(changes.len());
    // Every lock on an order is taken here, at once and in order; later rounds look again, since a round may have
    // inserted what the next one changes.
    let mut found = Some(lookup::lock_orders(session, &changes)?);
    for round in rounds(changes) {
        let found = match found.take() {
            Some(found) => found,
            None => lookup::find_orders(session, &round)?,
        };
        apply_round(session, found, round, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// Splits a set so that no round has two payloads of one order, and earlier ones come in earlier rounds.
fn rounds(changes: Vec<Change<'_>>) -> Vec<Vec<Change<'_>>> {
    let mut seen: HashMap<i64, usize> = HashMap::with_capacity(changes.len());
    let mut rounds: Vec<Vec<Change<'_>>> = Vec::with_capacity(1);
    for change in changes {
        let nth = seen.entry(change.order.shopify_order_id).or_default();
        if *nth == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*nth].push(change);
        *nth += 1;
    }
    rounds
}

/// A payload and what it meets.
struct Plan<'c, 'a> {
    change: &'c Change<'a>,
    kind: PlanKind,
    /// Of the existing row, or newly made.
    order_id: Id,
    customer_id: Option<Id>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PlanKind {
    /// Nobody here knows the order.
    New,
    /// The order is here, and no newer than the payload.
    Known,
    /// The order is here, and newer than the payload.
    Older,
}

fn apply_round(
    session: &Session,
    mut found: lookup::Found,
    changes: Vec<Change<'_>>,
    outcomes: &mut Vec<(usize, Result<Applied>)>,
) -> Result<()> {
    let mut plans = Vec::with_capacity(changes.len());
    for change in &changes {
        let new = Plan {
            change,
            kind: PlanKind::New,
            order_id: [0; 16],
            customer_id: None,
        };
        let plan = match found.orders.get(&change.order.shopify_order_id) {
            None if change.must_exist => {
                outcomes.push((change.index, Err(not_here_yet(change.order.shopify_order_id))));
                continue;
            }
            None => Plan {
                order_id: crate::db::ids::uuid_v7(),
                ..new
            },
            Some(known) => {
                let kind = if is_stale(change, known.version) {
                    PlanKind::Older
                } else {
                    PlanKind::Known
                };
                let plan = Plan {
                    kind,
                    order_id: known.id,
                    customer_id: known.customer_id,
                    ..new
                };
                if known.payload_hash == Some(change.payload_hash) {
                    outcomes.push((change.index, Ok(applied(&plan, Outcome::Unchanged))));
                    continue;
                }
                plan
            }
        };
        plans.push(plan);
    }
    if plans.is_empty() {
        return Ok(());
    }
    lookup::find_buyers(session, &mut found, plans.iter().map(|plan| plan.change))?;
    let new_customers = customers::resolve(session, &found, &mut plans)?;

    let of = |kind| plans.iter().filter(|plan| plan.kind == kind).collect::<Vec<_>>();
    let mut done = Vec::with_capacity(plans.len());
    done.extend(write::insert_new(session, new_customers, &of(PlanKind::New))?);
    done.extend(write::update_known(session, &of(PlanKind::Known))?);
    done.extend(write::fill_gaps(session, &of(PlanKind::Older))?);
    outcomes.extend(
        done.into_iter()
            .map(|(plan, outcome)| (plan.change.index, Ok(applied(plan, outcome)))),
    );
    Ok(())
}

fn applied(plan: &Plan<'_, '_>, outcome: Outcome) -> Applied {
    let order = &plan.change.order;
    Applied {
        outcome,
        order_id: plan.order_id,
        customer_id: plan.customer_id,
        items: order.items.as_ref().map_or(0, Vec::len),
        shopify_order_id: order.shopify_order_id,
    }
}

/// Equal times are not stale: Shopify repeats the same second. A payload without a time of its own is as old as its
/// webhook, and without that too it is taken for new.
fn is_stale(change: &Change<'_>, known: Option<i64>) -> bool {
    let age = change
        .order
        .version
        .map(|version| version.0)
        .or(change.triggered_at);
    matches!((age, known), (Some(age), Some(known)) if age < known)
}

fn not_here_yet(shopify_order_id: i64) -> Error {
    Error::MissingReference(format!("order.id: there is no order {shopify_order_id} here yet"))
}
