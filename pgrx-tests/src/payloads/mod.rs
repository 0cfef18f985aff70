//! Real payloads from public sources, kept under `payloads/` with their origin in `SOURCES.tsv`.

pub mod customerio;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A webhook's body, with its topic and the headers it came with, where they are known.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The file's name without `shopify__` and `.json`.
    pub name: String,
    /// e.g. `orders/create`; for a bare body told by the file's name.
    pub topic: String,
    /// Headers of the captured delivery; its signature fits no body (captures were written anew).
    pub headers: BTreeMap<String, String>,
    /// The body's bytes as they stand in the file: numbers are not rounded, spaces are kept.
    pub body: Vec<u8>,
}

impl Payload {
    /// Is the body an order (and not a deletion, an edit, a draft, a refund, …)?
    pub fn is_order(&self) -> bool {
        matches!(
            self.topic.as_str(),
            "orders/create"
                | "orders/updated"
                | "orders/cancelled"
                | "orders/paid"
                | "orders/fulfilled"
                | "orders/partially_fulfilled"
        )
    }

    /// Is the body a fulfillment: shipments of an order?
    pub fn is_fulfillment(&self) -> bool {
        self.topic.starts_with("fulfillments/")
    }

    /// The body without the spaces between its parts, as Shopify sends it. Numbers and strings are untouched.
    pub fn compact(&self) -> Vec<u8> {
        let (mut in_string, mut escaped) = (false, false);
        let mut kept = self.body.clone();
        kept.retain(|byte| {
            if !in_string {
                in_string = *byte == b'"';
                return !byte.is_ascii_whitespace();
            }
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            true
        });
        kept
    }
}

/// Every Shopify payload, in the order of their names.
pub fn shopify() -> Result<Vec<Payload>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| {
        file_name(path).is_some_and(|name| name.starts_with("shopify__") && name.ends_with(".json"))
    });
    files.sort();
    files
        .iter()
        .map(|path| load(path).with_context(|| format!("in {}", path.display())))
        .collect()
}

/// One payload by its name.
pub fn shopify_named(name: &str) -> Result<Payload> {
    load(&dir().join(format!("shopify__{name}.json"))).with_context(|| format!("payload {name}"))
}

/// A signature vector.
#[derive(Clone, Debug, Deserialize)]
pub struct HmacVector {
    /// The key.
    pub secret: String,
    /// The signed body.
    pub body: String,
    /// base64 of the code.
    pub hmac: String,
}

/// Shopify's signature vectors.
pub fn hmac_vectors() -> Result<Vec<HmacVector>> {
    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<HmacVector>,
    }
    let text = fs::read_to_string(dir().join("vectors__shopify__hmac.json"))?;
    Ok(serde_json::from_str::<Vectors>(&text)?.vectors)
}

/// Where the files are.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("payloads/shopify")
}

/// A captured delivery.
#[derive(Deserialize)]
struct Envelope<'a> {
    headers: BTreeMap<String, String>,
    // Raw: going through a number type would round what the file holds exactly.
    #[serde(borrow)]
    body: &'a RawValue,
    topic: Option<String>,
}

fn load(path: &Path) -> Result<Payload> {
    let text = fs::read_to_string(path)?;
    let name = file_name(path).context("a name that is not UTF-8")?;
    let name = name
        .trim_start_matches("shopify__")
        .trim_end_matches(".json")
        .to_owned();
    // `orders__docs-…` are replies that show an order: to a receiver they are updates.
    let told = match name.split_once("__").map_or(name.as_str(), |(topic, _)| topic) {
        "orders" => "orders/updated".to_owned(),
        "fulfillments" => "fulfillments/create".to_owned(),
        topic => topic.replacen('-', "/", 1),
    };
    Ok(match serde_json::from_str::<Envelope>(&text) {
        Ok(envelope) => {
            let header = envelope.headers.get("x-shopify-topic").cloned();
            let topic = header
                .or(envelope.topic.filter(|topic| topic.contains('/')))
                .unwrap_or(told);
            Payload {
                name,
                topic,
                headers: envelope.headers,
                body: envelope.body.get().as_bytes().to_vec(),
            }
        }
        Err(_) => Payload {
            name,
            topic: told,
            headers: BTreeMap::new(),
            body: text.trim().as_bytes().to_vec(),
        },
    })
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_payload_with_a_topic_and_a_source() {
        let sources = fs::read_to_string(dir().join("SOURCES.tsv")).unwrap();
        let payloads = shopify().unwrap();
        assert_eq!(payloads.len(), 35);
        for payload in &payloads {
            let value: serde_json::Value = serde_json::from_slice(&payload.body).unwrap();
            assert_eq!(
                value,
                serde_json::from_slice::<serde_json::Value>(&payload.compact()).unwrap()
            );
            assert!(
                value.get("headers").is_none(),
                "{}: still in its envelope",
                payload.name
            );
            assert_eq!(
                payload.is_order(),
                value.get("line_items").is_some_and(|items| items.is_array())
                    && value.get("id").is_some()
                    && !payload.topic.starts_with("draft_orders")
                    && !payload.is_fulfillment()
                    && payload.topic != "orders/delete",
                "{} ({})",
                payload.name,
                payload.topic
            );
            assert!(
                sources.contains(&format!("shopify__{}.json\t", payload.name)),
                "{}",
                payload.name
            );
        }
    }

    #[test]
    fn ids_keep_all_their_digits_and_topics_are_told() {
        let exact = shopify_named("orders-create__admin-test-notification-exact-int64-ids").unwrap();
        assert!(
            String::from_utf8(exact.compact())
                .unwrap()
                .starts_with(r#"{"id":820982911946154508,"#)
        );
        assert_eq!(exact.topic, "orders/create");
        let captured = shopify_named("orders-create__captured-delivery-2024-10").unwrap();
        assert_eq!(
            captured.headers["x-shopify-triggered-at"],
            "2024-08-07T22:57:57.290670248Z"
        );
        assert!(captured.compact().len() < captured.body.len());
        let topic = |name| shopify_named(name).unwrap().topic;
        assert_eq!(
            topic("inventory_levels-update__captured-delivery-2024-10"),
            "inventory_levels/update"
        );
        assert_eq!(topic("orders__docs-discount"), "orders/updated");
    }

    #[test]
    fn spaces_inside_strings_stay() {
        let body = br#"{ "a b" : "c \" d\\" , "e" : 1.50 }"#.to_vec();
        let payload = Payload {
            name: String::new(),
            topic: String::new(),
            headers: BTreeMap::new(),
            body,
        };
        assert_eq!(payload.compact(), br#"{"a b":"c \" d\\","e":1.50}"#);
    }
}
