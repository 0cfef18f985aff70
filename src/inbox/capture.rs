//! What arrived, ready to be stored: its identity, its payload if it is JSON, the order it is about. Writes nothing.

use crate::db::{self, Jsonb, Session, ids};
use crate::error::Result;
use crate::json::{Json, Timestamp};
use crate::providers;
use sha2::{Digest, Sha256};

/// Longer ids would not fit an index entry; they are replaced by their hash.
const LONGEST_EVENT_ID: usize = 255;

/// A webhook as the caller hands it over.
pub struct Incoming<'a> {
    pub provider: &'a str,
    pub topic: &'a str,
    pub event_id: Option<&'a str>,
    pub headers: Option<Jsonb<'a>>,
    pub body: &'a [u8],
}

/// A webhook ready to be stored.
pub struct Captured<'a> {
    pub id: [u8; 16],
    pub provider: &'a str,
    pub topic: &'a str,
    pub event_id: String,
    pub headers: Option<Jsonb<'a>>,
    pub body: &'a [u8],
    pub payload: Option<Jsonb<'a>>,
    pub shopify_order_id: Option<i64>,
}

impl<'a> Captured<'a> {
    /// The shop it is about, as the provider's headers name it.
    pub fn shop_domain(&self) -> Option<&'a str> {
        self.header(providers::headers(self.provider).shop_domain)
    }

    /// When the provider says it happened, microseconds since 2000.
    pub fn triggered_at(&self) -> Option<i64> {
        self.header(providers::headers(self.provider).triggered_at)
            .and_then(Timestamp::parse)
            .map(|time| time.0)
    }

    /// When it happened, as far as header or payload tell, microseconds since 2000.
    pub fn happened_at(&self) -> Option<i64> {
        let told = || Timestamp::parse(self.payload?.member("updated_at")?.as_str()?);
        self.triggered_at().or_else(|| told().map(|time| time.0))
    }

    fn header(&self, names: &[&str]) -> Option<&'a str> {
        let headers = self.headers?;
        names.iter().find_map(|name| headers.member(name)?.as_str())
    }
}

/// Gives it an id and looks into it.
pub fn capture<'a>(session: &'a Session, incoming: Incoming<'a>) -> Result<Captured<'a>> {
    let Incoming {
        provider,
        topic,
        event_id,
        headers,
        body,
    } = incoming;
    let payload = db::jsonb::from_bytes(session, body)?;
    let named = event_id.map(str::trim).filter(|id| !id.is_empty());
    let told = || providers::event_id(provider, payload?);
    Ok(Captured {
        id: ids::uuid_v7(),
        provider,
        topic,
        event_id: match named.map(str::to_owned).or_else(told) {
            Some(id) if id.len() <= LONGEST_EVENT_ID => id,
            Some(id) => hash(topic, id.as_bytes()),
            None => hash(topic, body),
        },
        headers,
        body,
        payload,
        shopify_order_id: payload.and_then(|payload| providers::shopify_order_id(provider, topic, payload)),
    })
}

/// The topic is part of it: one body may be sent under several topics, and each is an event of its own.
fn hash(topic: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(topic)
        .chain_update(b"\n")
        .chain_update(bytes)
        .finalize();
    digest
        .iter()
        .fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_tells_topics_and_bodies_apart_and_is_the_same_for_a_repeat() {
        assert_eq!(hash("orders/create", b"{}"), hash("orders/create", b"{}"));
        assert_ne!(hash("orders/create", b"{}"), hash("orders/paid", b"{}"));
        assert_ne!(hash("orders/create", b"{}"), hash("orders/create", b"{ }"));
        assert_eq!(hash("", b"").len(), "sha256:".len() + 64);
    }
}
