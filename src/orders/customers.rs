//! Who bought: found by Shopify's id, else by e-mail, else made.

use super::lookup::{EmailMatch, Found};
use super::{Id, Plan, PlanKind};
use crate::db::rowset::Column;
use crate::db::{Rowset, Session, Statement, ids};
use crate::error::Result;
use crate::providers::shopify_order::Customer;
use pgrx::pg_sys;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CStr;

const COLUMNS: &[Column] = &[
    (c"id", pg_sys::UUIDOID),
    (c"shopify_customer_id", pg_sys::INT8OID),
    (c"email", pg_sys::TEXTOID),
    (c"first_name", pg_sys::TEXTOID),
    (c"last_name", pg_sys::TEXTOID),
    (c"phone", pg_sys::TEXTOID),
    (c"accepts_marketing", pg_sys::BOOLOID),
    (c"version", pg_sys::TIMESTAMPTZOID),
];

thread_local! {
    static UPDATE: Statement = const { Statement::new(include_str!("../../sql/orders/update_customers.sql"), &[]) };
}

/// One person's data from the set: of several payloads the newest, field by field.
struct Record<'a> {
    customer: Customer<'a>,
    version: Option<i64>,
    is_new: bool,
}

impl<'a> Record<'a> {
    fn merge(&mut self, other: &Customer<'a>, version: Option<i64>) {
        let newer = version >= self.version;
        let (base, over) = if newer {
            (&self.customer, other)
        } else {
            (other, &self.customer)
        };
        self.customer = Customer {
            shopify_customer_id: over.shopify_customer_id.or(base.shopify_customer_id),
            email: over.email.or(base.email),
            first_name: over.first_name.or(base.first_name),
            last_name: over.last_name.or(base.last_name),
            phone: over.phone.or(base.phone),
            accepts_marketing: over.accepts_marketing.or(base.accepts_marketing),
        };
        self.version = self.version.max(version);
    }
}

/// Gives every plan its customer, and brings customers that are here up to what the payloads say about them. Returns
/// the rowset `new_customers`: those to insert.
pub fn resolve(session: &Session, found: &Found, plans: &mut [Plan<'_, '_>]) -> Result<Rowset> {
    let mut people = People::default();
    // Customers with an id come first: a guest of the same set may turn out to be one of them.
    for guests in [false, true] {
        for plan in plans.iter_mut() {
            let customer = &plan.change.order.customer;
            if customer.shopify_customer_id.is_none() == guests {
                let version = plan.change.order.version.map(|version| version.0);
                let person = people.place(found, customer, version);
                // An older payload does not move an order to another customer.
                plan.customer_id = match plan.kind {
                    PlanKind::Older => plan.customer_id.or(person),
                    PlanKind::New | PlanKind::Known => person.or(plan.customer_id),
                };
            }
        }
    }
    let mut known = people.rowset(c"known_customers", false);
    if !known.is_empty() {
        known.register(session)?;
        session.run(&UPDATE, vec![])?;
    }
    Ok(people.rowset(c"new_customers", true))
}

/// The people of one set, by row id (so that writes are always in the same order).
#[derive(Default)]
struct People<'a> {
    records: BTreeMap<Id, Record<'a>>,
    by_shopify_id: HashMap<i64, Id>,
    by_email: HashMap<String, Id>,
}

impl<'a> People<'a> {
    fn place(&mut self, found: &Found, customer: &Customer<'a>, version: Option<i64>) -> Option<Id> {
        let by_email = customer
            .email
            .and_then(|email| found.emails.get(email))
            .copied()
            .unwrap_or_default();
        let (id, is_new) = match (customer.shopify_customer_id, customer.email) {
            (Some(shopify_id), _) => self.customer(found, shopify_id, by_email),
            (None, None) => return None,
            // A guest order tells nothing new about somebody Shopify knows.
            (None, Some(_)) if by_email.customer.is_some() => return by_email.customer,
            (None, Some(email)) if self.is_customer(email) => {
                return self.by_email.get(&email.to_lowercase()).copied();
            }
            (None, Some(email)) => self.guest(email, by_email),
        };
        if let Some(email) = customer.email {
            self.by_email.entry(email.to_lowercase()).or_insert(id);
        }
        self.records
            .entry(id)
            .and_modify(|record| record.merge(customer, version))
            .or_insert_with(|| Record {
                customer: customer.clone(),
                version,
                is_new,
            });
        Some(id)
    }

    /// Row and whether it must be made: Shopify's customer, else a guest with the same address, who is adopted.
    fn customer(&mut self, found: &Found, shopify_id: i64, by_email: EmailMatch) -> (Id, bool) {
        if let Some(id) = self.by_shopify_id.get(&shopify_id) {
            return (*id, self.is_new(id));
        }
        let adoptable = by_email.guest.filter(|id| !self.records.contains_key(id));
        let known = found.customers.get(&shopify_id).copied().or(adoptable);
        let (id, is_new) = known.map_or_else(|| (ids::uuid_v7(), true), |id| (id, false));
        self.by_shopify_id.insert(shopify_id, id);
        (id, is_new)
    }

    fn guest(&self, email: &str, by_email: EmailMatch) -> (Id, bool) {
        if let Some(id) = self.by_email.get(&email.to_lowercase()) {
            return (*id, self.is_new(id));
        }
        by_email
            .guest
            .map_or_else(|| (ids::uuid_v7(), true), |id| (id, false))
    }

    /// Whether somebody Shopify knows has this address in the set.
    fn is_customer(&self, email: &str) -> bool {
        let known = self
            .by_email
            .get(&email.to_lowercase())
            .and_then(|id| self.records.get(id));
        known.is_some_and(|record| record.customer.shopify_customer_id.is_some())
    }

    fn is_new(&self, id: &Id) -> bool {
        self.records.get(id).is_some_and(|record| record.is_new)
    }

    /// The records that are new, or those that are not.
    fn rowset(&self, name: &'static CStr, is_new: bool) -> Rowset {
        let records = self.records.iter().filter(|(_, record)| record.is_new == is_new);
        let mut rows = Rowset::new(name, COLUMNS);
        for (
            id,
            Record {
                customer, version, ..
            },
        ) in records
        {
            rows.uuid(*id)
                .int8(customer.shopify_customer_id)
                .text(customer.email);
            rows.text(customer.first_name)
                .text(customer.last_name)
                .text(customer.phone);
            rows.boolean(customer.accepts_marketing)
                .timestamp(*version)
                .end_row();
        }
        rows
    }
}
