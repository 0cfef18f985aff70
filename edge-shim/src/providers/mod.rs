//! What differs between providers, as data and pure functions. A new provider is one new file here and one line in
//! [`REGISTRY`]; its environment variables, routes and metrics follow from that. [`token`] is how senders that sign nothing
//! prove themselves.

pub mod dpd;
#[cfg(feature = "example_provider")]
pub mod example;
pub mod shopify;
mod token;

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::signature::Secret;

/// Every provider whose webhooks are taken in.
pub static REGISTRY: &[&Provider] = &[
    &shopify::PROVIDER,
    &dpd::PROVIDER,
    #[cfg(feature = "example_provider")]
    &example::PROVIDER,
];

/// One sender of webhooks.
#[derive(Debug)]
pub struct Provider {
    /// Its name in the inbox, in logs and in metrics.
    pub name: &'static str,
    /// The environment variable with its signing secrets.
    pub secret_variable: &'static str,
    /// How a secret says which shop it is for.
    pub secrets_by_shop: SecretsByShop,
    /// The environment variable with the addresses it may send from.
    pub allowed_ips_variable: &'static str,
    /// Where its webhooks arrive.
    pub routes: &'static [Route],
    /// Proves that the delivery was signed with one of the secrets, and by whose: the shop it is of, empty where none is known.
    pub verify: fn(&[Secret], &Delivery<'_>) -> Result<String, Unsigned>,
    /// Reads what the inbox wants to know beside the body.
    pub describe: fn(&Route, &Delivery<'_>) -> Description,
}

/// How a provider's secrets name the shop they are for, where they name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsByShop {
    /// `shop=secret` in an environment variable of their own.
    Listed(&'static str),
    /// `secret@shop` among the others.
    Appended,
}

/// A path that takes webhooks.
#[derive(Debug)]
pub struct Route {
    /// The path as it is in the URL.
    pub path: &'static str,
    /// The topic of a webhook that does not name one itself.
    pub default_topic: &'static str,
}

/// A webhook as it came in.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// What stands behind the path's `?`.
    pub query: Option<&'a str>,
    /// The request's body, byte for byte.
    pub body: &'a [u8],
}

/// Why a delivery does not count as its provider's. Carries the header's name, never a secret's or a signature's value.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// The signature header is absent or blank.
    Missing(&'static str),
    /// No configured secret yields this signature.
    Wrong(&'static str),
    /// No token anywhere; the header is where it should be.
    NoToken(&'static str),
    /// The token is none of those configured.
    WrongToken(&'static str),
    /// It is signed, with secrets that are for other shops only.
    WrongShop {
        /// The header that names the shop.
        header: &'static str,
        /// The variable that says which secret is for which shop.
        variable: &'static str,
        /// The shop it says it is of, if that is a host name.
        claimed: Option<String>,
    },
}

/// What the inbox stores beside the body.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// The kind of event, such as `orders/create`.
    pub topic: String,
    /// The provider's id of this delivery; the database derives one from the body's hash where there is none.
    pub event_id: Option<String>,
    /// The headers worth keeping, as the text of one JSON object with lower-case names.
    pub headers: String,
}

/// The first of `names` that is present and not blank, trimmed; bytes that are not UTF-8 become U+FFFD. Not for ids: see
/// [`identifier`].
pub fn first_header(headers: &HeaderMap, names: &[&str]) -> Option<String> {
    raw_header(headers, names).map(storable)
}

/// The same, byte for byte.
pub fn raw_header<'a>(headers: &'a HeaderMap, names: &[&str]) -> Option<&'a [u8]> {
    names
        .iter()
        .filter_map(|name| headers.get(*name))
        .map(|value| value.as_bytes().trim_ascii())
        .find(|value| !value.is_empty())
}

/// An id made of header values as they came, joined by `:`. One that is not UTF-8 becomes `id-sha256:` and the hash of its bytes: two
/// ids that differ stay different.
pub fn identifier(parts: &[&[u8]]) -> String {
    let joined = parts.join(&b':');
    match String::from_utf8(joined) {
        Ok(text) => text,
        Err(error) => {
            let hash = Sha256::digest(error.as_bytes());
            hash.iter().fold("id-sha256:".to_owned(), |text, byte| {
                text + &format!("{byte:02x}")
            })
        }
    }
}

/// The headers that `keep` allows, as the text of one JSON object. A repeated header's values are joined with `, `.
pub fn kept_headers(headers: &HeaderMap, keep: fn(&str) -> bool) -> String {
    let mut kept: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| keep(name.as_str())) {
        let text = storable(value.as_bytes());
        kept.entry(name.as_str())
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&text);
            })
            .or_insert(text);
    }
    // Serialising a map of strings cannot fail; an empty object would still be valid jsonb.
    serde_json::to_string(&kept).unwrap_or_else(|_| "{}".to_owned())
}

/// Neither `text` nor `jsonb` can hold NUL or bytes that are not UTF-8.
fn storable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{FFFD}")
}
