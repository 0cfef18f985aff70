//! Sends webhooks as Shopify does: the same headers, the same signature over the raw bytes, over kept connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::Sha256;

use crate::http::{self, HttpClient};
use crate::shim::Shim;

mod malformed;

pub use malformed::malformed_bodies;

/// Shopify's own patience: five seconds in all.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The path that takes every topic.
pub const DEFAULT_PATH: &str = "/functions/v1/shopify-webhook-handler";

/// base64 of HMAC-SHA256 over the raw body: what `X-Shopify-Hmac-Sha256` carries.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// What stands in the signature header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The right one.
    Valid,
    /// One made with a secret the shim does not have.
    Forged,
    /// One made with this secret.
    With(String),
    /// This text.
    Literal(String),
    /// No header.
    Missing,
}

/// The two header families that Shopify has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `X-Shopify-…`
    Classic,
    /// `shopify-…`, from API version 2026-10 on.
    Events,
}

/// One webhook to send. Cloned and sent again, it is a duplicate delivery: the webhook id stays.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Path on the receiver.
    pub path: String,
    /// e.g. `orders/create`
    pub topic: String,
    /// The shop's domain.
    pub shop_domain: String,
    /// e.g. `2024-10`
    pub api_version: String,
    /// The delivery's id; the receiver de-duplicates by it. `None` leaves the header out.
    pub webhook_id: Option<String>,
    /// The event's id: one for several topics. `None` leaves the header out.
    pub event_id: Option<String>,
    /// When the event happened, with nanoseconds; a retry keeps it.
    pub triggered_at: String,
    /// Marked as a test notification.
    pub test: bool,
    /// Content type.
    pub content_type: String,
    /// What stands in the signature header.
    pub signature: Signature,
    /// Which header names.
    pub family: Family,
    /// More headers, last.
    pub more_headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Bytes,
}

impl Delivery {
    /// A well-formed delivery with fresh ids, triggered now.
    pub fn new(topic: &str, body: impl Into<Bytes>) -> Self {
        Self {
            path: DEFAULT_PATH.to_owned(),
            topic: topic.to_owned(),
            shop_domain: "raw-ops-test.myshopify.com".to_owned(),
            api_version: "2024-10".to_owned(),
            webhook_id: Some(fresh_id()),
            event_id: Some(fresh_id()),
            triggered_at: timestamp(SystemTime::now()),
            test: false,
            content_type: "application/json".to_owned(),
            signature: Signature::Valid,
            family: Family::Classic,
            more_headers: Vec::new(),
            body: body.into(),
        }
    }

    /// With this webhook id.
    pub fn webhook_id(mut self, id: &str) -> Self {
        self.webhook_id = Some(id.to_owned());
        self
    }

    /// To this path.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With this signature header.
    pub fn signature(mut self, signature: Signature) -> Self {
        self.signature = signature;
        self
    }

    /// With a signature made by someone who does not know the secret.
    pub fn forged(self) -> Self {
        self.signature(Signature::Forged)
    }

