//! Who bought: found by Shopify's id, else by e-mail, else made.
//!
//! A guest's order belongs to the customer who has, or ever had, its e-mail, as far as Shopify has told; of several to the
//! one Shopify knows longest (the least id). While there is none, it belongs to a guest, one an e-mail. What guests'
//! orders say of a person counts only while that is a guest. So it makes no difference who was heard of first.

use super::fields::{CUSTOMER, said_of_customer};
use super::find_customers::Found;
use super::lookup::{self, EmailKey, EmailMatch, KnownCustomer};
use super::moves::Moves;
use super::{Change, Id, Person, Plan};
use crate::convergence::{Fields, Said, State};
use crate::db::{Session, TypedRowset, ids, rowset_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::providers::shopify::order::Customer;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

rowset_row! {
    /// What payloads say of a customer. Bit n of `take` is the n-th name of [`CUSTOMER`].
    pub struct CustomerRow<'a> {
        id: Id,
        shopify_customer_id: Option<i64>,
        email: Option<&'a str>,
        first_name: Option<&'a str>,
        last_name: Option<&'a str>,
        phone: Option<&'a str>,
        accepts_marketing: Option<bool>,
        version: Option<Timestamp>,
        triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
        field_versions: Option<Json>,
        take: i32,
    }
}

type Customers<'s> = TypedRowset<'s, CustomerRow<'static>>;

statements! {
    execute update_customers() with (known_customers: CustomerRow<'static>) = file "orders/update_customers.sql";
}

/// The buyers of a set.
pub struct Buyers<'s> {
    /// Those to insert.
    pub new: Customers<'s>,
    /// What is to be done once the orders are written.
    pub moves: Moves,
}

/// Gives every plan its buyer, and brings customers that are here up to what the payloads say about them.
pub fn resolve<'s>(session: &'s Session, shop: &str, plans: &mut [Plan<'_, '_>]) -> Result<Buyers<'s>> {
    let mut people = People::look(session, shop, plans)?;
    for plan in plans.iter_mut() {
        plan.person = people.place(plan.change);
    }
    let mut known = people.rowset(session, false)?;
    if !known.is_empty() {
        update_customers(session, &mut known)?;
    }
    Ok(Buyers {
        new: people.rowset(session, true)?,
        moves: people.moves,
    })
}

/// One person of the set.
struct Record<'a> {
    is_new: bool,
    shopify_customer_id: Option<i64>,
    state: State,
    take: Fields,
    is_other: bool,
    values: Customer<'a>,
}

impl<'a> Record<'a> {
    fn new(shopify_customer_id: Option<i64>) -> Self {
        Self {
            is_new: true,
            shopify_customer_id,
            state: CUSTOMER.unknown(),
            take: 0,
            is_other: true,
            values: Customer::default(),
        }
    }

    fn known(known: KnownCustomer) -> Self {
        Self {
            is_new: false,
            shopify_customer_id: known.shopify_customer_id,
            state: known.state,
            take: 0,
            is_other: false,
            values: Customer::default(),
        }
    }

    /// A guest's row becomes a customer's: nothing the guest said counts any more.
    fn adopting(shopify_customer_id: i64) -> Self {
        Self {
            is_new: false,
            take: CUSTOMER.all(),
            ..Self::new(Some(shopify_customer_id))
        }
    }

    fn hear(&mut self, change: &Change<'a>) {
        let customer = &change.command.order.customer;
        let before = self.state.clone();
        let take = CUSTOMER.hear(
            &mut self.state,
            &Said {
                version: change.version(),
                says: said_of_customer(customer),
                blank: 0,
                outranks: 0,
            },
        );
        self.take |= take;
        self.is_other |= take != 0 || self.state != before;
        let takes = |field: usize| take & (1 << field) != 0;
        if takes(0) {
            self.values.email = customer.email;
        }
        if takes(1) {
            self.values.first_name = customer.first_name;
        }
        if takes(2) {
            self.values.last_name = customer.last_name;
        }
        if takes(3) {
            self.values.phone = customer.phone;
        }
        if takes(4) {
            self.values.accepts_marketing = customer.accepts_marketing;
        }
    }
}

/// The people of one set, by row id (so that writes are always in the same order).
#[derive(Default)]
struct People<'a> {
    records: BTreeMap<Id, Record<'a>>,
    by_shopify_id: HashMap<i64, Id>,
    /// By the address as the payload writes it.
    emails: HashMap<&'a str, EmailMatch>,
    /// Whose the orders of guests with this e-mail are.
    claimants: HashMap<EmailKey, Id>,
    /// Rows of guests, by their e-mail.
    guests: HashMap<EmailKey, Id>,
    moves: Moves,
}

impl<'a> People<'a> {
    /// Looks up and locks who these payloads are about, and settles whose each e-mail is.
    fn look(session: &Session, shop: &str, plans: &[Plan<'_, 'a>]) -> Result<Self> {
        let ids = plans
            .iter()
            .filter_map(|plan| plan.change.command.order.customer.shopify_customer_id)
            .collect();
        let Found {
            known,
            claims,
            emails,
        } = Found::look(session, shop, plans, &ids)?;
        let guests: BTreeSet<Id> = emails.values().filter_map(|found| found.guest).collect();
        let guests = lookup::guests(session, guests.into_iter().collect())?;

        let mut people = Self {
            emails,
            ..Self::default()
        };
        people.settle(known, guests, &ids, &claims);
        Ok(people)
    }

