//! Keeps webhooks: [`writer`] groups what waits into one call, [`postgres`] makes the call, [`tls`] secures it.

pub mod postgres;
pub mod tls;
pub mod writer;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

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
    /// The body, byte for byte.
    pub body: Bytes,
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

    /// Checks that webhooks could be stored now, without storing any.
    fn probe(&self) -> Answer<'_, ()>;
}

/// What an [`Inbox`] answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The inbox did not take the webhooks, or it is not known that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What to do about it.
    pub class: Class,
    /// The SQLSTATE, where the database itself answered.
    pub sqlstate: Option<String>,
    /// What happened. Holds no secrets and no payload.
    pub message: String,
    /// The database's advice.
    pub hint: Option<String>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The database is out of reach or out of means: nothing can be stored now.
    Unavailable,
    /// A lock or a time limit stood in the way: it may go better for fewer webhooks, or later.
    Contended,
    /// The database answered and said no.
    Rejected,
}

impl Class {
    /// The name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Contended => "contended",
            Self::Rejected => "rejected",
        }
    }

    /// The class of an SQLSTATE, see <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    pub fn of_sqlstate(sqlstate: &str) -> Self {
        match sqlstate {
            // Cancelled by statement_timeout, lock not available, deadlock, serialization failure.
            "57014" | "55P03" | "40P01" | "40001" => Self::Contended,
            // Read-only: a standby, or a server protecting itself from a full disk.
            "25006" => Self::Unavailable,
            // Not set up, being restored or upgraded, or without the grants: an operator mends that, and the provider
            // sends again.
            "55000" | "42883" | "42501" | "42P01" | "3F000" => Self::Unavailable,
            // Connection, authorization at log-in, resources (disk full, memory, connections), operator, system.
            _ if ["08", "28", "53", "57", "58"]
                .iter()
                .any(|class| sqlstate.starts_with(class)) =>
            {
                Self::Unavailable
            }
            _ => Self::Rejected,
        }
    }
}

impl StoreError {
    /// An error that is not the database's own.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            sqlstate: None,
            message: message.into(),
            hint: None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(sqlstate) = &self.sqlstate {
            write!(formatter, " ({sqlstate})")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StoreError {}

/// Why [`Store::put`] could not promise that the webhook is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// As many webhooks wait as may.
    Full,
    /// The program is stopping.
    Stopping,
    /// No answer in time. The webhook may still have been stored: a repeat is recognised.
    Timeout,
    /// The inbox said no.
    Failed(StoreError),
}
