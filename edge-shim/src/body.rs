//! Reads a request body within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::places::Place;
use crate::refusal::Refusal;

/// How many bytes of a refused body are read and thrown away, at most: a client that is still sending would otherwise meet a
/// closed socket instead of the answer.
const DISCARD_BYTES: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Over this time a body's rate is measured: long enough for a lost packet to be sent again.
const WINDOW: Duration = Duration::from_secs(2);
/// How long a displaced body's memory may take to come free.
const ROOM_TIME: Duration = Duration::from_millis(250);

/// Limits for one body, and the memory that all bodies share.
#[derive(Debug)]
pub struct BodyLimits {
    /// Bytes in one body.
    pub max_bytes: usize,
    /// How long the whole body may take.
    pub max_time: Duration,
    /// Bytes a second, below which nothing is waited for any longer.
    pub min_rate: usize,
    /// One permit for each byte that may be held at once, over all requests.
    pub budget: Arc<Semaphore>,
}

/// A body in memory. Its share of the budget is given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The bytes as they came.
    pub bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Shared further as [`Bytes`] it is held until nobody needs them.
impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the whole body. An over-long body is refused whether its length was declared or not. What is held weighs on the place.
pub async fn read(body: Body, limits: &BodyLimits, place: &Place) -> Result<Held, Refusal> {
    timeout(limits.max_time, collect(body, limits, place))
        .await
        .map_err(|_| Refusal::TooSlow)?
}

/// Reads and forgets what the client is still sending, within bounds. Uses no memory.
pub async fn discard(mut body: Body) {
    let forget = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > DISCARD_BYTES {
                break;
            }
        }
    };
    // Running out of time is as good as reaching the end.
    let _ = timeout(DISCARD_TIME, forget).await;
}

async fn collect(mut body: Body, limits: &BodyLimits, place: &Place) -> Result<Held, Refusal> {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut share: Option<OwnedSemaphorePermit> = None;
    let mut length = 0;
    let mut pace = Pace::new(limits.min_rate);
    while let Some(frame) = pace.next(&mut body).await? {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length > limits.max_bytes {
            drop(share);
            discard(body).await;
            return Err(Refusal::TooLarge(limits.max_bytes));
        }
        // The budget grows with what arrived, not with what was declared: announcing a length costs a sender nothing.
        reserve(&mut share, &limits.budget, data.len(), place).await?;
        place.weigh(data.len());
        if length == data.len() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
    }
    let bytes = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Held { bytes, _share: share })
}

async fn reserve(
    share: &mut Option<OwnedSemaphorePermit>,
    budget: &Arc<Semaphore>,
    bytes: usize,
    place: &Place,
) -> Result<(), Refusal> {
    let wanted = u32::try_from(bytes).map_err(|_| Refusal::Busy)?;
    let more = loop {
        match Arc::clone(budget).try_acquire_many_owned(wanted) {
            Ok(more) => break more,
            Err(_) if place.displace_heavier() => {}
            Err(_) => return Err(Refusal::Busy),
        }
        if let Ok(Ok(more)) = timeout(ROOM_TIME, Arc::clone(budget).acquire_many_owned(wanted)).await {
            break more;
        }
    };
    match share {
        Some(held) => held.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

/// Watches that a body keeps coming.
struct Pace {
    least: usize,
    seen: usize,
    until: Instant,
}

impl Pace {
    fn new(rate: usize) -> Self {
        Self {
            least: rate.saturating_mul(usize::try_from(WINDOW.as_secs()).unwrap_or(usize::MAX)),
            seen: 0,
            until: Instant::now() + WINDOW,
        }
    }

    /// The body's next frame; refuses when too little has come over the last while.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Frame<Bytes>>, Refusal> {
        loop {
            let frame = timeout_at(self.until, body.frame()).await;
            if Instant::now() >= self.until {
                if self.seen < self.least && !matches!(frame, Ok(None)) {
                    return Err(Refusal::TooSlow);
                }
                (self.seen, self.until) = (0, Instant::now() + WINDOW);
            }
            let Ok(frame) = frame else {
                continue;
            };
            let frame = frame.transpose().map_err(|_| Refusal::BrokenBody)?;
            self.seen += frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
            return Ok(frame);
        }
    }
}
