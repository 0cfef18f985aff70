//! Customers, orders and items, converged from Shopify's payloads whatever the order they come in: field by field the
//! newest payload that speaks of it decides ([`crate::convergence`], [`fields`]).
//!
//! [`apply_orders`] takes a whole set: a look at what is here ([`lookup`]), then one statement for all that is new, and a few
//! for what is known and not yet as the payloads say. Payloads of one order in one set are applied one after the other.

mod customers;
mod fields;
mod find_customers;
mod items;
mod lookup;
mod moves;
mod shops;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
mod transaction;
mod write;

use crate::command::{Applied, Batch, Envelope};
use crate::convergence::{Fields, Said, State, Version};
use crate::db::{Jsonb, LostRace, Session};
use crate::error::{Error, Result};
use crate::providers::Command;
use crate::providers::shopify::order::Order;
use lookup::{EmailKey, Met, Orders};
use serde_json::json;
use std::collections::HashMap;

pub type Id = [u8; 16];

/// An order payload to apply.
pub struct Converge<'a> {
    pub order: Order<'a, Jsonb<'a>>,
    /// The order must be here already.
    pub must_exist: bool,
}

type Change<'a> = Envelope<Converge<'a>>;

impl Change<'_> {
    fn version(&self) -> Version {
        fields::version(&self.command.order, self.triggered_at, self.payload_hash)
    }
}

/// Rows are looked up before they are inserted. Where one of these is violated all the same, somebody else has just
/// inserted (or, of a guest, deleted) the row: look again.
pub const LOST_RACES: &[LostRace] = &[
    LostRace::of("orders", "idx_orders_shopify_order_id", "the order"),
    LostRace::of(
        "customers",
        "customers_shop_domain_shopify_customer_id_key",
        "the customer",
    ),
    LostRace::of("customers", "customers_guest_email_key", "the guest"),
    LostRace::of("orders", "orders_customer_id_fkey", "the guest"),
    LostRace::of("order_items", "idx_order_items_order_id", "the items"),
];

/// What a payload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    /// Everything it says was known.
    #[default]
    Unchanged,
    /// A newer payload was here first; at most what that one left open was filled.
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

/// Applies the order payloads of a batch. What is wrong with one of them stands in its outcome.
///
/// # Errors
/// [`Error::Raced`] when another transaction wrote the same rows meanwhile: roll back and apply again. Any other
/// error, raised ones included, also leaves the set half written: roll back.
pub fn apply_orders<'a>(session: &Session, batch: &mut Batch<Command<'a, Jsonb<'a>>>) -> Result<()> {
    let changes = batch.take(|command| match command {
        Command::UpsertOrder(order) => Ok(Converge {
            order,
            must_exist: false,
        }),
        Command::CancelOrder(order) => Ok(Converge {
            order,
            must_exist: true,
        }),
        other => Err(other),
    });
    for (index, outcome) in converge(session, changes)? {
        batch.settle(index, outcome);
    }
    Ok(())
}

/// One outcome for each of a set of payloads, by its number.
fn converge(session: &Session, changes: Vec<Change<'_>>) -> Result<Vec<(usize, Result<Applied>)>> {
    let mut outcomes = Vec::with_capacity(changes.len());
    let by_shop = shops::by_shop(session, changes)?;
    let unknown = by_shop.unknown.into_iter();
    outcomes.extend(unknown.map(|(index, error)| (index, Err(error))));
    for (shop, changes) in by_shop.known {
        converge_shop(session, &shop, changes, &mut outcomes)?;
    }
    Ok(outcomes)
}

/// The payloads of one shop.
fn converge_shop(
    session: &Session,
    shop: &str,
    changes: Vec<Change<'_>>,
    outcomes: &mut Vec<(usize, Result<Applied>)>,
) -> Result<()> {
    // Every lock on an order of the shop is taken here, at once and in order; later rounds look again, since a round may have
    // inserted what the next one changes.
    let mut found = Some(lookup::orders(session, shop, &changes)?);
    for round in rounds(changes) {
        let found = match found.take() {
            Some(found) => found,
            None => lookup::orders(session, shop, &round)?,
        };
        apply_round(session, shop, &found, &round, outcomes)?;
    }
    Ok(())
}

