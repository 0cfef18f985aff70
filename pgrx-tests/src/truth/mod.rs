//! What must be in the tables after all that was sent, told from the payloads alone: nothing here asks the database what to
//! expect, and nothing here is shared with the code that fills it. The demo and the end-to-end tests both say it so.

mod decimal;
mod order;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio_postgres::Client;

use crate::orders;
use crate::shopify::Delivery;

pub use decimal::Decimal;
pub use order::{Order, stored};

/// How many differences are told.
const SHOWN: usize = 5;

/// Orders, items and money of one currency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// How many orders.
    pub orders: usize,
    /// How many items they have together.
    pub items: usize,
    /// To pay.
    pub total: Decimal,
}

/// Everything that the payloads say together.
#[derive(Debug, Default)]
pub struct Truth {
    /// By order, what was said of it and when.
    said: HashMap<i64, Vec<(i64, Value)>>,
    /// By order, whom its newest payload that names a buyer names.
    buyers: HashMap<i64, (i64, Buyer)>,
    /// By customer, the addresses that payloads gave them, letter for letter.
    customers: HashMap<i64, BTreeSet<String>>,
    guest_addresses: HashSet<String>,
}

/// A customer is known by Shopify's id, a guest by the address in lower case.
#[derive(Clone, Debug)]
enum Buyer {
    Customer(i64),
    Guest(String),
}

impl Truth {
    /// What these orders say, as they are now.
    ///
    /// # Errors
    ///
    /// If one is no order.
    pub fn of(orders: &[orders::Order]) -> Result<Self> {
        let mut truth = Self::default();
        for order in orders {
            truth.learn(&order.delivery("orders/create"))?;
        }
        Ok(truth)
    }

    /// Takes in an order's webhook. Of two the one with the newer `updated_at` counts, whatever their order; one that
    /// names none is as new as its delivery.
    ///
    /// # Errors
    ///
    /// If it is no order, or its time is none.
    pub fn learn(&mut self, delivery: &Delivery) -> Result<()> {
        let body: Value = serde_json::from_slice(&delivery.body)?;
        let id = body["id"].as_i64().context("an order without an id")?;
        let version = seconds(body["updated_at"].as_str().unwrap_or(&delivery.triggered_at))?;
        if let Some(buyer) = self.learn_buyer(&body) {
            let known = self.buyers.entry(id).or_insert((version, buyer.clone()));
            if version >= known.0 {
                *known = (version, buyer);
            }
        }
        let said = self.said.entry(id).or_default();
        said.push((version, body));
        said.sort_by_key(|(version, _)| *version);
        Ok(())
    }

    fn learn_buyer(&mut self, said: &Value) -> Option<Buyer> {
        let customer = &said["customer"];
        let own = address(&customer["email"]);
        if let Some(id) = customer["id"].as_i64() {
            self.customers.entry(id).or_default().extend(own);
            return Some(Buyer::Customer(id));
        }
        let address = own
            .or_else(|| address(&said["email"]))
            .or_else(|| address(&said["contact_email"]))?
            .to_lowercase();
        self.guest_addresses.insert(address.clone());
        Some(Buyer::Guest(address))
    }

    /// The orders, by Shopify's id.
    ///
    /// # Errors
    ///
    /// If a sum is no number.
    pub fn orders(&self) -> Result<BTreeMap<i64, Order>> {
        let known = self.customers_by_address();
        let orders = self.said.iter().map(|(id, said)| {
            let buyer = self.buyers.get(id).map(|(_, buyer)| match buyer {
                Buyer::Customer(id) => id.to_string(),
                Buyer::Guest(address) => known.get(address).map_or(address.clone(), i64::to_string),
            });
            Ok((*id, Order::from_webhooks(said, buyer)?))
        });
        orders.collect()
    }

    fn customers_by_address(&self) -> HashMap<String, i64> {
        let pairs = self
            .customers
            .iter()
            .flat_map(|(id, addresses)| addresses.iter().map(|address| (address.to_lowercase(), *id)));
        pairs.collect()
    }

    /// How many customers have an id of Shopify's.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    /// How many guests there are that no customer turned out to be.
    pub fn guests(&self) -> usize {
        let known = self.customers_by_address();
        let guests = self.guest_addresses.iter();
        guests.filter(|address| !known.contains_key(*address)).count()
    }

    /// How many orders nobody is known for.
    pub fn without_buyer(&self) -> usize {
        self.said.len() - self.buyers.len()
    }

    /// The sums by currency.
    ///
    /// # Errors
    ///
    /// If a sum is no number.
    pub fn sums(&self) -> Result<BTreeMap<String, Sum>> {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        for order in self.orders()?.into_values() {
            let sum = sums.entry(order.currency).or_default();
            sum.orders += 1;
            sum.items += order.items;
            sum.total += order.total;
        }
        Ok(sums)
    }

