//! What a set of payloads meets: its orders and their items, its customers, and who else has an e-mail of theirs.

use super::fields::{CUSTOMER, ITEM, ORDER};
use super::{Change, Id};
use crate::convergence::columns::{state, version};
use crate::convergence::{State, Version};
use crate::db::statement::Row;
use crate::db::{Session, Statement, Value};
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::collections::HashMap;

/// SHA-256 of an e-mail in lower case: what e-mails are looked up by, however long they are.
pub type EmailKey = [u8; 32];

/// An order that is here.
pub struct KnownOrder {
    pub id: Id,
    pub customer_id: Option<Id>,
    pub state: State,
    /// Whether they say where to, not only which country.
    pub shipping_has_street: bool,
    pub billing_has_street: bool,
}

/// An order that is here and holds all the payload says.
pub struct Unchanged {
    pub id: Id,
    pub customer_id: Option<Id>,
    version: Version,
}

/// The orders of a set, by Shopify's id.
#[derive(Default)]
pub struct Orders {
    /// All that are here.
    seen: HashMap<i64, Unchanged>,
    /// Those that a payload of the set may change: locked, so that what is read of them is true until commit.
    locked: HashMap<i64, KnownOrder>,
}

/// What a payload meets.
pub enum Met<'f> {
    Nothing,
    /// It was applied before.
    Itself(&'f Unchanged),
    Order(&'f KnownOrder),
}

/// An item that is here.
pub struct KnownItem {
    pub id: Id,
    pub shopify_line_item_id: i64,
    /// Its version is the list's, which the caller knows.
    pub state: State,
}

/// A customer or guest that is here, locked.
pub struct KnownCustomer {
    pub id: Id,
    pub shopify_customer_id: Option<i64>,
    pub email: Option<String>,
    pub state: State,
}

/// Who is here under an e-mail.
#[derive(Clone, Default)]
pub struct EmailMatch {
    pub key: EmailKey,
    /// Of those Shopify knows who have it or had it once, the one it has known longest: id there and here.
    pub claimant: Option<(i64, Id)>,
    /// Somebody it does not know (yet).
    pub guest: Option<Id>,
}

thread_local! {
    static LOCK: Statement = const { Statement::new(
        include_str!("../../sql/orders/lock_orders.sql"), &[pg_sys::INT8ARRAYOID]) };
    static ORDERS: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_orders.sql"), &[pg_sys::INT8ARRAYOID]) };
    static ITEMS: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_items.sql"), &[pg_sys::UUIDARRAYOID]) };
    static CUSTOMERS: Statement = const { Statement::new(
        include_str!("../../sql/orders/lock_customers.sql"), &[pg_sys::INT8ARRAYOID]) };
    static GUESTS: Statement = const { Statement::new(
        include_str!("../../sql/orders/lock_guests.sql"), &[pg_sys::UUIDARRAYOID]) };
    static BY_EMAIL: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_by_email.sql"), &[pg_sys::TEXTARRAYOID]) };
}

/// Looks the orders of these payloads up, and locks those that may change, in the order of Shopify's ids.
pub fn orders(session: &Session, changes: &[Change<'_>]) -> Result<Orders> {
    let ids = changes.iter().map(|change| change.command.order.shopify_order_id);
    let rows = session
        .execute(&ORDERS, vec![Value::Int8Array(ids.collect())])?
        .map(|row| {
            let seen = Unchanged {
                id: row.uuid(2).unwrap_or_default(),
                customer_id: row.uuid(3),
                version: version(row, 4),
            };
            (row.int8(1).unwrap_or_default(), seen)
        });
    let mut found = Orders {
        seen: rows.into_iter().collect(),
        ..Orders::default()
    };
    let contested: Vec<i64> = changes
        .iter()
        .filter(|change| {
            let known = found.seen.get(&change.command.order.shopify_order_id);
            known.is_some_and(|known| !holds(known.version, change))
        })
        .map(|change| change.command.order.shopify_order_id)
        .collect();
    if !contested.is_empty() {
        let rows = session.execute(&LOCK, vec![Value::Int8Array(contested)])?;
        found.locked = rows.map(known_order).into_iter().collect();
    }
    Ok(found)
}

impl Orders {
    /// # Errors
    /// [`Error::Raced`] when somebody has just deleted the order.
    pub fn met_by(&self, change: &Change<'_>) -> Result<Met<'_>> {
        let id = change.command.order.shopify_order_id;
        let Some(seen) = self.seen.get(&id) else {
            return Ok(Met::Nothing);
        };
        if holds(seen.version, change) {
            return Ok(Met::Itself(seen));
        }
        self.locked
            .get(&id)
            .map(Met::Order)
            .ok_or(Error::Raced("the order"))
    }
}

/// Whether the payload applied last to a row is this one, and was not triggered again since.
fn holds(version: Version, change: &Change<'_>) -> bool {
    let sent = change.version();
    version.hash == sent.hash && version >= sent
}

fn known_order(row: Row) -> (i64, KnownOrder) {
    let order = KnownOrder {
        id: row.uuid(2).unwrap_or_default(),
        customer_id: row.uuid(3),
        state: state(row, &ORDER, version(row, 4), 7),
        shipping_has_street: row.boolean(9).unwrap_or(false),
        billing_has_street: row.boolean(10).unwrap_or(false),
    };
    (row.int8(1).unwrap_or_default(), order)
}

/// The items of orders that are locked, by order.
pub fn items(session: &Session, orders: Vec<Id>) -> Result<HashMap<Id, Vec<KnownItem>>> {
    let mut items: HashMap<Id, Vec<KnownItem>> = HashMap::with_capacity(orders.len());
    if orders.is_empty() {
        return Ok(items);
    }
    let rows = session.execute(&ITEMS, vec![Value::UuidArray(orders)])?;
    for (order, item) in rows.map(|row| {
        let item = KnownItem {
            id: row.uuid(2).unwrap_or_default(),
            shopify_line_item_id: row.int8(3).unwrap_or_default(),
            state: state(row, &ITEM, Version::NEVER, 4),
        };
        (row.uuid(1).unwrap_or_default(), item)
    }) {
        items.entry(order).or_default().push(item);
    }
    Ok(items)
}

fn known_customer(row: Row) -> KnownCustomer {
    KnownCustomer {
        id: row.uuid(1).unwrap_or_default(),
        shopify_customer_id: row.int8(2),
        email: row.text(3),
        state: state(row, &CUSTOMER, version(row, 4), 7),
    }
}

/// Locks the customers with these ids of Shopify's.
pub fn customers(session: &Session, ids: Vec<i64>) -> Result<HashMap<i64, KnownCustomer>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session.execute(&CUSTOMERS, vec![Value::Int8Array(ids)])?;
    let customers = rows.map(known_customer).into_iter();
    Ok(customers
        .filter_map(|customer| Some((customer.shopify_customer_id?, customer)))
        .collect())
}

/// Locks guests, by their ids here.
///
/// # Errors
/// [`Error::Raced`] when one of them is gone, or no guest any more.
pub fn guests(session: &Session, ids: Vec<Id>) -> Result<HashMap<Id, KnownCustomer>> {
    let count = ids.len();
    if count == 0 {
        return Ok(HashMap::new());
    }
    let rows = session.execute(&GUESTS, vec![Value::UuidArray(ids)])?;
    let guests = rows.map(known_customer).into_iter();
    let guests: HashMap<Id, KnownCustomer> = guests
        .filter(|guest| guest.shopify_customer_id.is_none())
        .map(|guest| (guest.id, guest))
        .collect();
    match guests.len() == count {
        true => Ok(guests),
        false => Err(Error::Raced("the guest")),
    }
}

/// Who is here under each of these e-mails, which are all different.
pub fn by_email<'e>(session: &Session, emails: &[&'e str]) -> Result<HashMap<&'e str, EmailMatch>> {
    let mut matches: HashMap<&str, EmailMatch> = HashMap::with_capacity(emails.len());
    if emails.is_empty() {
        return Ok(matches);
    }
    let rows = session.execute(&BY_EMAIL, vec![Value::TextArray(emails.to_vec())])?;
    let rows = rows.map(|row| {
        let position = row.int4(1).unwrap_or(1) as usize - 1;
        let key = row.bytes(2).and_then(|key| EmailKey::try_from(key).ok());
        (position, key.unwrap_or_default(), row.uuid(3), row.int8(4))
    });
    for (position, key, id, shopify_customer_id) in rows {
        let Some(email) = emails.get(position) else {
            continue;
        };
        let found = matches.entry(*email).or_default();
        found.key = key;
        match (id, shopify_customer_id) {
            (Some(id), Some(shopify_id)) => {
                let claimant = (shopify_id, id);
                found.claimant = Some(found.claimant.map_or(claimant, |other| other.min(claimant)));
            }
            (Some(id), None) => found.guest = Some(id),
            (None, _) => {}
        }
    }
    Ok(matches)
}
