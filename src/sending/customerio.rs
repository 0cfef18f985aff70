//! Events to Customer.io's Track API v1. Source: CONTRACTS §6.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

/// The destination of requests to the Track API: base URL and credentials are added while sending.
pub const DESTINATION: &str = "customerio";
pub const SITE_ID: &str = "customerio_site_id";
pub const API_KEY: &str = "customerio_api_key";

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
