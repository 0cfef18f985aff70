//! A small HTTP/1.1 client with kept-alive connections, over TCP without TLS.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// From the first byte sent to the last received.
    pub latency: Duration,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The client; clones share its connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    limit: Duration,
}

impl HttpClient {
    /// A client that gives up on a request after `limit`.
    pub fn new(limit: Duration) -> Self {
        Self::from_address(limit, None)
    }

    /// The same, from this address of the machine.
    pub fn from_address(limit: Duration, local: Option<IpAddr>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_local_address(local);
        connector.set_connect_timeout(Some(limit.min(Duration::from_secs(1))));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client, limit }
    }

    /// GET.
    pub async fn get(&self, url: &str) -> Result<Answer> {
        self.send(Method::GET, url, HeaderMap::new(), Bytes::new()).await
    }

    /// POST with these headers.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer> {
        self.send(Method::POST, url, headers, body).await
    }

    /// Any request.
    pub async fn send(&self, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(url).body(Full::new(body))?;
        *request.headers_mut() = headers;
        let start = Instant::now();
        let exchange = async {
            let (parts, body) = self.client.request(request).await?.into_parts();
            anyhow::Ok((parts, body.collect().await?.to_bytes()))
        };
        let (parts, body) = tokio::time::timeout(self.limit, exchange)
            .await
            .with_context(|| format!("no answer within {:.1} s from {url}", self.limit.as_secs_f64()))?
            .with_context(|| format!("no answer from {url}"))?;
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            latency: start.elapsed(),
        })
    }
}

/// Headers from pairs; a name or value that HTTP does not allow is an error.
pub fn headers<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let key =
            HeaderName::from_bytes(name.as_bytes()).with_context(|| format!("bad header name {name:?}"))?;
        // From bytes: a header may carry UTF-8.
        let value =
            HeaderValue::from_bytes(value.as_bytes()).with_context(|| format!("bad value of {name}"))?;
        map.append(key, value);
    }
    Ok(map)
}