    /// With the newer header names.
    pub fn events_family(mut self) -> Self {
        self.family = Family::Events;
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.more_headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Triggered at this time.
    pub fn triggered_at(mut self, time: SystemTime) -> Self {
        self.triggered_at = timestamp(time);
        self
    }

    /// The headers as they go over the wire, signed with this secret.
    pub fn headers(&self, secret: &str) -> Result<HeaderMap> {
        let signature = match &self.signature {
            Signature::Valid => Some(sign(secret, &self.body)),
            Signature::Forged => Some(sign(&format!("not {secret}"), &self.body)),
            Signature::With(other) => Some(sign(other, &self.body)),
            Signature::Literal(text) => Some(text.clone()),
            Signature::Missing => None,
        };
        let prefix = match self.family {
            Family::Classic => "x-shopify-",
            Family::Events => "shopify-",
        };
        let mut pairs = vec![
            ("user-agent".to_owned(), "Shopify-Captain-Hook".to_owned()),
            ("accept".to_owned(), "*/*".to_owned()),
            (
                "accept-encoding".to_owned(),
                "gzip;q=1.0,deflate;q=0.6,identity;q=0.3".to_owned(),
            ),
            ("content-type".to_owned(), self.content_type.clone()),
        ];
        let own = [
            ("topic", Some(self.topic.clone())),
            ("hmac-sha256", signature),
            ("shop-domain", Some(self.shop_domain.clone())),
            ("api-version", Some(self.api_version.clone())),
            ("webhook-id", self.webhook_id.clone()),
            ("event-id", self.event_id.clone()),
            ("triggered-at", Some(self.triggered_at.clone())),
            ("test", self.test.then(|| "true".to_owned())),
        ];
        pairs.extend(
            own.into_iter()
                .filter_map(|(name, value)| Some((format!("{prefix}{name}"), value?))),
        );
        pairs.extend(self.more_headers.iter().cloned());
        http::headers(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

/// What came of a delivery.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Status code; `None` without an answer (refused, broken off, too late).
    pub status: Option<u16>,
    /// The answer's body, or why there is none.
    pub body: String,
    /// From sending to the whole answer.
    pub latency: Duration,
}

impl Outcome {
    /// Did the receiver take responsibility (any 2xx, as Shopify sees it)?
    pub fn accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends to one receiver with one secret; clones share its connections.
#[derive(Clone, Debug)]
pub struct Sender {
    base: String,
    secret: String,
    http: HttpClient,
}

impl Sender {
    /// A sender to a base URL such as `http://127.0.0.1:8080`.
    pub fn new(base: &str, secret: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            secret: secret.to_owned(),
            http: HttpClient::new(ANSWER_LIMIT),
        }
    }

    /// A sender to a shim.
    pub fn to(shim: &Shim, secret: &str) -> Self {
        Self::new(&shim.url(""), secret)
    }

    /// Gives up on an answer after `limit` instead of Shopify's five seconds.
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.http = HttpClient::new(limit);
        self
    }

    /// Sends from this address of the machine: 127.0.0.2 is another client than 127.0.0.3.
    pub fn from_address(mut self, local: IpAddr) -> Self {
        self.http = HttpClient::from_address(ANSWER_LIMIT, Some(local));
        self
    }

    /// Sends one delivery. A delivery that HTTP cannot carry counts as unanswered.
    pub async fn send(&self, delivery: &Delivery) -> Outcome {
        let url = format!("{}{}", self.base, delivery.path);
        let start = std::time::Instant::now();
        let answer = match delivery.headers(&self.secret) {
            Ok(headers) => self.http.post(&url, headers, delivery.body.clone()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => Outcome {
                status: Some(answer.status),
                body: answer.text(),
                latency: answer.latency,
            },
            Err(error) => Outcome {
                status: None,
                body: format!("{error:#}"),
                latency: start.elapsed(),
            },
        }
    }

    /// Sends them with up to `concurrency` under way at a time, begun in order; outcomes in the deliveries' order.
    pub async fn send_all(&self, deliveries: Vec<Delivery>, concurrency: usize) -> Vec<Outcome> {
        let deliveries: Arc<[Delivery]> = deliveries.into();
        let next = Arc::new(AtomicUsize::new(0));
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..concurrency.clamp(1, deliveries.len().max(1)) {
            let (sender, deliveries, next) = (self.clone(), Arc::clone(&deliveries), Arc::clone(&next));
            lanes.spawn(async move {
                let mut sent = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(delivery) = deliveries.get(index) else {
                        return sent;
                    };
                    sent.push((index, sender.send(delivery).await));
                }
            });
        }
        let mut outcomes: Vec<(usize, Outcome)> = lanes.join_all().await.into_iter().flatten().collect();
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// A time as Shopify writes it: UTC with nine digits.
pub fn timestamp(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn fresh_id() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes())
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests;