    /// Gives each customer of the set a row, and each e-mail of the set to its claimant.
    fn settle(
        &mut self,
        known: HashMap<i64, KnownCustomer>,
        mut guests: HashMap<Id, KnownCustomer>,
        ids: &BTreeSet<i64>,
        claims: &BTreeSet<(i64, &'a str)>,
    ) {
        let found = self.emails.values();
        self.guests
            .extend(found.clone().filter_map(|found| Some((found.key, found.guest?))));
        // Whose each e-mail was before this set, and is now.
        let before: HashMap<EmailKey, (i64, Id)> = found
            .filter_map(|found| Some((found.key, found.claimant?)))
            .collect();
        let mut now: HashMap<EmailKey, i64> = before.iter().map(|(key, (id, _))| (*key, *id)).collect();
        for (id, email) in claims {
            if let Some(found) = self.emails.get(email) {
                now.entry(found.key)
                    .and_modify(|claimant| *claimant = (*claimant).min(*id))
                    .or_insert(*id);
            }
        }
        let adopted = self.give_rows(known, &mut guests, ids, claims, &now);
        self.give_emails(&mut guests, &adopted, &before, now);
        self.records
            .extend(guests.into_iter().map(|(id, guest)| (id, Record::known(guest))));
    }

    /// Gives each customer the row that is theirs, a guest's that turns out to be theirs, or a new one. Returns the guests' rows
    /// that became customers'.
    fn give_rows(
        &mut self,
        mut known: HashMap<i64, KnownCustomer>,
        guests: &mut HashMap<Id, KnownCustomer>,
        ids: &BTreeSet<i64>,
        claims: &BTreeSet<(i64, &'a str)>,
        now: &HashMap<EmailKey, i64>,
    ) -> HashSet<Id> {
        let mut adopted: HashSet<Id> = HashSet::new();
        for id in ids {
            let claimed = claims
                .range((*id, "")..)
                .take_while(|(claimant, _)| claimant == id)
                .map(|(_, email)| *email);
            let former = known.get(id).and_then(|row| row.email.clone());
            let row = match known.remove(id) {
                Some(row) => (row.id, Record::known(row)),
                None => {
                    let mut keys = claimed
                        .clone()
                        .filter_map(|email| Some(self.emails.get(email)?.key));
                    let guest = keys
                        .find_map(|key| self.guests.get(&key).filter(|_| now.get(&key) == Some(id)))
                        .filter(|guest| !adopted.contains(*guest));
                    match guest {
                        Some(guest) => (*guest, Record::adopting(*id)),
                        None => (ids::uuid_v7(), Record::new(Some(*id))),
                    }
                }
            };
            if !row.1.is_new && guests.remove(&row.0).is_some() {
                adopted.insert(row.0);
            }
            self.by_shopify_id.insert(*id, row.0);
            self.moves.claimed(row.0, former, claimed);
            self.records.insert(row.0, row.1);
        }
        adopted
    }

    /// Gives each e-mail to the row of its claimant, with the orders of those who had it before.
    fn give_emails(
        &mut self,
        guests: &mut HashMap<Id, KnownCustomer>,
        adopted: &HashSet<Id>,
        before: &HashMap<EmailKey, (i64, Id)>,
        now: HashMap<EmailKey, i64>,
    ) {
        for (key, id) in now {
            let row = match before.get(&key) {
                Some((before, row)) if *before == id => *row,
                _ => self.by_shopify_id.get(&id).copied().unwrap_or_default(),
            };
            self.claimants.insert(key, row);
            if let Some((_, before)) = before.get(&key).filter(|(_, before)| *before != row) {
                self.moves.guests_orders(*before, key, row);
            }
            if let Some(guest) = self.guests.get(&key).filter(|guest| !adopted.contains(*guest)) {
                guests.remove(guest);
                self.moves.whole_guest(*guest, row);
            }
        }
    }

    /// The buyer of an order.
    fn place(&mut self, change: &Change<'a>) -> Option<Person> {
        let buyer = &change.command.order.customer;
        if let Some(shopify_id) = buyer.shopify_customer_id {
            let id = *self.by_shopify_id.get(&shopify_id)?;
            self.records.get_mut(&id)?.hear(change);
            return Some(Person { id, guest_key: None });
        }
        let key = self.emails.get(buyer.email?)?.key;
        let guest_key = Some(key);
        if let Some(id) = self.claimants.get(&key) {
            return Some(Person { id: *id, guest_key });
        }
        let id = *self.guests.entry(key).or_insert_with(ids::uuid_v7);
        self.records
            .entry(id)
            .or_insert_with(|| Record::new(None))
            .hear(change);
        Some(Person { id, guest_key })
    }

    /// The records that are new, or those that are not. New ones in the order of what makes them unique: two transactions that
    /// insert the same people wait for each other instead of deadlocking.
    fn rowset<'s>(&self, session: &'s Session, is_new: bool) -> Result<Customers<'s>> {
        let records = self.records.iter();
        let mut records: Vec<(&Id, &Record<'_>)> = records
            .filter(|(_, record)| record.is_new == is_new && record.is_other)
            .collect();
        if is_new {
            let keys = self.guests.iter().map(|(key, id)| (*id, *key));
            let guest_keys: HashMap<Id, EmailKey> = keys.collect();
            records.sort_by_key(|(id, record)| (record.shopify_customer_id, guest_keys.get(*id).copied()));
        }
        let mut rows = Customers::new(session);
        for (id, record) in records {
            let (values, version) = (&record.values, record.state.version);
            rows.push(CustomerRow {
                id: *id,
                shopify_customer_id: record.shopify_customer_id,
                email: values.email,
                first_name: values.first_name,
                last_name: values.last_name,
                phone: values.phone,
                accepts_marketing: values.accepts_marketing,
                version: version.updated_at(),
                triggered_at: version.triggered_at(),
                payload_hash: version.payload_hash(),
                field_versions: CUSTOMER.own_to_json(&record.state.own),
                take: record.take.cast_signed(),
            })?;
        }
        Ok(rows)
    }
}
