//! Who receives: one file a receiver, each with the same two things: a pure declaration, `RECEIVER`, and `target`, which looks
//! up URL, headers and credentials just before the send. They are kept in memory only.

pub mod customerio;
pub mod endpoint;
pub mod slack;

use super::address;
use super::destination::Destination;
use super::policy::{self, Class, Response};
use super::redaction::{self, Redacted};
use super::request::Request;
use super::secrets::{Secret, Secrets};
use crate::config;
use crate::error::{Error, Result};
use hyper::Uri;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

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

/// A request ready to go out.
pub struct PreparedRequest {
    pub uri: Uri,
    pub headers: HeaderMap,
    /// Where it goes, without secrets: for the record.
    pub public_url: String,
}

/// Why a request cannot go out.
pub enum Unprepared {
    /// Something to set up is missing: another attempt may find it.
    NotYet(String),
    /// It may never go there.
    Refused(String),
}

/// # Errors
/// The server's own trouble. What is wrong with the request or its set-up is the inner result.
pub fn prepare_request(
    secrets: &Secrets<'_>,
    request: &Request,
) -> Result<std::result::Result<PreparedRequest, Unprepared>> {
    let target = match target(secrets, request) {
        Ok(target) => target,
        Err(error @ Error::Database { .. }) => return Err(error),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            return Ok(Err(Unprepared::NotYet(format!("{error}{hint}"))));
        }
    };
    let checked = address::parse(&target.url).and_then(|uri| {
        address::check(&uri, config::allow_private_targets())?;
        Ok(uri)
    });
    let uri = match checked {
        Ok(uri) => uri,
        Err(problem) => return Ok(Err(Unprepared::Refused(format!("the target {problem}")))),
    };
    Ok(headers(request, target.headers)
        .map(|headers| PreparedRequest {
            uri,
            headers,
            public_url: target.public_url,
        })
        .map_err(|problem| Unprepared::Refused(problem.into())))
}

/// Where a request goes at this moment, with its credentials or signature.
fn target(secrets: &Secrets<'_>, request: &Request) -> Result<Target> {
    match request.destination {
        Some(Destination::Slack(webhook)) => slack::target(secrets, webhook),
        Some(Destination::CustomerIo) => customerio::target(secrets, request),
        Some(Destination::Endpoint) => Ok(endpoint::target(request)),
        None => Err(Error::Internal(
            "this version of raw_ops does not know the destination".into(),
        )),
    }
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

/// A value with a line break could add headers of its own: it is refused here, for both carriers. What the receiver's file
/// adds stands above what the row says.
fn headers(request: &Request, of_receiver: HeaderMap) -> std::result::Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers.as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not valid")?;
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        headers.insert(name, value.ok_or("a header's value is not one line of text")?);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("raw_ops/", env!("CARGO_PKG_VERSION"))),
    );
    let key = HeaderValue::from_str(&request.idempotency_key);
    headers.insert(
        "idempotency-key",
        key.map_err(|_| "the idempotency key is not one line of text")?,
    );
    headers.extend(of_receiver);
    Ok(headers)
}
