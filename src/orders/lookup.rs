//! What a set of payloads meets: its orders, its customers, and who else has an e-mail of theirs.

use super::{Change, Id};
use crate::db::{Session, Statement, Value};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::HashMap;

/// An order that is here.
pub struct KnownOrder {
    pub id: Id,
    /// Microseconds since 2000.
    pub version: Option<i64>,
    pub customer_id: Option<Id>,
    /// Of the payload applied last.
    pub payload_hash: Option<i64>,
}

/// Who is here under an e-mail.
#[derive(Clone, Copy, Default)]
pub struct EmailMatch {
    /// Somebody Shopify knows.
    pub customer: Option<Id>,
    /// Somebody it does not (yet).
    pub guest: Option<Id>,
}

/// What is here.
#[derive(Default)]
pub struct Found {
    /// By Shopify's order id.
    pub orders: HashMap<i64, KnownOrder>,
    /// By Shopify's customer id.
    pub customers: HashMap<i64, Id>,
    /// By the address as the payload writes it; asked for only where Shopify's id does not lead to a row.
    pub emails: HashMap<String, EmailMatch>,
}

thread_local! {
    static LOCK: Statement = const { Statement::new(
        include_str!("../../sql/orders/lock_orders.sql"), &[pg_sys::INT8ARRAYOID]) };
    static ORDERS: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_orders.sql"), &[pg_sys::INT8ARRAYOID]) };
    static CUSTOMERS: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_customers.sql"), &[pg_sys::INT8ARRAYOID]) };
    static BY_EMAIL: Statement = const { Statement::new(
        include_str!("../../sql/orders/find_by_email.sql"), &[pg_sys::TEXTARRAYOID]) };
}

/// The orders of these payloads.
pub fn find_orders(session: &Session, changes: &[Change<'_>]) -> Result<Found> {
    let ids = changes
        .iter()
        .map(|change| change.order.shopify_order_id)
        .collect();
    let rows = session.run(&ORDERS, vec![Value::Int8Array(ids)])?.map(|row| {
        let known = KnownOrder {
            id: row.uuid(2).unwrap_or_default(),
            version: row.timestamp(3),
            customer_id: row.uuid(4),
            payload_hash: row.int8(5),
        };
        (row.int8(1).unwrap_or_default(), known)
    });
    Ok(Found {
        orders: rows.into_iter().collect(),
        ..Found::default()
    })
}

/// The same, once rows that may change are locked: what they say is then true until commit.
pub fn lock_orders(session: &Session, changes: &[Change<'_>]) -> Result<Found> {
    let found = find_orders(session, changes)?;
    let contested: Vec<i64> = changes
        .iter()
        .filter(|change| {
            let known = found.orders.get(&change.order.shopify_order_id);
            known.is_some_and(|known| known.payload_hash != Some(change.payload_hash))
        })
        .map(|change| change.order.shopify_order_id)
        .collect();
    if contested.is_empty() {
        return Ok(found);
    }
    session.run(&LOCK, vec![Value::Int8Array(contested)])?;
    find_orders(session, changes)
}

/// The buyers of these payloads.
pub fn find_buyers<'c, 'a: 'c>(
    session: &Session,
    found: &mut Found,
    changes: impl Iterator<Item = &'c Change<'a>> + Clone,
) -> Result<()> {
    let ids: Vec<i64> = changes
        .clone()
        .filter_map(|change| change.order.customer.shopify_customer_id)
        .collect();
    if !ids.is_empty() {
        let rows = session.run(&CUSTOMERS, vec![Value::Int8Array(ids)])?;
        let rows = rows.map(|row| (row.int8(1).unwrap_or_default(), row.uuid(2).unwrap_or_default()));
        found.customers = rows.into_iter().collect();
    }
    let emails: Vec<&str> = changes
        .map(|change| &change.order.customer)
        .filter(|buyer| {
            buyer
                .shopify_customer_id
                .is_none_or(|id| !found.customers.contains_key(&id))
        })
        .filter_map(|buyer| buyer.email)
        .collect();
    if emails.is_empty() {
        return Ok(());
    }
    let rows = session
        .run(&BY_EMAIL, vec![Value::TextArray(emails.clone())])?
        .map(|row| {
            let position = row.int4(1).unwrap_or(1) as usize;
            (
                position - 1,
                row.uuid(2).unwrap_or_default(),
                row.int8(3).is_some(),
            )
        });
    for (position, id, is_customer) in rows {
        let Some(email) = emails.get(position) else {
            continue;
        };
        let known = found.emails.entry((*email).to_owned()).or_default();
        let slot = if is_customer {
            &mut known.customer
        } else {
            &mut known.guest
        };
        // Of several people with one address always the same one: the oldest row.
        *slot = Some(slot.map_or(id, |other| other.min(id)));
    }
    Ok(())
}
