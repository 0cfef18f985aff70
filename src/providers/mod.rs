//! What each provider's JSON means: payload in, typed [`Command`] out. Pure: no SQL, no clock.
//!
//! A provider is a declaration: one folder, and one line in the registry below. What it is called, which topics of it are
//! read and by what, where its headers tell the shop and the time: all that others know of it follows from there.

pub mod awaited;
mod commands;
pub mod dpd;
#[cfg(feature = "example_provider")]
pub mod example;
pub mod list;
pub mod shopify;
#[cfg(test)]
mod tests;
mod tracking;

use crate::error::{Error, Result};
use crate::json::Json;

pub use commands::{Command, ShipmentEvent, ShipmentReport};

/// The name of a topic that stands for all.
pub const ANY_TOPIC: &str = "*";

/// One sender of webhooks, as it declares itself.
pub trait Provider {
    /// Its name in the inbox.
    const NAME: &'static str;
    const HEADERS: Headers = Headers {
        shop_domain: &[],
        triggered_at: &[],
    };
    /// What the mapping calls the courier whose shipments it reports about.
    const COURIER: Option<&'static str> = None;
    /// What a payload can be.
    type Topic: Copy + 'static;
    /// The topics somebody reads ([`ANY_TOPIC`]: whatever it is called), and what their payloads are.
    const TOPICS: &'static [(&'static str, Self::Topic)];

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Error::Payload`] when it is not what the topic promises.
    fn read<'a, J: Json<'a>>(topic: Self::Topic, payload: J) -> Result<Command<'a, J>>;

    /// The id of a delivery whose sender names none in its headers, where the payload tells it.
    fn event_id<'a, J: Json<'a>>(_payload: J) -> Option<String> {
        None
    }

    /// Whether receipt of this topic starts the SLO clock: there must soon be an order.
    fn announces_order(_topic: &str) -> bool {
        false
    }

    /// The Shopify order a payload is about, where the topic and a glance at the payload tell.
    fn shopify_order_id<'a, J: Json<'a>>(_topic: &str, _payload: J) -> Option<i64> {
        None
    }

    /// Reads an event that has waited for this shipment: it stands there as it stood in its list.
    ///
    /// # Errors
    /// As [`Provider::read`].
    fn read_waiting<'a, J: Json<'a>>(_element: J, shipment: &str) -> Result<ShipmentEvent<J>> {
        Err(Error::Internal(format!(
            "{} reports no events of shipments, and one waits for {shipment}",
            Self::NAME
        )))
    }
}

/// Headers that tell what the body does not; of several the first that is there.
#[derive(Clone, Copy)]
pub struct Headers {
    /// The shop a webhook is about.
    pub shop_domain: &'static [&'static str],
    /// When it happened.
    pub triggered_at: &'static [&'static str],
}

/// Every provider, once: its name and each question about it, answered by its own declaration.
macro_rules! registry {
    ($($(#[$only:meta])* $provider:ty),+ $(,)?) => {
        /// The names of all, as they stand in the inbox.
        pub const NAMES: &[&str] = &[$($(#[$only])* <$provider as Provider>::NAME),+];

        /// Providers that report about shipments, and of which courier.
        pub const REPORTERS: &[(&str, Option<&str>)] =
            &[$($(#[$only])* (<$provider as Provider>::NAME, <$provider as Provider>::COURIER)),+];

        /// Those of which some topic is read.
        #[cfg(test)]
        const READ: &[&str] = &[$($(#[$only])* if <$provider as Provider>::TOPICS.is_empty() { "" } else { <$provider as Provider>::NAME }),+];

        /// What a webhook asks for.
        ///
        /// # Errors
        /// [`Error::UnknownTopic`] when nobody reads the topic, [`Error::Payload`] when the payload is not what it promises.
        pub fn command<'a, J: Json<'a>>(provider: &str, topic: &str, payload: J) -> Result<Command<'a, J>> {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return command_of::<$provider, J>(topic, payload);
            })+
            Err(unknown_topic(provider, topic, &[]))
        }

        /// See [`Provider::event_id`].
        pub fn event_id<'a, J: Json<'a>>(provider: &str, payload: J) -> Option<String> {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return <$provider as Provider>::event_id(payload);
            })+
            None
        }

        /// See [`Provider::announces_order`].
        pub fn announces_order(provider: &str, topic: &str) -> bool {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return <$provider as Provider>::announces_order(topic);
            })+
            false
        }

        /// See [`Provider::shopify_order_id`].
        pub fn shopify_order_id<'a, J: Json<'a>>(provider: &str, topic: &str, payload: J) -> Option<i64> {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return <$provider as Provider>::shopify_order_id(topic, payload);
            })+
            None
        }

        /// See [`Provider::read_waiting`].
        ///
        /// # Errors
        /// As [`command`].
        pub fn read_waiting<'a, J: Json<'a>>(provider: &str, element: J, shipment: &str) -> Result<ShipmentEvent<J>> {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return <$provider as Provider>::read_waiting(element, shipment);
            })+
            Err(unknown_topic(provider, ANY_TOPIC, &[]))
        }

        /// Where its headers tell what the body does not.
        pub fn headers(provider: &str) -> Headers {
            $($(#[$only])* if provider == <$provider as Provider>::NAME {
                return <$provider as Provider>::HEADERS;
            })+
            Headers { shop_domain: &[], triggered_at: &[] }
        }
    };
}

registry![
    shopify::Shopify,
    awaited::Clerk,
    awaited::Stripe,
    awaited::Mitto,
    dpd::Dpd,
    #[cfg(feature = "example_provider")]
    example::Example,
];

fn command_of<'a, P: Provider, J: Json<'a>>(topic: &str, payload: J) -> Result<Command<'a, J>> {
    let mut topics = P::TOPICS.iter();
    match topics.find(|(name, _)| *name == topic || *name == ANY_TOPIC) {
        Some((_, kind)) => P::read(*kind, payload),
        None => Err(unknown_topic(
            P::NAME,
            topic,
            &P::TOPICS.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        )),
    }
}

fn unknown_topic(provider: &str, topic: &str, known: &[&str]) -> Error {
    Error::UnknownTopic {
        provider: provider.into(),
        topic: topic.into(),
        known: known.join(", "),
    }
}
