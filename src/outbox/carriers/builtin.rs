//! The built-in carrier's HTTP client: asynchronous, many requests in flight on one thread, TLS by rustls. It runs in
//! the sender process, between transactions, never inside one.

use crate::db;
use crate::outbox::PreparedRequest;
use crate::outbox::address;
use crate::outbox::network_error::{self, Unresolved};
use crate::outbox::policy::{Response, retry_after};
use crate::outbox::receivers::{MOST_TO_ONE_HOST, origin};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{LOCATION, RETRY_AFTER};
use hyper::{Method, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How much of an answer is kept.
const KEPT: usize = 4096;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const IDLE_LIMIT: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 3;

type Connector = HttpsConnector<HttpConnector<CheckedResolver>>;

/// Cheap to clone; its connections are shared.
#[derive(Clone)]
pub struct Client {
    http: HttpClient<Connector, Full<Bytes>>,
    allow_private: Arc<AtomicBool>,
}

impl Client {
    /// # Errors
    /// When this machine has no certificate authorities, in words.
    pub fn new() -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let allow_private = Arc::new(AtomicBool::new(false));
        let mut tcp = HttpConnector::new_with_resolver(CheckedResolver(Arc::clone(&allow_private)));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(MOST_TO_ONE_HOST)
            .build(connector);
        Ok(Self { http, allow_private })
    }

    /// Follows the setting, which may change while the sender runs.
    pub fn allow_private_targets(&self, allowed: bool) {
        self.allow_private.store(allowed, Ordering::Relaxed);
    }

    /// Sends one request and waits for its response, `timeout_ms` at most.
    pub async fn post(&self, ready: PreparedRequest, body: String, timeout_ms: i32) -> Response {
        let limit = Duration::from_millis(timeout_ms.max(1) as u64);
        let started = Instant::now();
        let received = tokio::time::timeout(limit, self.follow(&ready, Bytes::from(body))).await;
        let mut response =
            received.unwrap_or_else(|_| Response::failure(format!("no answer within {timeout_ms} ms")));
        response.latency_ms = i32::try_from(started.elapsed().as_millis()).ok();
        response
    }

    /// Follows redirects within the same origin, where credentials may go; any other ends here.
    async fn follow(&self, ready: &PreparedRequest, body: Bytes) -> Response {
        let mut uri = ready.uri.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut request = hyper::Request::new(Full::new(body.clone()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = ready.headers.clone();
            let response = match self.http.request(request).await {
                Ok(response) => response,
                Err(error) => return failure(&error),
            };
            match redirect(&uri, &response) {
                None => return read(response).await,
                Some(Ok(next)) => uri = next,
                Some(Err(astray)) => {
                    let status = response.status().as_u16();
                    return Response {
                        error: Some(format!("HTTP {status}: {}", astray.problem)),
                        detail: astray.origin,
                        ..read(response).await
                    };
                }
            }
        }
        Response::failure(format!("more than {MOST_REDIRECTS} redirects"))
    }
}

/// A redirect that is not followed.
#[derive(Debug, PartialEq, Eq)]
struct Astray {
    problem: &'static str,
    /// Whose it is, as the answer says.
    origin: Option<String>,
}

/// Where a redirect leads, or why it is not followed; `None` for any other response.
fn redirect(from: &Uri, response: &hyper::Response<Incoming>) -> Option<Result<Uri, Astray>> {
    let status = response.status().as_u16();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    Some(same_origin(from, location.unwrap_or_default()))
}

fn same_origin(from: &Uri, location: &str) -> Result<Uri, Astray> {
    let refused = |problem| Astray {
        problem,
        origin: None,
    };
    let own = origin(from).ok_or_else(|| refused("redirect from nowhere"))?;
    let absolute = match location {
        "" => return Err(refused("redirect without a target")),
        path if path.starts_with('/') && !path.starts_with("//") => own.clone() + path,
        url => url.to_owned(),
    };
    let no_url = "redirect to something that is no URL";
    let next: Uri = absolute.parse().map_err(|_| refused(no_url))?;
    match origin(&next) {
        Some(other) if other.eq_ignore_ascii_case(&own) => Ok(next),
        Some(other) => Err(Astray {
            problem: "a redirect to another host is not followed",
            origin: Some(other),
        }),
        None => Err(refused(no_url)),
    }
}

async fn read(response: hyper::Response<Incoming>) -> Response {
    let status = i32::from(response.status().as_u16());
    let asked = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|value| retry_after(value, db::clock()));
    let body = match first_bytes(response.into_body()).await {
        Ok(bytes) => Some(shown(&bytes)).filter(|body| !body.is_empty()),
        Err(error) => return trouble("the answer broke off", &error),
    };
    Response {
        status: Some(status),
        retry_after: asked,
        body,
        ..Response::default()
    }
}

/// As much of the body as is kept.
async fn first_bytes(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < KEPT {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| &data[..]));
    }
    Ok(bytes)
}

/// Bytes as text that a `text` column takes, 4 KiB at most.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]).replace('\0', "");
    let mut end = text.len().min(KEPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Why no answer came.
fn failure(error: &hyper_util::client::legacy::Error) -> Response {
    let refused = network_error::causes(error).find_map(|cause| cause.downcast_ref::<Refused>());
    match refused {
        Some(refused) => Response::refused(format!("the target resolves to {}", refused.0)),
        None if error.is_connect() => trouble("no connection", error),
        None => trouble("no answer", error),
    }
}

/// What is not known by its kind keeps its text, for where that may be shown.
fn trouble(what: &str, error: &(dyn StdError + 'static)) -> Response {
    match network_error::in_words(error) {
        Some(words) => Response::failure(format!("{what}: {words}")),
        None => Response {
            detail: Some(network_error::in_their_words(error)),
            ..Response::failure(what)
        },
    }
}

/// Resolves names without blocking the loop, and refuses addresses that are not allowed.
#[derive(Clone)]
struct CheckedResolver(Arc<AtomicBool>);

#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refused {}

type Resolved = Result<std::vec::IntoIter<SocketAddr>, Box<dyn StdError + Send + Sync>>;

impl tower_service::Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Resolved> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found.map_err(|_| Unresolved)?.collect();
            for address in &addresses {
                address::ensure_resolved_allowed(address.ip(), allow_private).map_err(Refused)?;
            }
            Ok(addresses.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_origin_is_followed() {
        let from: Uri = "https://track.customer.io/api/v1/customers/a/events"
            .parse()
            .unwrap();
        let to = |location: &str| same_origin(&from, location).map(|uri| uri.to_string());
        assert_eq!(to("/moved"), Ok("https://track.customer.io/moved".into()));
        assert_eq!(
            to("https://track.customer.io/x"),
            Ok("https://track.customer.io/x".into())
        );
        for location in [
            "http://track.customer.io/x",
            "https://evil.example/x",
            "//evil.example/x",
            "",
            "x",
        ] {
            assert!(to(location).is_err(), "{location}");
        }
    }

    #[test]
    fn any_answer_fits_its_column() {
        assert_eq!(shown(b"ok"), "ok");
        assert_eq!(shown(b"a\0b"), "ab");
        assert!(shown(&[0xff; 10_000]).len() <= KEPT);
        assert_eq!(shown("é".repeat(4_000).as_bytes()).len(), KEPT);
    }
}
