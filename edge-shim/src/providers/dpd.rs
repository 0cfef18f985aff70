//! DPD: no signature is known of, so whoever sends (DPD itself, or the forwarder in between) proves itself with a shared
//! token: a header where headers can be set, else the address's query string, which is not logged.
//!
//! The inbox itself tells one delivery from another: shipment, code and time are in the body.

use super::{Delivery, Description, Provider, Route, Unsigned, first_header, kept_headers};
use crate::signature::{self, Secret};

/// DPD, as the registry knows it.
pub static PROVIDER: Provider = Provider {
    name: "dpd",
    secret_variable: "DPD_WEBHOOK_TOKEN",
    allowed_ips_variable: "DPD_ALLOWED_IPS",
    routes: &[Route {
        path: "/webhooks/dpd",
        default_topic: "parcel/event",
    }],
    verify,
    describe,
};

const SHOWN: &str = "Authorization";
const TOKEN: &[&str] = &["x-webhook-token"];
/// In the address: `/webhooks/dpd?token=…`.
const TOKEN_PARAMETER: &str = "token";

fn verify(secrets: &[Secret], delivery: &Delivery<'_>) -> Result<(), Unsigned> {
    let Some(token) = token(delivery) else {
        return Err(Unsigned::NoToken(SHOWN));
    };
    if signature::is_token(secrets, token.as_bytes()) {
        Ok(())
    } else {
        Err(Unsigned::WrongToken(SHOWN))
    }
}

/// `Authorization: Bearer …`, `X-Webhook-Token: …` or `?token=…`; the first that is there counts.
fn token(delivery: &Delivery<'_>) -> Option<String> {
    let bearer = first_header(delivery.headers, &["authorization"]).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    });
    bearer
        .or_else(|| first_header(delivery.headers, TOKEN))
        .or_else(|| parameter(delivery.query?, TOKEN_PARAMETER))
        .filter(|token| !token.is_empty())
}

fn parameter(query: &str, wanted: &str) -> Option<String> {
    let found = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == wanted);
    found.map(|(_, value)| percent_decoded(value))
}

/// As forms write it: `%2B` is a plus, a plus is a blank. What is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn describe(route: &Route, delivery: &Delivery<'_>) -> Description {
    Description {
        topic: route.default_topic.to_owned(),
        event_id: None,
        source: None,
        headers: kept_headers(delivery.headers, |name| {
            matches!(name, "content-type" | "user-agent")
        }),
    }
}
