//! What arrived, and waiting for it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::watch;

use super::lock::Lock;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// When its head was read.
    pub at: Instant,
    /// The same by the calendar.
    pub time: SystemTime,
    /// `POST`
    pub method: String,
    /// The path as sent, percent-encoding and all, without the query.
    pub path: String,
    /// What stood behind `?`.
    pub query: Option<String>,
    /// Headers; names are lower-cased.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
    /// The sender's end of the connection.
    pub peer: SocketAddr,
    /// Which connection brought it: several may come over one.
    pub connection: usize,
}

impl Received {
    /// A header's value, the first of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }

    /// User and password of HTTP's Basic authentication.
    pub fn basic_auth(&self) -> Option<(String, String)> {
        let (scheme, code) = self.header(AUTHORIZATION.as_str())?.split_once(' ')?;
        let pair = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        scheme
            .eq_ignore_ascii_case("basic")
            .then(|| (user.to_owned(), password.to_owned()))
    }

    /// Does this text stand in it anywhere: path, query, headers or body?
    pub fn mentions(&self, text: &str) -> bool {
        let in_headers = self
            .headers
            .values()
            .any(|value| contains(value.as_bytes(), text));
        let in_query = self.query.as_deref().is_some_and(|query| query.contains(text));
        self.path.contains(text) || in_query || in_headers || contains(&self.body, text)
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len().max(1))
        .any(|window| window == text.as_bytes())
}

impl fmt::Display for Received {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: String = self.text().chars().take(200).collect();
        write!(out, "{} {} {body}", self.method, self.path)
    }
}

/// Everything that arrived; whoever waits is told of each.
#[derive(Debug)]
pub(super) struct Records {
    all: Lock<Vec<Arc<Received>>>,
    count: watch::Sender<usize>,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            all: Lock::new(Vec::new()),
            count: watch::Sender::new(0),
        }
    }

    pub(super) fn add(&self, request: Arc<Received>) {
        let mut all = self.all.lock();
        all.push(request);
        self.count.send_replace(all.len());
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Those from a position on.
    pub(super) fn from(&self, position: usize) -> Vec<Arc<Received>> {
        self.all
            .lock()
            .get(position..)
            .map(<[_]>::to_vec)
            .unwrap_or_default()
    }

    pub(super) async fn wait_for_count(&self, count: usize) {
        let mut counts = self.count.subscribe();
        // The sender lives as long as `self`.
        let _ = counts.wait_for(|now| *now >= count).await;
    }

    pub(super) async fn wait_for(&self, wanted: impl Fn(&Received) -> bool) -> Arc<Received> {
        let mut seen = 0;
        loop {
            let new = self.from(seen);
            seen += new.len();
            if let Some(found) = new.into_iter().find(|request| wanted(request)) {
                return found;
            }
            self.wait_for_count(seen + 1).await;
        }
    }
}
