//! What a webhook asks for on its way to the domain that does it, and what came of it: one envelope and one result for all
//! domains. Pure.

use crate::error::{Error, Result};
use serde_json::Value as Json;

/// A command and what is known of the webhook that brings it.
pub struct Envelope<C> {
    /// The caller's number for it; comes back with its outcome.
    pub index: usize,
    /// The row of the inbox; nil where a function was called without one.
    pub webhook: [u8; 16],
    /// The shop it is about, in lower case; empty where none is named.
    pub shop: String,
    /// When the webhook was triggered: tells two payloads of one second apart. Microseconds since 2000.
    pub triggered_at: Option<i64>,
    /// Of the payload: the same one again is recognised by it, and it decides where times do not.
    pub payload_hash: i64,
    /// `None` for a command that locks nothing.
    pub lock_key: Option<LockKey>,
    pub command: C,
}

impl<C> Envelope<C> {
    fn open(self) -> (Envelope<()>, C) {
        let command = self.command;
        let bare = Envelope {
            index: self.index,
            webhook: self.webhook,
            shop: self.shop,
            triggered_at: self.triggered_at,
            payload_hash: self.payload_hash,
            lock_key: self.lock_key,
            command: (),
        };
        (bare, command)
    }
}

impl Envelope<()> {
    fn with<C>(self, command: C) -> Envelope<C> {
        Envelope {
            index: self.index,
            webhook: self.webhook,
            shop: self.shop,
            triggered_at: self.triggered_at,
            payload_hash: self.payload_hash,
            lock_key: self.lock_key,
            command,
        }
    }
}

/// Which rows a command locks. Commands are done in the order of their keys, so that two transactions that share rows wait
/// for each other instead of deadlocking; those of one key in the order received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKey {
    /// An order of a shop, or what belongs to it: `part` is that one's id, 0 for the order itself.
    Order {
        shop: String,
        shopify_order_id: i64,
        part: i64,
    },
    /// A shipment of a shop, by its tracking number. Events are about shipments that orders bring: they come after them.
    Shipment { shop: String, tracking_no: String },
}

/// What a command did.
pub struct Applied {
    /// In a word: `created`, `unchanged`, `recorded`, …
    pub outcome: &'static str,
    details: Box<dyn Fn() -> Json>,
}

impl Applied {
    /// `details` makes an object, whose members stand beside the outcome; only when somebody reads the answer.
    pub fn new(outcome: &'static str, details: impl Fn() -> Json + 'static) -> Self {
        Self {
            outcome,
            details: Box::new(details),
        }
    }

    /// As `process_webhook()` and its kind answer.
    pub fn to_json(&self) -> Json {
        let mut json = (self.details)();
        json["success"] = true.into();
        json["outcome"] = self.outcome.into();
        json
    }
}

/// Commands that are done together: each domain takes its own and says what came of them.
pub struct Batch<C> {
    waiting: Vec<Envelope<C>>,
    outcomes: Vec<Option<Result<Applied>>>,
}

impl<C> Batch<C> {
    /// For commands with the indexes 0 to `size` - 1.
    pub fn new(size: usize) -> Self {
        let mut outcomes = Vec::with_capacity(size);
        outcomes.resize_with(size, || None);
        Self {
            waiting: Vec::with_capacity(size),
            outcomes,
        }
    }

    pub fn push(&mut self, envelope: Envelope<C>) {
        self.waiting.push(envelope);
    }

    /// Takes out the commands that `pick` wants, in order; it hands the others back.
    pub fn take<D>(&mut self, pick: impl Fn(C) -> std::result::Result<D, C>) -> Vec<Envelope<D>> {
        let mut taken = Vec::with_capacity(self.waiting.len());
        for envelope in std::mem::take(&mut self.waiting) {
            let (bare, command) = envelope.open();
            match pick(command) {
                Ok(command) => taken.push(bare.with(command)),
                Err(command) => self.waiting.push(bare.with(command)),
            }
        }
        taken
    }

    /// What came of the command with this index.
    pub fn settle(&mut self, index: usize, outcome: Result<Applied>) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// One outcome each, by index.
    pub fn into_outcomes(self) -> Vec<Result<Applied>> {
        let nobody = || Err(Error::Internal("no domain took the command".into()));
        let outcomes = self.outcomes.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(nobody)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn envelope(index: usize, command: &'static str) -> Envelope<&'static str> {
        Envelope {
            index,
            webhook: [0; 16],
            shop: String::new(),
            triggered_at: None,
            payload_hash: 0,
            lock_key: Some(LockKey::Shipment {
                shop: String::new(),
                tracking_no: command.into(),
            }),
            command,
        }
    }

    #[test]
    fn each_domain_takes_its_own_in_order_and_what_nobody_takes_is_an_error() {
        let mut batch = Batch::new(4);
        for (index, command) in ["order 1", "parcel 1", "order 2", "sms 1"]
            .into_iter()
            .enumerate()
        {
            batch.push(envelope(index, command));
        }
        for domain in ["order", "parcel"] {
            let taken = batch.take(|command| match command.strip_prefix(domain) {
                Some(_) => Ok(command.len()),
                None => Err(command),
            });
            assert!(taken.is_sorted_by_key(|envelope| envelope.index));
            for envelope in taken {
                assert!(envelope.lock_key.is_some());
                batch.settle(envelope.index, Ok(Applied::new("created", || json!({"n": 1}))));
            }
        }
        let outcomes = batch.into_outcomes();
        let shown = |outcome: &Result<Applied>| outcome.as_ref().map(Applied::to_json).ok();
        let created = Some(json!({"success": true, "outcome": "created", "n": 1}));
        assert_eq!(
            outcomes.iter().map(shown).collect::<Vec<_>>(),
            [created.clone(), created.clone(), created, None]
        );
    }

    #[test]
    fn an_order_is_locked_before_what_belongs_to_it_and_shipments_last() {
        let order = |shop: &str, shopify_order_id, part| LockKey::Order {
            shop: shop.into(),
            shopify_order_id,
            part,
        };
        let shipment = LockKey::Shipment {
            shop: "eu".into(),
            tracking_no: "155".into(),
        };
        let keys = [
            None,
            Some(order("eu", 1, 0)),
            Some(order("eu", 1, 9)),
            Some(order("eu", 2, 0)),
            Some(order("uk", 1, 0)),
            Some(shipment),
        ];
        assert!(keys.is_sorted());
    }
}
