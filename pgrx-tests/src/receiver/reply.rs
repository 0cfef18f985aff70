//! What a receiver answers, when, and how far it gets.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// One answer. It begins as a status with an empty body; the rest is added.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) delay: Duration,
    pub(super) held: bool,
    pub(super) ending: Ending,
}

/// How far an answer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of it.
    Whole,
    /// The connection is closed before the first byte.
    Nothing,
    /// So many bytes of the body, then the connection is closed.
    CutAfter(usize),
    /// So many bytes of the body, then silence until released.
    StalledAfter(usize),
    /// The body, over and over, as long as somebody reads.
    Endless,
}

impl Reply {
    /// 200 with an empty body.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// A status with an empty body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            held: false,
            ending: Ending::Whole,
        }
    }

    /// A redirect: 301, 302, 303, 307 or 308.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// No answer for as long as the receiver is not told to [release](super::Receiver::release) it; then 200.
    pub fn never() -> Self {
        Self::ok().held()
    }

    /// Closes the connection without an answer.
    pub fn close() -> Self {
        Self {
            ending: Ending::Nothing,
            ..Self::ok()
        }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body, of any bytes.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With this body as text.
    pub fn text(self, text: &str) -> Self {
        self.header("content-type", "text/plain; charset=utf-8")
            .body(text.to_owned())
    }

    /// With this body as JSON.
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json; charset=utf-8")
            .body(value.to_string())
    }

    /// With `Retry-After` in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", &seconds.to_string())
    }

    /// With `Retry-After` as a date, which has whole seconds.
    pub fn retry_after_date(self, time: SystemTime) -> Self {
        let date = DateTime::<Utc>::from(time);
        self.header(
            "retry-after",
            &date.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        )
    }

    /// Only after this time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Only when the receiver is told to [release](super::Receiver::release) it.
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Half an answer: the head promises the whole body, the connection is closed after so many bytes of it.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.ending = Ending::CutAfter(bytes);
        self
    }

    /// Half an answer, and then nothing, until released: then the connection is closed.
    pub fn stalled_after(mut self, bytes: usize) -> Self {
        self.ending = Ending::StalledAfter(bytes);
        self
    }

    /// The body again and again, without an end.
    pub fn endless(mut self) -> Self {
        self.ending = Ending::Endless;
        self
    }
}
