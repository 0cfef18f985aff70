//! What a set of payloads meets: its orders and their items, its customers, and who else has an e-mail of theirs.

use super::fields::{CUSTOMER, ITEM, ORDER, has_street};
use super::{Change, Id};
use crate::convergence::columns::{state, version};
use crate::convergence::{State, Version};
use crate::db::{Jsonb, Session, result_row, statements};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use std::collections::HashMap;

/// SHA-256 of an e-mail in lower case: what e-mails are looked up by, however long they are.
pub type EmailKey = [u8; 32];

/// An order that is here.
pub struct KnownOrder {
    pub id: Id,
    pub customer_id: Option<Id>,
    pub state: State,
    /// It is of no known shop, and becomes that of the shop whose payload meets it.
    pub is_anyones: bool,
    /// Whether they say where to, not only which country.
    pub shipping_has_street: bool,
    pub billing_has_street: bool,
}

/// An order that is here and holds all the payload says.
pub struct Unchanged {
    pub id: Id,
    pub customer_id: Option<Id>,
    version: Version,
    is_anyones: bool,
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

statements! {
    execute find_orders(shop: &str, ids: Vec<i64>) -> OrderSeen = file "orders/find_orders.sql";
    execute lock_orders(shop: &str, ids: Vec<i64>) -> OrderLocked<'s> = file "orders/lock_orders.sql";
    execute find_items(orders: Vec<Id>) -> ItemFound<'s> = file "orders/find_items.sql";
    execute lock_customers(shop: &str, ids: Vec<i64>) -> CustomerLocked<'s> = file "orders/lock_customers.sql";
    execute lock_guests(ids: Vec<Id>) -> CustomerLocked<'s> = file "orders/lock_guests.sql";
    execute find_by_email(shop: &str, emails: Vec<&str>) -> EmailFound = file "orders/find_by_email.sql";
    /// One entry of idx_customers_of_no_shop is read, whatever the planner believes; exists() might read the table.
    execute find_of_no_shop() -> bool = text
        "select true as is_here from raw_ops.customers where shop_domain = '' order by created_at limit 1";
    execute take_customers_over(shop: &str, ids: Vec<i64>, emails: Vec<&str>, orders: Vec<Id>) -> Id
        = file "orders/take_over.sql";
}

result_row! {
    struct OrderSeen {
        shopify_order_id: i64,
        shop_domain: String,
        id: Id,
        customer_id: Option<Id>,
        shopify_updated_at: Option<Timestamp>,
        shopify_triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
    }
}

result_row! {
    struct OrderLocked<'s> {
        shopify_order_id: i64,
        shop_domain: String,
        id: Id,
        customer_id: Option<Id>,
        shopify_updated_at: Option<Timestamp>,
        shopify_triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
        blank: i32,
        field_versions: Option<Jsonb<'s>>,
        shipping_address: Option<Jsonb<'s>>,
        billing_address: Option<Jsonb<'s>>,
    }
}

result_row! {
    struct ItemFound<'s> {
        order_id: Id,
        id: Id,
        shopify_line_item_id: i64,
        blank: i32,
        field_versions: Option<Jsonb<'s>>,
    }
}

result_row! {
    struct CustomerLocked<'s> {
        id: Id,
        shopify_customer_id: Option<i64>,
        email: Option<String>,
        shopify_updated_at: Option<Timestamp>,
        shopify_triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
        blank: i32,
        field_versions: Option<Jsonb<'s>>,
    }
}

result_row! {
    struct EmailFound {
        position: i32,
        key: Vec<u8>,
        id: Option<Id>,
        shopify_customer_id: Option<i64>,
    }
}

