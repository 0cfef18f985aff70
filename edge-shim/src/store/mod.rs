//! Keeps webhooks: [`writer`] groups what waits into one call, [`postgres`] makes the call, [`tls`] secures it. [`condition`] says why
//! the database does not take any; [`readiness`] finds out before one comes.

pub mod condition;
pub mod postgres;
pub mod readiness;
pub mod tls;
pub mod writer;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

pub use condition::{Class, Condition, StoreError};
pub use writer::{Drain, Limits, Store};

/// One webhook as the inbox takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The provider's name.
    pub provider: &'static str,
    /// The kind of event.
    pub topic: String,
    /// The provider's id of the delivery; without one the database derives it from the body.
    pub event_id: Option<String>,
    /// The text of one JSON object.
    pub headers: String,
    /// The shop it is of, in lower case, as its secret proves it; empty where none is known.
    pub shop_domain: String,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// From this many bytes on a webhook is large: storing it may take the database seconds (eight megabytes of numbers: two). It gets a call
/// of its own, after the large ones before it: side by side none might be in time.
pub const LARGE: usize = 1 << 20;

impl Webhook {
    /// True if storing it may take seconds.
    pub fn is_large(&self) -> bool {
        self.body.len() >= LARGE
    }
}

/// The inbox's answer: the webhook is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id of the inbox row, of the first delivery where this one is a repeat.
    pub webhook_id: String,
    /// True if the event was there before.
    pub duplicate: bool,
}

/// Where webhooks are kept. Behind a trait so that the grouping is tested without a server.
pub trait Inbox: Send + Sync {
    /// Stores all of `webhooks` in one transaction, or none; receipts come in the same order.
    fn receive<'a>(&'a self, webhooks: &'a [Webhook]) -> Answer<'a, Vec<Receipt>>;

    /// Finds out whether a webhook could be stored now, by storing one and taking it back.
    fn probe(&self) -> Answer<'_, ()>;
}

/// What an [`Inbox`] answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why [`Store::put`] could not promise that the webhook is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// As many webhooks wait as may.
    Full,
    /// The program is stopping.
    Stopping,
    /// No answer in time. The webhook may still have been stored: a repeat is recognised.
    Timeout,
    /// The same of a large webhook, whose storing goes on.
    LargeTimeout,
    /// The inbox said no.
    Failed(StoreError),
}
