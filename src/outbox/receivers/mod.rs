//! Who receives: one file a receiver, each with the same two things: a pure declaration, `RECEIVER`, and `target`, which looks
//! up URL, headers and credentials just before the send. They are kept in memory only.

pub mod customerio;
pub mod endpoint;
pub mod slack;

use super::policy::{self, Class, Response};
use super::redaction::{self, Redacted};
use super::secrets::Secret;
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// What is special about a receiver, as far as it can be told without the database.
pub struct Receiver {
    /// Requests in flight to one of its lanes at a time.
    pub concurrency: usize,
    /// Whether the row itself holds the URL, so that every attempt has it; elsewhere only what may be shown of it is
    /// written down once it is sent.
    pub has_url_in_row: bool,
    /// What an HTTP status means.
    pub class: fn(i32) -> Class,
    /// What may be written down of a response: the only way from an answer to a table.
    pub redact: fn(&Response) -> Redacted,
}

/// What an operator has to set for each receiver.
pub const SECRETS: [&[Secret]; 2] = [slack::SECRETS, customerio::SECRETS];

/// Requests in flight to one host at a time, where the receiver asks for nothing else.
pub const MOST_TO_ONE_HOST: usize = 8;

/// Of a destination that this version does not know: nothing is sent there, and nothing that came from there is kept.
pub const UNKNOWN: Receiver = Receiver {
    concurrency: 1,
    has_url_in_row: false,
    class: policy::class_of_service,
    redact: |response| redaction::in_own_words(response, None),
};

/// Where a request goes.
pub struct Target {
    pub url: String,
    /// The same without secrets: for the record.
    pub public_url: String,
    /// Beside those that every request has; credentials among them are marked sensitive.
    pub headers: HeaderMap,
}

/// Scheme, host and port.
pub fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// An `Authorization` header, marked so that no debug output ever shows it; none where the value is not one line of text.
fn authorization(value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).ok().map(|mut value| {
        value.set_sensitive(true);
        (AUTHORIZATION, value)
    });
    value.into_iter().collect()
}
