//! What must be in the database after all that was sent, told from the payloads alone: nothing here asks the database,
//! and nothing here is shared with the code that fills it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::AddAssign;

use anyhow::{Context, Result};
use raw_ops_e2e::shopify::Delivery;
use serde_json::Value;

/// A decimal number, exact.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    units: i128,
    decimals: u32,
}

impl Decimal {
    /// Reads `12.34`.
    pub fn parse(text: &str) -> Result<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let units = format!("{whole}{part}")
            .parse()
            .with_context(|| format!("not a decimal: {text:?}"))?;
        Ok(Self {
            units,
            decimals: u32::try_from(part.len())?,
        })
    }

    fn units_at(self, decimals: u32) -> i128 {
        self.units * 10_i128.pow(decimals.saturating_sub(self.decimals))
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Self) {
        let decimals = self.decimals.max(other.decimals);
        self.units = self.units_at(decimals) + other.units_at(decimals);
        self.decimals = decimals;
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let decimals = self.decimals.max(other.decimals);
        self.units_at(decimals) == other.units_at(decimals)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i128.pow(self.decimals);
        let sign = if self.units < 0 { "-" } else { "" };
        let (whole, part) = (self.units.abs() / unit, self.units.abs() % unit);
        f.write_str(&crate::screen::grouped(format_args!("{sign}{whole}")))?;
        match self.decimals {
            0 => Ok(()),
            decimals => write!(f, ".{part:0width$}", width = decimals as usize),
        }
    }
}

/// An order as its newest payload says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// Of the newest payload: its `updated_at`, else when it was triggered. Seconds since 1970.
    pub version: Option<i64>,
    pub currency: String,
    pub total: Decimal,
    pub items: usize,
    pub cancelled: bool,
    /// Did any payload say who bought?
    pub has_buyer: bool,
}

impl Order {
    /// `said`: versions and payloads, oldest first; what a newer one leaves out, an older one tells.
    fn from_webhooks(said: &[(i64, Value)], has_buyer: bool) -> Result<Self> {
        let mut order = Self {
            has_buyer,
            ..Self::default()
        };
        for (version, body) in said {
            order.version = Some(*version);
            if let Some(currency) = body["currency"].as_str() {
                currency.clone_into(&mut order.currency);
            }
            if let Some(total) = body["total_price"].as_str() {
                order.total = Decimal::parse(total)?;
            }
            if let Some(items) = body["line_items"].as_array() {
                order.items = items.len();
            }
            order.cancelled |= body["cancelled_at"].is_string();
        }
        Ok(order)
    }
}

/// Orders, items and money of one currency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub orders: usize,
    pub items: usize,
    pub total: Decimal,
}

/// Everything that the payloads say together.
#[derive(Default)]
pub struct Truth {
    pub orders: HashMap<i64, Order>,
    /// By order, what was said of it and when.
    said: HashMap<i64, Vec<(i64, Value)>>,
    customers: HashSet<i64>,
    addresses: HashSet<String>,
    guest_addresses: HashSet<String>,
}

impl Truth {
    /// Takes in an order's webhook. Of two the one with the newer `updated_at` counts, whatever their order; one that
    /// names none is as new as its delivery.
    pub fn learn(&mut self, delivery: &Delivery) -> Result<()> {
        let body: Value = serde_json::from_slice(&delivery.body)?;
        let id = body["id"].as_i64().context("an order without an id")?;
        let version = seconds(body["updated_at"].as_str().unwrap_or(&delivery.triggered_at))?;
        let has_buyer = self.learn_buyer(&body);
        let said = self.said.entry(id).or_default();
        said.push((version, body));
        said.sort_by_key(|(version, _)| *version);
        let has_buyer = has_buyer || self.orders.get(&id).is_some_and(|order| order.has_buyer);
        self.orders.insert(id, Order::from_webhooks(said, has_buyer)?);
        Ok(())
    }

    /// A customer is known by Shopify's id, a guest by the address in lower case.
    fn learn_buyer(&mut self, said: &Value) -> bool {
        let customer = &said["customer"];
        let own = address(&customer["email"]);
        if let Some(id) = customer["id"].as_i64() {
            self.customers.insert(id);
            self.addresses.extend(own);
            return true;
        }
        let address = own.or_else(|| address(&said["email"]));
        let address = address.or_else(|| address_of_contact(said));
        let known = address.is_some();
        self.guest_addresses.extend(address);
        known
    }

    /// How many customers have an id of Shopify's.
    pub fn customers(&self) -> usize {
        self.customers.len()
    }

    /// How many guests there are that no customer turned out to be.
    pub fn guests(&self) -> usize {
        self.guest_addresses.difference(&self.addresses).count()
    }

    /// How many orders nobody is known for.
    pub fn without_buyer(&self) -> usize {
        self.orders.values().filter(|order| !order.has_buyer).count()
    }

    /// The sums by currency.
    pub fn sums(&self) -> BTreeMap<&str, Sum> {
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for order in self.orders.values() {
            let sum = sums.entry(&order.currency).or_default();
            sum.orders += 1;
            sum.items += order.items;
            sum.total += order.total;
        }
        sums
    }
}

fn address(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_lowercase)
}

fn address_of_contact(said: &Value) -> Option<String> {
    address(&said["contact_email"])
}

fn seconds(text: &str) -> Result<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).with_context(|| format!("not a time: {text:?}"))?;
    Ok(time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_whatever_the_decimals() {
        let mut sum = Decimal::default();
        for text in ["0.10", "0.2", "1000", "-0.30"] {
            sum += Decimal::parse(text).unwrap();
        }
        assert_eq!(sum.to_string(), "1,000.00");
        assert!(sum == Decimal::parse("1000").unwrap());
        assert!(Decimal::parse("abc").is_err());
    }

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
        let sum = truth.sums()["EUR"];
        assert_eq!(
            (sum.orders, sum.items, sum.total.to_string().as_str()),
            (2, 1, "2.50")
        );
        assert_eq!(
            (truth.customers(), truth.guests(), truth.without_buyer()),
            (0, 2, 0)
        );
        let customer = r#"{"id": 3, "customer": {"id": 7, "email": "a@B.c"}}"#;
        truth.learn(&Delivery::new("orders/create", customer)).unwrap();
        assert_eq!((truth.customers(), truth.guests()), (1, 1));
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
            truth.orders[&1].clone()
        });
        assert_eq!(there, back);
        assert_eq!(there.version, Some(1_727_870_400));
        assert_eq!(
            (there.total.to_string(), there.currency.as_str()),
            ("3.00".to_owned(), "EUR")
        );
    }
}