    /// Where the tables say something else, in words: orders that are missing, unknown or not what their newest payload says;
    /// customers too many or too few, or with an address that nobody gave them; items of no order.
    ///
    /// # Errors
    ///
    /// If the tables cannot be read.
    pub async fn differences(&self, client: &Client) -> Result<Vec<String>> {
        let mut differences = differing_orders(&self.orders()?, &stored(client).await?);
        differences.truncate(SHOWN);
        let people = client.query(PEOPLE, &[]).await?;
        let (mut customers, mut guests) = (0, 0);
        for person in &people {
            let (id, email): (Option<i64>, Option<String>) = (person.get(0), person.get(1));
            let Some(id) = id else {
                guests += 1;
                continue;
            };
            customers += 1;
            let given = self.customers.get(&id);
            let is_given = given.is_some_and(|given| match &email {
                Some(email) => given.is_empty() || given.contains(email),
                None => given.is_empty(),
            });
            if !is_given {
                differences.push(format!("customer {id}: {email:?} instead of one of {given:?}"));
            }
        }
        if (customers, guests) != (self.customers(), self.guests()) {
            let expected = (self.customers(), self.guests());
            differences.push(format!(
                "customers and guests: {:?} instead of {expected:?}",
                (customers, guests)
            ));
        }
        let orphans: i64 = client.query_one(ORPHANS, &[]).await?.get(0);
        if orphans > 0 {
            differences.push(format!("items without an order: {orphans}"));
        }
        Ok(differences)
    }
}

const PEOPLE: &str = "SELECT shopify_customer_id, email FROM raw_ops.customers";
const ORPHANS: &str = "SELECT count(*) FROM raw_ops.order_items AS i
     WHERE NOT EXISTS (SELECT FROM raw_ops.orders AS o WHERE o.id = i.order_id)";

/// Orders that are not the same here and there, in words.
pub fn differing_orders(expected: &BTreeMap<i64, Order>, found: &BTreeMap<i64, Order>) -> Vec<String> {
    let ids: BTreeSet<&i64> = expected.keys().chain(found.keys()).collect();
    let differing = ids.into_iter().filter(|id| expected.get(id) != found.get(id));
    differing
        .map(|id| {
            format!(
                "order {id}: {:?} instead of {:?}",
                found.get(id),
                expected.get(id)
            )
        })
        .collect()
}

fn address(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

fn seconds(text: &str) -> Result<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).with_context(|| format!("not a time: {text:?}"))?;
    Ok(time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_payload_counts_and_a_guest_may_turn_out_to_be_a_customer() {
        let mut truth = Truth::default();
        for body in [
            r#"{"id": 1, "updated_at": "2024-10-01T12:00:01Z", "currency": "EUR", "total_price": "2.00", "email": "A@b.c"}"#,
            r#"{"id": 1, "updated_at": "2024-10-01T12:00:00Z", "currency": "EUR", "total_price": "1.00"}"#,
            r#"{"id": 2, "currency": "EUR", "total_price": "0.50", "line_items": [{}], "email": "d@e.f"}"#,
        ] {
            truth.learn(&Delivery::new("orders/create", body)).unwrap();
        }
        let sum = truth.sums().unwrap()["EUR"];
        assert_eq!(
            (sum.orders, sum.items, sum.total.to_string().as_str()),
            (2, 1, "2.50")
        );
        assert_eq!(
            (truth.customers(), truth.guests(), truth.without_buyer()),
            (0, 2, 0)
        );
        assert_eq!(truth.orders().unwrap()[&1].buyer.as_deref(), Some("a@b.c"));
        let customer = r#"{"id": 3, "customer": {"id": 7, "email": "a@B.c"}}"#;
        truth.learn(&Delivery::new("orders/create", customer)).unwrap();
        assert_eq!((truth.customers(), truth.guests()), (1, 1));
        assert_eq!(truth.orders().unwrap()[&1].buyer.as_deref(), Some("7"));
    }

    #[test]
    fn a_part_of_an_order_without_a_time_is_as_new_as_its_delivery() {
        let whole =
            r#"{"id": 1, "updated_at": "2024-10-01T12:00:00Z", "currency": "EUR", "total_price": "2.00"}"#;
        let whole = Delivery::new("orders/create", whole);
        let mut part = Delivery::new("orders/updated", r#"{"id": 1, "total_price": "3.00"}"#);
        part.triggered_at = "2024-10-02T12:00:00.5Z".to_owned();
        let [there, back] = [[&whole, &part], [&part, &whole]].map(|webhooks| {
            let mut truth = Truth::default();
            for webhook in webhooks {
                truth.learn(webhook).unwrap();
            }
            truth.orders().unwrap()[&1].clone()
        });
        assert_eq!(there, back);
        assert_eq!(there.version, Some(1_727_870_400));
        assert_eq!(
            (there.total.to_string(), there.currency.as_str()),
            ("3.00".to_owned(), "EUR")
        );
    }
}