/// Looks the orders of these payloads of one shop up, and locks those that may change, in the order of Shopify's ids.
pub fn orders(session: &Session, shop: &str, changes: &[Change<'_>]) -> Result<Orders> {
    let ids = changes.iter().map(|change| change.command.order.shopify_order_id);
    let rows = find_orders(session, shop, ids.collect())?.map(|row| {
        let seen = Unchanged {
            id: row.id,
            customer_id: row.customer_id,
            version: version(row.shopify_updated_at, row.shopify_triggered_at, row.payload_hash),
            is_anyones: row.shop_domain != shop,
        };
        (row.shopify_order_id, seen)
    })?;
    let mut found = Orders {
        seen: rows.into_iter().collect(),
        ..Orders::default()
    };
    let contested: Vec<i64> = changes
        .iter()
        .filter(|change| {
            let known = found.seen.get(&change.command.order.shopify_order_id);
            known.is_some_and(|known| !known.holds(change))
        })
        .map(|change| change.command.order.shopify_order_id)
        .collect();
    if !contested.is_empty() {
        let rows = lock_orders(session, shop, contested)?.map(|row| known_order(row, shop))?;
        found.locked = rows.into_iter().collect();
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
        if seen.holds(change) {
            return Ok(Met::Itself(seen));
        }
        self.locked
            .get(&id)
            .map(Met::Order)
            .ok_or(Error::Raced("the order"))
    }
}

impl Unchanged {
    /// Whether the payload applied last to the row is this one, was not triggered again since, and leaves it to its shop.
    fn holds(&self, change: &Change<'_>) -> bool {
        let sent = change.version();
        !self.is_anyones && self.version.hash == sent.hash && self.version >= sent
    }
}

fn known_order(row: OrderLocked<'_>, shop: &str) -> (i64, KnownOrder) {
    let version = version(row.shopify_updated_at, row.shopify_triggered_at, row.payload_hash);
    let order = KnownOrder {
        id: row.id,
        customer_id: row.customer_id,
        state: state(&ORDER, version, row.blank, row.field_versions),
        is_anyones: row.shop_domain != shop,
        shipping_has_street: row.shipping_address.is_some_and(has_street),
        billing_has_street: row.billing_address.is_some_and(has_street),
    };
    (row.shopify_order_id, order)
}

/// The items of orders that are locked, by order.
pub fn items(session: &Session, orders: Vec<Id>) -> Result<HashMap<Id, Vec<KnownItem>>> {
    let mut items: HashMap<Id, Vec<KnownItem>> = HashMap::with_capacity(orders.len());
    if orders.is_empty() {
        return Ok(items);
    }
    for row in find_items(session, orders)?.all()? {
        items.entry(row.order_id).or_default().push(KnownItem {
            id: row.id,
            shopify_line_item_id: row.shopify_line_item_id,
            state: state(&ITEM, Version::NEVER, row.blank, row.field_versions),
        });
    }
    Ok(items)
}

fn known_customer(row: CustomerLocked<'_>) -> KnownCustomer {
    let version = version(row.shopify_updated_at, row.shopify_triggered_at, row.payload_hash);
    KnownCustomer {
        id: row.id,
        shopify_customer_id: row.shopify_customer_id,
        email: row.email,
        state: state(&CUSTOMER, version, row.blank, row.field_versions),
    }
}

/// Locks the customers of a shop with these ids of Shopify's.
pub fn customers(session: &Session, shop: &str, ids: Vec<i64>) -> Result<HashMap<i64, KnownCustomer>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let customers = lock_customers(session, shop, ids)?
        .map(known_customer)?
        .into_iter();
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
    let guests = lock_guests(session, ids)?.map(known_customer)?.into_iter();
    let guests: HashMap<Id, KnownCustomer> = guests
        .filter(|guest| guest.shopify_customer_id.is_none())
        .map(|guest| (guest.id, guest))
        .collect();
    match guests.len() == count {
        true => Ok(guests),
        false => Err(Error::Raced("the guest")),
    }
}

/// Who is in a shop under each of these e-mails, which are all different.
pub fn by_email<'e>(
    session: &Session,
    shop: &str,
    emails: &[&'e str],
) -> Result<HashMap<&'e str, EmailMatch>> {
    let mut matches: HashMap<&str, EmailMatch> = HashMap::with_capacity(emails.len());
    if emails.is_empty() {
        return Ok(matches);
    }
    for row in find_by_email(session, shop, emails.to_vec())?.all()? {
        let position = usize::try_from(row.position - 1).unwrap_or(usize::MAX);
        let Some(email) = emails.get(position) else {
            continue;
        };
        let found = matches.entry(*email).or_default();
        found.key = EmailKey::try_from(row.key).unwrap_or_default();
        match (row.id, row.shopify_customer_id) {
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

/// Whether anybody is of no known shop.
pub fn is_anyone_of_no_shop(session: &Session) -> Result<bool> {
    Ok(find_of_no_shop(session)?.first()? == Some(true))
}

/// Gives the only shop there is those customers of no known shop whom Shopify's ids, e-mails or orders mean. Returns how many.
pub fn take_over(
    session: &Session,
    shop: &str,
    ids: Vec<i64>,
    emails: Vec<&str>,
    orders: Vec<Id>,
) -> Result<usize> {
    Ok(take_customers_over(session, shop, ids, emails, orders)?
        .all()?
        .len())
}
