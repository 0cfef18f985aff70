//! A shared token, for senders that sign nothing: whoever sends proves itself with it, in a header where headers can be
//! set, else in the address's query string, which is not logged.

use super::{Delivery, Unsigned, first_header};
use crate::shop;
use crate::signature::{self, Secret};

const SHOWN: &str = "Authorization";
const TOKEN: &[&str] = &["x-webhook-token"];
/// In the address: `/webhooks/<provider>?token=…`.
const TOKEN_PARAMETER: &str = "token";

/// Proves that the delivery carries one of the tokens, and gives the shop that the token is for.
///
/// # Errors
/// No token anywhere, or none of those configured.
pub fn verify(secrets: &[Secret], delivery: &Delivery<'_>) -> Result<String, Unsigned> {
    let Some(token) = token(delivery) else {
        return Err(Unsigned::NoToken(SHOWN));
    };
    let signers = signature::signers_by_token(secrets, token.as_bytes());
    // The configuration has no token for two shops, of which one would have to be guessed.
    shop::authenticated(&signers, None).ok_or(Unsigned::WrongToken(SHOWN))
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
