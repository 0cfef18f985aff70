//! A request made ready to go out: URL, headers and credentials, looked up just before the send and kept in memory only.

use super::address;
use super::destination::Destination;
use super::receivers::{Target, customerio, endpoint, slack};
use super::request::Request;
use super::secrets::Secrets;
use crate::config;
use crate::error::{Error, Result};
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

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
        address::ensure_allowed(&uri, config::allow_private_targets())?;
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
    let shop = request.shop.as_str();
    match request.destination {
        Some(Destination::Slack(webhook)) => slack::target(secrets, shop, webhook),
        Some(Destination::CustomerIo) => {
            customerio::target(secrets, shop, request.path.as_deref().unwrap_or_default())
        }
        Some(Destination::Endpoint) => Ok(endpoint::target(request.url.as_deref().unwrap_or_default())),
        None => Err(Error::Internal(
            "this version of raw_ops does not know the destination".into(),
        )),
    }
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