/// Splits a set so that no round has two payloads of one order, and earlier ones come in earlier rounds.
fn rounds(changes: Vec<Change<'_>>) -> Vec<Vec<Change<'_>>> {
    let mut seen: HashMap<i64, usize> = HashMap::with_capacity(changes.len());
    let mut rounds: Vec<Vec<Change<'_>>> = Vec::with_capacity(1);
    for change in changes {
        let nth = seen.entry(change.command.order.shopify_order_id).or_default();
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
    /// Of the existing row, or newly made.
    order_id: Id,
    /// Whose order it is as far as the row knows.
    known_customer: Option<Id>,
    /// Who bought, as the payload says.
    person: Option<Person>,
    said: Said,
    /// The row is of no known shop until now.
    is_anyones: bool,
    /// `None` when nobody here knows the order.
    before: Option<&'c State>,
    after: State,
    /// The fields this payload decides.
    take: Fields,
}

/// A buyer's row.
#[derive(Clone, Copy)]
struct Person {
    id: Id,
    /// Of a guest's order: by which e-mail it was matched.
    guest_key: Option<EmailKey>,
}

fn apply_round<'a>(
    session: &Session,
    shop: &str,
    found: &Orders,
    changes: &[Change<'a>],
    outcomes: &mut Vec<(usize, Result<Applied>)>,
) -> Result<()> {
    let mut plans: Vec<Plan<'_, 'a>> = Vec::with_capacity(changes.len());
    for change in changes {
        match found.met_by(change)? {
            Met::Nothing if change.command.must_exist => {
                outcomes.push((
                    change.index,
                    Err(not_here_yet(change.command.order.shopify_order_id)),
                ));
            }
            Met::Nothing => plans.push(plan(change, None)),
            Met::Order(known) => plans.push(plan(change, Some(known))),
            Met::Itself(known) => {
                let outcome = applied(change, Outcome::Unchanged, known.id, known.customer_id);
                outcomes.push((change.index, Ok(outcome)));
            }
        }
    }
    if plans.is_empty() {
        return Ok(());
    }
    let buyers = customers::resolve(session, shop, &mut plans)?;
    for plan in &mut plans {
        if plan.person.is_some() {
            plan.said.says |= fields::CUSTOMER_ID;
        }
        plan.take = fields::ORDER.hear(&mut plan.after, &plan.said);
    }
    let (known, new): (Vec<_>, Vec<_>) = plans.iter().partition(|plan| plan.before.is_some());
    let mut done = write::insert_new(session, shop, buyers.new, &new)?;
    done.extend(write::update_known(session, shop, &known)?);
    buyers.moves.finish(session)?;
    outcomes.extend(done.into_iter().map(|(plan, outcome)| {
        let customer = match plan.take & fields::CUSTOMER_ID {
            0 => plan.known_customer,
            _ => plan.person.map(|person| person.id),
        };
        let customer = customer.map(|id| buyers.moves.target_of(id));
        let applied = applied(plan.change, outcome, plan.order_id, customer);
        (plan.change.index, Ok(applied))
    }));
    Ok(())
}

fn plan<'c, 'a>(change: &'c Change<'a>, known: Option<&'c lookup::KnownOrder>) -> Plan<'c, 'a> {
    Plan {
        change,
        order_id: known.map_or_else(crate::db::ids::uuid_v7, |known| known.id),
        known_customer: known.and_then(|known| known.customer_id),
        person: None,
        said: said(change, known),
        is_anyones: known.is_some_and(|known| known.is_anyones),
        before: known.map(|known| &known.state),
        after: known.map_or_else(|| fields::ORDER.unknown(), |known| known.state.clone()),
        take: 0,
    }
}

/// What the payload says, its buyer apart. An address that says where to beats one that names the country alone, as apps
/// without access to customers' data get it, whichever is the newer.
fn said(change: &Change<'_>, known: Option<&lookup::KnownOrder>) -> Said {
    let mut said = Said {
        version: change.version(),
        says: fields::said_of_order(&change.command.order),
        blank: 0,
        outranks: 0,
    };
    let Some(known) = known else { return said };
    for (field, sent, known_has_street) in [
        (
            fields::SHIPPING_ADDRESS,
            change.command.order.shipping_address,
            known.shipping_has_street,
        ),
        (
            fields::BILLING_ADDRESS,
            change.command.order.billing_address,
            known.billing_has_street,
        ),
    ] {
        match sent.map(fields::has_street) {
            Some(false) if known_has_street => said.says &= !field,
            Some(true) if !known_has_street => said.outranks |= field,
            _ => {}
        }
    }
    said
}

fn applied(change: &Change<'_>, outcome: Outcome, order_id: Id, customer_id: Option<Id>) -> Applied {
    let order = &change.command.order;
    let (items, shopify_order_id) = (order.items.as_ref().map_or(0, Vec::len), order.shopify_order_id);
    Applied::new(outcome.as_str(), move || {
        let shown = |id: Id| pgrx::Uuid::from_bytes(id).to_string();
        json!({
            "order_id": shown(order_id),
            "customer_id": customer_id.map(shown),
            "items": items,
            "shopify_order_id": shopify_order_id,
        })
    })
}

fn not_here_yet(shopify_order_id: i64) -> Error {
    Error::MissingReference(format!("order.id: there is no order {shopify_order_id} here yet"))
}
