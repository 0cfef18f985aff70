//! Realistic Shopify orders (API 2024-10), made by number: the same seed and number give the same bytes on any machine.

mod body;
mod change;
mod data;

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use fastrand::Rng;
use serde_json::Value;

pub use change::Change;

use crate::shopify::Delivery;
use data::Person;

/// 2024-10-01T00:00:00Z: order 0.
const EPOCH: i64 = 1_727_740_800;
/// Seconds between two orders.
const SPACING: i64 = 37;
/// Ids above 2^53, where a floating-point number loses digits.
const ORDER_IDS: i64 = 820_000_000_000_000_508;
const LINE_ITEM_IDS: i64 = 866_000_000_000_000_301;
const CUSTOMER_IDS: i64 = 115_310_627_314_000_954;

/// Makes orders.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    customers: u64,
}

/// An order as the shop knows it and as its webhook says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Shopify's id.
    pub id: i64,
    /// What a person calls it, without the `#`.
    pub number: i64,
    /// `updated_at` in seconds since 1970.
    pub updated_at: i64,
    /// The shop's offset from UTC in seconds: its times are written with it.
    pub offset: i32,
    /// Shopify's id of the customer; guests have none.
    pub customer_id: Option<i64>,
    /// E-mail address; some have none.
    pub email: Option<String>,
    /// The sums, in the currency's smallest unit.
    pub totals: Totals,
    /// Currency code.
    pub currency: &'static str,
    /// Digits after the decimal point in that currency.
    pub decimals: u32,
    /// The payload.
    pub json: Value,
    /// The payload's bytes.
    pub bytes: Bytes,
}

/// Sums in the currency's smallest unit: `line_items - discounts = subtotal`, and `subtotal + shipping (+ tax, unless
/// prices include it) = total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Prices times quantities.
    pub line_items: i64,
    /// Discounts.
    pub discounts: i64,
    /// What the items cost after discounts.
    pub subtotal: i64,
    /// Shipping.
    pub shipping: i64,
    /// Tax, whether included or not.
    pub tax: i64,
    /// Is the tax part of the prices?
    pub tax_included: bool,
    /// To pay.
    pub total: i64,
}

impl Generator {
    /// A generator; different seeds give different orders with different ids.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            customers: 2_000,
        }
    }

    /// With this many customers who come back (2,000 otherwise).
    pub fn customers(mut self, customers: u64) -> Self {
        self.customers = customers.max(1);
        self
    }

    /// Order number `n`, counted from 0.
    pub fn order(&self, n: u64) -> Order {
        let mut rng = Rng::with_seed(
            self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03),
        );
        let shop = data::shop(&mut rng);
        let buyer = self.buyer(&mut rng);
        let lines = body::lines(&mut rng, shop, self.scoped(LINE_ITEM_IDS) + i64_of(n) * 8);
        let (json, totals) = body::order(
            &mut rng,
            &body::Facts {
                id: self.scoped(ORDER_IDS) + i64_of(n),
                number: 1001 + i64_of(n),
                created: EPOCH + i64_of(n) * SPACING,
                shop,
                buyer: &buyer,
                lines: &lines,
            },
        );
        let created = EPOCH + i64_of(n) * SPACING;
        Order {
            id: self.scoped(ORDER_IDS) + i64_of(n),
            number: 1001 + i64_of(n),
            updated_at: created + body::UPDATED_AFTER,
            offset: shop.offset,
            customer_id: buyer.customer_id,
            email: buyer.email,
            totals,
            currency: shop.currency,
            decimals: shop.decimals,
            bytes: serialise(&json),
            json,
        }
    }

    /// Orders number `range`.
    pub fn orders(&self, range: std::ops::Range<u64>) -> impl Iterator<Item = Order> + use<> {
        let generator = self.clone();
        range.map(move |n| generator.order(n))
    }

    /// Most buyers are customers, some of them again; some are guests, a few leave no address at all.
    fn buyer(&self, rng: &mut Rng) -> Buyer {
        let who = rng.u64(..self.customers);
        let kind = rng.u8(..100);
        let mut buyer = Buyer {
            person: Person::number(who),
            customer_id: None,
            email: None,
        };
        if kind < 80 {
            buyer.customer_id = Some(self.scoped(CUSTOMER_IDS) + i64_of(who));
            buyer.email = Some(buyer.person.email(""));
        } else if kind < 93 {
            buyer.email = Some(buyer.person.email("guest."));
        }
        buyer
    }

    fn scoped(&self, base: i64) -> i64 {
        base + i64_of(self.seed % 10_000) * 1_000_000_000_000
    }
}

/// Who buys.
#[derive(Clone, Debug)]
struct Buyer {
    person: Person,
    customer_id: Option<i64>,
    email: Option<String>,
}

impl Order {
    /// A delivery of it with fresh ids.
    pub fn delivery(&self, topic: &str) -> Delivery {
        Delivery::new(topic, self.bytes.clone())
    }

    /// A member of the payload as text: `order.text("total_price")`.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.json.get(member)?.as_str()
    }

    /// The line items.
    pub fn line_items(&self) -> &[Value] {
        self.json["line_items"].as_array().map_or(&[], Vec::as_slice)
    }

    fn with_json(&self, json: Value) -> Self {
        Self {
            bytes: serialise(&json),
            json,
            ..self.clone()
        }
    }
}

/// An amount of smallest units as Shopify writes it: `1234` of a currency with two decimals is `12.34`.
pub fn money(amount: i64, decimals: u32) -> String {
    if decimals == 0 {
        return amount.to_string();
    }
    let unit = 10_i64.pow(decimals);
    let sign = if amount < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:0width$}",
        amount.abs() / unit,
        amount.abs() % unit,
        width = decimals as usize
    )
}

/// A time as Shopify writes it: in the shop's offset, to the second.
pub fn shop_time(seconds: i64, offset: i32) -> String {
    let zone = FixedOffset::east_opt(offset).expect("a shop's offset is less than a day");
    let time = DateTime::from_timestamp(seconds, 0).expect("a time of this era");
    time.with_timezone(&zone).to_rfc3339()
}

fn serialise(json: &Value) -> Bytes {
    // A Value always serialises: its keys are strings.
    serde_json::to_vec(json).unwrap_or_default().into()
}

fn i64_of(n: u64) -> i64 {
    i64::try_from(n).expect("an order number below 2^63")
}

#[cfg(test)]
mod tests;
