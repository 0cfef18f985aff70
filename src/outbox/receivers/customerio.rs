//! Events to Customer.io's Track API v1. Source: CONTRACTS §6.

use super::{MOST_TO_ONE_HOST, Receiver, Target, authorization};
use crate::config;
use crate::error::Result;
use crate::outbox::policy::{self, Response};
use crate::outbox::redaction::{self, Redacted};
use crate::outbox::secrets::{Secret, Secrets};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

/// The two halves of its basic authentication.
pub const SECRETS: &[Secret] = &[Secret::text(SITE_ID), Secret::text(API_KEY)];

pub const RECEIVER: Receiver = Receiver {
    concurrency: MOST_TO_ONE_HOST,
    has_url_in_row: false,
    class: policy::class_of_service,
    redact,
};

const SITE_ID: &str = "customerio_site_id";
const API_KEY: &str = "customerio_api_key";

/// Base URL and path, with the credentials of the workspace that hears of this shop: both are of one.
pub fn target(secrets: &Secrets<'_>, shop: &str, path: &str) -> Result<Target> {
    let url = config::customerio_base_url() + path;
    let whose = secrets.whose(&[SITE_ID, API_KEY], shop)?;
    let site_id = secrets.reveal(SITE_ID, whose)?;
    let api_key = secrets.reveal(API_KEY, whose)?;
    let basic = STANDARD.encode(format!("{site_id}:{api_key}"));
    Ok(Target {
        public_url: url.clone(),
        url,
        headers: authorization(&format!("Basic {basic}")),
    })
}

fn redact(response: &Response) -> Redacted {
    let said = response.body.as_deref().unwrap_or_default();
    let known = known_answer(response.status, said).or_else(|| known_origin(response.detail.as_deref()?));
    redaction::in_own_words(response, known)
}

/// What the Track API is known to complain about in an event.
/// Source: CONTRACTS §6; docs.customer.io/journeys/invalid-api-requests.
const COMPLAINTS: &[&str] = &[
    "name cannot be blank",
    "event name must not be blank",
    "event name cannot be longer than 100 bytes",
    "event name must be less than 500 characters",
    "event data cannot be longer than 100000 bytes",
    "id attribute must be present",
    "id attribute must be a string value",
    "id attribute cannot be an empty string",
];

/// What an answer says, in our own words: `{"meta": {"error": …}}` or `{"meta": {"errors": [one]}}` with a complaint we
/// know, or what its status alone tells.
fn known_answer(status: Option<i32>, body: &str) -> Option<&'static str> {
    let json: Json = serde_json::from_str(body).unwrap_or_default();
    let meta = &json["meta"];
    let listed = meta["errors"].as_array().filter(|errors| errors.len() == 1);
    let said = meta["error"].as_str().or_else(|| listed?[0].as_str());
    let known = said.and_then(|said| COMPLAINTS.iter().find(|known| **known == said));
    known.copied().or(match status {
        Some(400) => Some("Customer.io does not take an event like this"),
        Some(401 | 403) => Some(
            "the credentials are refused: see the secrets customerio_site_id and customerio_api_key, and the region in \
             raw_ops.customerio_base_url",
        ),
        Some(429) => Some("too many events at once"),
        _ => None,
    })
}

/// Where a redirect leads that is not followed: an account of the other region is told so.
fn known_origin(origin: &str) -> Option<&'static str> {
    match origin {
        "https://track.customer.io" => Some(
            "the account is in the US region (raw_ops.customerio_base_url = 'https://track.customer.io')",
        ),
        "https://track-eu.customer.io" => Some(
            "the account is in the EU region (raw_ops.customerio_base_url = 'https://track-eu.customer.io')",
        ),
        _ => None,
    }
}

/// What stands in a path segment as it is: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Path of the events of a person, named by id or e-mail.
pub fn events_path(identifier: &str) -> String {
    format!(
        "/api/v1/customers/{}/events",
        utf8_percent_encode(identifier, SEGMENT)
    )
}

/// An event. `id` makes Customer.io ignore a repeat: a ULID, made of the UUID of what caused it.
pub fn event(name: &str, id: [u8; 16], data: &Json) -> Json {
    json!({"name": name, "id": event_id(id), "data": data})
}

/// The ULID of the same 128 bits.
pub fn event_id(id: [u8; 16]) -> String {
    ulid::Ulid::from_bytes(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_encoded_whole() {
        assert_eq!(
            events_path("ada+box@example.com/x"),
            "/api/v1/customers/ada%2Bbox%40example.com%2Fx/events"
        );
    }

    #[test]
    fn the_same_cause_has_the_same_ulid() {
        let id = event_id([1; 16]);
        assert_eq!(id, event_id([1; 16]));
        assert_eq!(id.len(), 26);
        assert_ne!(id, event_id([2; 16]));
    }
}
