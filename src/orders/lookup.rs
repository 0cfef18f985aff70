//! What a set of payloads meets: one statement.

use super::{Change, Id};
use crate::db::{Rowset, Session, Statement};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::HashMap;

/// An order that is here.
pub struct KnownOrder {
    pub id: Id,
    /// Microseconds since 2000.
    pub version: Option<i64>,
    pub customer_id: Option<Id>,
}

/// Somebody whose e-mail a guest uses.
#[derive(Clone, Copy)]
pub struct EmailMatch {
    pub id: Id,
    pub is_guest: bool,
}

/// Keyed by the payload's position in the set.
#[derive(Default)]
pub struct Found {
    pub orders: HashMap<usize, KnownOrder>,
    pub customers: HashMap<usize, Id>,
    pub adoptable_guests: HashMap<usize, Id>,
    pub by_email: HashMap<usize, EmailMatch>,
}

thread_local! {
    static LOOKUP: Statement = const { Statement::new(include_str!("../../sql/orders/lookup.sql"), &[]) };
}

pub fn find(session: &Session, changes: &[Change<'_>]) -> Result<Found> {
    let mut rows = Rowset::new(
        c"incoming",
        &[
            (c"ordinal", pg_sys::INT4OID),
            (c"shopify_order_id", pg_sys::INT8OID),
            (c"shopify_customer_id", pg_sys::INT8OID),
            (c"email", pg_sys::TEXTOID),
        ],
    );
    for (ordinal, change) in changes.iter().enumerate() {
        let customer = &change.order.customer;
        rows.int4(Some(ordinal as i32))
            .int8(Some(change.order.shopify_order_id));
        rows.int8(customer.shopify_customer_id)
            .text(customer.email)
            .end_row();
    }
    rows.register(session)?;

    let mut found = Found::default();
    session.run(&LOOKUP, vec![])?.map(|row| {
        let ordinal = row.int4(2).unwrap_or_default() as usize;
        let id = row.uuid(3).unwrap_or_default();
        match row.text(1).as_deref() {
            Some("o") => {
                let known = KnownOrder {
                    id,
                    version: row.timestamp(4),
                    customer_id: row.uuid(5),
                };
                found.orders.insert(ordinal, known);
            }
            Some("c") => {
                found.customers.insert(ordinal, id);
            }
            Some("g") => {
                found.adoptable_guests.insert(ordinal, id);
            }
            _ => prefer(
                &mut found.by_email,
                ordinal,
                EmailMatch {
                    id,
                    is_guest: row.int8(6).is_none(),
                },
            ),
        }
    });
    Ok(found)
}

/// Of several people with one e-mail: one Shopify knows before a guest, then the older row, so that every payload
/// of that guest comes to the same.
fn prefer(matches: &mut HashMap<usize, EmailMatch>, ordinal: usize, candidate: EmailMatch) {
    let rank = |m: &EmailMatch| (m.is_guest, m.id);
    let best = matches.entry(ordinal).or_insert(candidate);
    if rank(&candidate) < rank(best) {
        *best = candidate;
    }
}
