//! What is sent, and what must become of each of it.

use anyhow::{Context, Result};
use fastrand::Rng;
use raw_ops_e2e::orders::{Change, Generator, Order, money};
use raw_ops_e2e::payloads;
use raw_ops_e2e::shopify::{Delivery, Signature, malformed_bodies, sign};
use serde_json::json;

use raw_ops_e2e::truth::Truth;

/// The same orders at every run.
const SEED: u64 = 2_026;
/// Generated orders.
const ORDERS: u64 = 1_000;
/// Customers who come back.
const CUSTOMERS: u64 = 400;
/// Every so manieth delivery is sent twice.
const AGAIN_EVERY: usize = 25;
/// Orders that change twice, the changes arriving the wrong way round.
const CHANGED: u64 = 10;
/// The order whose cancellation comes first.
const CANCELLED: u64 = 500;
/// Orders that only forgers send: their numbers are none of ours.
const FORGED: std::ops::Range<u64> = 5_000..5_020;

/// What a delivery is, for the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Generated,
    Real,
    Again,
    Change,
    Early,
    Malformed,
    Unsigned,
}

/// What must become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Stored, processed.
    Success,
    /// Stored, tried, waiting for another try; with this category.
    Failed(&'static str),
    /// 401, no trace.
    Refused,
}

/// A webhook to send.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub kind: Kind,
    pub fate: Fate,
    pub delivery: Delivery,
}

impl Webhook {
    fn new(kind: Kind, fate: Fate, delivery: Delivery) -> Self {
        Self { kind, fate, delivery }
    }

    /// The delivery's id: the inbox knows it by this.
    pub fn id(&self) -> &str {
        self.delivery.webhook_id.as_deref().unwrap_or_default()
    }
}

/// Everything that is sent in the big step, and the truth that it tells.
pub struct Plan {
    /// A cancellation, tried before its order is known.
    pub early: Webhook,
    /// Sent over many connections at once, in no order.
    pub wave: Vec<Webhook>,
    /// Sent after that, one after the other.
    pub afterwards: Vec<Webhook>,
    /// What all of it says, except the cancellation.
    pub truth: Truth,
    /// The order that the cancellation is for.
    pub cancelled: Order,
    /// Orders that were changed, with the note of the newest change.
    pub changed: Vec<(i64, String)>,
    /// Orders that must not exist.
    pub forged: Vec<i64>,
}

impl Plan {
    /// Makes it; `secret` is what the shop signs with.
    pub fn new(secret: &str) -> Result<Self> {
        let generator = Generator::new(SEED).customers(CUSTOMERS);
        let orders: Vec<Order> = generator.orders(0..ORDERS).collect();
        let cancelled = orders[usize::try_from(CANCELLED)?].clone();
        let cancellation = cancelled.updated(120, &[Change::Cancelled("customer")]);
        let mut plan = Self {
            early: Webhook::new(
                Kind::Early,
                Fate::Failed("missing_reference"),
                cancellation.delivery("orders/cancelled"),
            ),
            wave: Vec::new(),
            afterwards: Vec::new(),
            truth: Truth::default(),
            cancelled,
            changed: Vec::new(),
            forged: Vec::new(),
        };
        plan.add_orders(&orders)?;
        plan.add_real()?;
        plan.add_malformed();
        plan.add_unsigned(&generator, secret);
        plan.add_changes(&orders)?;
        Rng::with_seed(SEED).shuffle(&mut plan.wave);
        Ok(plan)
    }

    /// Every delivery that is signed, sent once or twice.
    pub fn signed(&self) -> impl Iterator<Item = &Webhook> {
        [&self.early]
            .into_iter()
            .chain(&self.wave)
            .chain(&self.afterwards)
            .filter(|webhook| webhook.fate != Fate::Refused && webhook.kind != Kind::Again)
    }

    fn add_orders(&mut self, orders: &[Order]) -> Result<()> {
        for (index, order) in orders.iter().enumerate() {
            let webhook = Webhook::new(Kind::Generated, Fate::Success, order.delivery("orders/create"));
            self.truth.learn(&webhook.delivery)?;
            if index % AGAIN_EVERY == 0 {
                self.wave.push(Webhook {
                    kind: Kind::Again,
                    ..webhook.clone()
                });
            }
            self.wave.push(webhook);
        }
        Ok(())
    }

    /// Real payloads, each as a delivery of its own; and a draft order, which looks like an order and is none.
    fn add_real(&mut self) -> Result<()> {
        for payload in payloads::shopify()? {
            let delivery = Delivery::new(&payload.topic, payload.compact());
            if payload.is_order() {
                self.truth.learn(&delivery)?;
                let webhook = Webhook::new(Kind::Real, Fate::Success, delivery);
                // Its order comes with the wave.
                let list = if payload.topic == "orders/cancelled" {
                    &mut self.afterwards
                } else {
                    &mut self.wave
                };
                list.push(webhook);
            } else if payload.topic == "draft_orders/create" {
                self.wave
                    .push(Webhook::new(Kind::Real, Fate::Failed("unknown_topic"), delivery));
            }
        }
        Ok(())
    }

    fn add_malformed(&mut self) {
        let bodies = malformed_bodies().into_iter().map(|(_, body)| body);
        let webhooks = bodies.filter(|body| !body.is_empty()).map(|body| {
            let delivery = Delivery::new("orders/create", body);
            Webhook::new(Kind::Malformed, Fate::Failed("malformed_payload"), delivery)
        });
        self.wave.extend(webhooks);
    }

    /// Signed with another secret, not signed, or changed after signing.
    fn add_unsigned(&mut self, generator: &Generator, secret: &str) {
        for (index, order) in generator.orders(FORGED).enumerate() {
            let signature = match index % 4 {
                0 | 1 => Signature::Forged,
                2 => Signature::Missing,
                _ => Signature::Literal(sign(secret, &order.partial(&["id"]).bytes)),
            };
            let delivery = order.delivery("orders/create").signature(signature);
            self.forged.push(order.id);
            self.wave
                .push(Webhook::new(Kind::Unsigned, Fate::Refused, delivery));
        }
    }

    /// For some orders a newer state, and after it the older one between: another price, another note.
    fn add_changes(&mut self, orders: &[Order]) -> Result<()> {
        for (order, number) in orders.iter().zip(1..=CHANGED) {
            let [older, newer] = [(300, 100), (600, 1_000)].map(|(later, dearer)| {
                let total = money(order.totals.total + dearer, order.decimals);
                let note = format!("changed after {later} s ({number})");
                let changes = [Change::Note(note), Change::Set("total_price", json!(total))];
                order.updated(later, &changes)
            });
            for state in [&newer, &older] {
                let delivery = state.delivery("orders/updated");
                self.truth.learn(&delivery)?;
                self.afterwards
                    .push(Webhook::new(Kind::Change, Fate::Success, delivery));
            }
            let note = newer.text("note").context("a change without a note")?;
            self.changed.push((order.id, note.to_owned()));
        }
        Ok(())
    }
}

/// An order with a price that is no number.
pub fn priced_abc() -> Order {
    let order = new_order(0);
    let mut items = order.json["line_items"].clone();
    items[0]["price"] = json!("abc");
    order.updated(0, &[Change::Set("line_items", items)])
}

/// An order that was not sent yet.
pub fn new_order(number: u64) -> Order {
    Generator::new(SEED).customers(CUSTOMERS).order(ORDERS + number)
}
