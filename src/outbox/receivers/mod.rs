//! From a destination's name to a URL with its credentials: looked up just before the send, kept in memory only.

pub mod customerio;
pub mod slack;

use super::Request;
use super::{ENDPOINT, address, secrets};
use crate::config;
use crate::db::Session;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

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
    session: &Session,
    request: &Request,
) -> Result<std::result::Result<PreparedRequest, Unprepared>> {
    let found = match request.destination.as_str() {
        ENDPOINT => endpoint(request),
        customerio::DESTINATION => customer_io(session, request),
        secret => secret_url(session, secret),
    };
    let (url, public_url, credentials) = match found {
        Ok(found) => found,
        Err(error @ Error::Database { .. }) => return Err(error),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            return Ok(Err(Unprepared::NotYet(format!("{error}{hint}"))));
        }
    };
    let checked = address::parse(&url).and_then(|uri| {
        address::check(&uri, config::allow_private_targets())?;
        Ok(uri)
    });
    let uri = match checked {
        Ok(uri) => uri,
        Err(problem) => return Ok(Err(Unprepared::Refused(format!("the target {problem}")))),
    };
    Ok(headers(request, credentials)
        .map(|headers| PreparedRequest {
            uri,
            headers,
            public_url,
        })
        .map_err(|problem| Unprepared::Refused(problem.into())))
}

type Found = (String, String, Option<HeaderValue>);

fn endpoint(request: &Request) -> Result<Found> {
    let url = request.url.clone().unwrap_or_default();
    Ok((url.clone(), url, None))
}

fn customer_io(session: &Session, request: &Request) -> Result<Found> {
    let url = config::customerio_base_url() + request.path.as_deref().unwrap_or_default();
    let site_id = secrets::reveal(session, customerio::SITE_ID)?;
    let api_key = secrets::reveal(session, customerio::API_KEY)?;
    let basic = format!("Basic {}", STANDARD.encode(format!("{site_id}:{api_key}")));
    Ok((url.clone(), url, sensitive(&basic)))
}

fn secret_url(session: &Session, name: &str) -> Result<Found> {
    let url = secrets::reveal(session, name)?;
    let public_url = address::parse(&url)
        .ok()
        .and_then(|uri| origin(&uri))
        .unwrap_or_default();
    Ok((url, public_url, None))
}

/// Scheme, host and port.
pub fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// Marked so that no debug output ever shows it.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A value with a line break could add headers of its own: it is refused here, for both carriers.
fn headers(
    request: &Request,
    credentials: Option<HeaderValue>,
) -> std::result::Result<HeaderMap, &'static str> {
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
    if let Some(credentials) = credentials {
        headers.insert(AUTHORIZATION, credentials);
    }
    Ok(headers)
}
