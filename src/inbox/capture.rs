//! What arrived, ready to be stored: its identity, its shop, its payload if it is JSON, the order it is about. Writes nothing.

use crate::db::{self, Jsonb, Session, ids};
use crate::error::Result;
use crate::json::{Json, Timestamp};
use crate::providers;
use crate::shop;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Longer ids would not fit an index entry; they are replaced by their hash.
const LONGEST_EVENT_ID: usize = 255;

/// A webhook as the caller hands it over.
pub struct Incoming<'a> {
    pub provider: &'a str,
    pub topic: &'a str,
    pub event_id: Option<&'a str>,
    pub headers: Option<Jsonb<'a>>,
    pub body: &'a [u8],
    /// The shop, as whoever checked the signature knows it; `None`: as the provider's headers say.
    pub shop_domain: Option<&'a str>,
}

/// A webhook ready to be stored.
pub struct Captured<'a> {
    pub id: [u8; 16],
    /// In lower case; empty where no shop is known.
    pub shop_domain: Cow<'a, str>,
    pub provider: &'a str,
    pub topic: &'a str,
    pub event_id: String,
    pub headers: Option<Jsonb<'a>>,
    pub body: &'a [u8],
    pub payload: Option<Jsonb<'a>>,
    pub shopify_order_id: Option<i64>,
}

impl<'a> Captured<'a> {
    /// What tells it from every other webhook.
    pub fn key(&self) -> (&str, &'a str, &str) {
        (&self.shop_domain, self.provider, &self.event_id)
    }

    /// When the provider says it happened, microseconds since 2000.
    pub fn triggered_at(&self) -> Option<i64> {
        header(self.headers, providers::headers(self.provider).triggered_at)
            .and_then(Timestamp::parse)
            .map(|time| time.0)
    }

    /// When it happened, as far as header or payload tell, microseconds since 2000.
    pub fn happened_at(&self) -> Option<i64> {
        let told = || Timestamp::parse(self.payload?.member("updated_at")?.as_str()?);
        self.triggered_at().or_else(|| told().map(|time| time.0))
    }
}

fn header<'a>(headers: Option<Jsonb<'a>>, names: &[&str]) -> Option<&'a str> {
    let headers = headers?;
    names.iter().find_map(|name| headers.member(name)?.as_str())
}

/// Gives it an id and looks into it.
pub fn capture<'a>(session: &'a Session, incoming: Incoming<'a>) -> Result<Captured<'a>> {
    let Incoming {
        provider,
        topic,
        event_id,
        headers,
        body,
        shop_domain,
    } = incoming;
    let shop_domain = shop_domain
        .or_else(|| header(headers, providers::headers(provider).shop_domain))
        .map_or(Cow::Borrowed(""), shop::normalized);
    let payload = db::jsonb::from_bytes(session, body)?;
    let named = event_id.map(str::trim).filter(|id| !id.is_empty());
    let told = || providers::event_id(provider, payload?);
    Ok(Captured {
        id: ids::uuid_v7(),
        provider,
        topic,
        event_id: match named.map(str::to_owned).or_else(told) {
            Some(id) if id.len() <= LONGEST_EVENT_ID => id,
            Some(id) => hash(&shop_domain, topic, id.as_bytes()),
            None => hash(&shop_domain, topic, body),
        },
        shop_domain,
        headers,
        body,
        payload,
        shopify_order_id: payload.and_then(|payload| providers::shopify_order_id(provider, topic, payload)),
    })
}

/// Shop and topic are part of it: one body may be sent by several shops and under several topics, and each is an event of its own.
fn hash(shop_domain: &str, topic: &str, bytes: &[u8]) -> String {
    let mut digest = Sha256::new();
    if !shop_domain.is_empty() {
        digest = digest.chain_update(shop_domain).chain_update(b"\n");
    }
    let digest = digest
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
        let of = |topic, body| hash("", topic, body);
        assert_eq!(of("orders/create", b"{}"), of("orders/create", b"{}"));
        assert_ne!(of("orders/create", b"{}"), of("orders/paid", b"{}"));
        assert_ne!(of("orders/create", b"{}"), of("orders/create", b"{ }"));
        assert_ne!(
            of("orders/create", b"{}"),
            hash("a.example", "orders/create", b"{}")
        );
        assert_eq!(of("", b"").len(), "sha256:".len() + 64);
    }
}
