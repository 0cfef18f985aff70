//! One connection: what its client is waited for, and for how long. What a client does without a signature (nothing, half a request,
//! requests whose answers it never reads) ends within a time limit, and before that as soon as somebody else needs the place.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tower::ServiceExt;

use crate::places::{Client, Place};

/// How often a connection's time limits are looked at, at most; short limits are looked at more often.
const CHECK: Duration = Duration::from_secs(1);

/// How long a client may keep this program waiting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a new connection's first byte, and then for the rest of a request's headers.
    pub header_time: Duration,
    /// Between an answer and the next request.
    pub idle_time: Duration,
    /// Without taking a byte of an answer that is ready.
    pub write_time: Duration,
}

/// What holds for every connection of a server.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long its client may keep it waiting.
    pub limits: Limits,
    /// Shared by all of them.
    pub ahead: Arc<Ahead>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP says, or because the client broke off.
    Over,
    /// Its place was needed for somebody else.
    Displaced,
    /// No request, or half of one, in time.
    NoRequest,
    /// An answer was not read in time.
    NotReading,
}

impl End {
    /// Every way in which this program ends a connection before its client does.
    pub const CUT: [Self; 3] = [Self::Displaced, Self::NoRequest, Self::NotReading];

    /// The name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Displaced => "displaced",
            Self::NoRequest => "no_request",
            Self::NotReading => "not_reading",
        }
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Its first byte.
    Fresh,
    /// The rest of a request's headers.
    Head,
    /// Its next request.
    Idle,
    /// A handler: the client has done its part.
    Served,
}

/// The state of one connection, shared between its socket and the requests that come over it.
#[derive(Debug)]
pub struct Line {
    place: Place,
    epoch: Instant,
    phase: AtomicU8,
    /// Milliseconds after the epoch.
    phase_since: AtomicU64,
    /// Since when a write has been waiting, plus one; zero if none is.
    blocked_since: AtomicU64,
    unblocked: Notify,
    /// True once something was read after the last answer: the next request was not sent ahead of it.
    waited: AtomicBool,
}

/// Lets requests through that were sent ahead of an answer: one at a time over all connections, with a pause. No provider sends so;
/// whoever does, and reads nothing, would keep the program busy for as long as there is room for answers.
#[derive(Debug, Default)]
pub struct Ahead(Mutex<()>);

impl Ahead {
    const PAUSE: Duration = Duration::from_millis(1);

    async fn pass(&self) {
        let _alone = self.0.lock().await;
        sleep(Self::PAUSE).await;
    }
}

impl Line {
    fn new(place: Place) -> Self {
        Self {
            place,
            epoch: Instant::now(),
            phase: AtomicU8::new(Phase::Fresh as u8),
            phase_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            unblocked: Notify::new(),
            waited: AtomicBool::new(false),
        }
    }

    /// The connection counts for the client behind a proxy.
    pub fn counts_for(&self, client: Option<Client>) {
        self.place.counts_for(client);
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.phase_since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn has_read(&self) {
        self.waited.store(true, Ordering::Relaxed);
        if self.is_in(Phase::Fresh) || self.is_in(Phase::Idle) {
            self.enter(Phase::Head);
        }
    }

    fn write_waits(&self) {
        let now = self.now() + 1;
        // Only the first wait counts; a byte that goes out ends it.
        let _ = self
            .blocked_since
            .compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn has_written(&self) {
        if self.blocked_since.swap(0, Ordering::Relaxed) != 0 {
            self.unblocked.notify_one();
        }
    }

    fn is_blocked(&self) -> bool {
        self.blocked_since.load(Ordering::Relaxed) != 0
    }

    /// A client that sends ahead gets its next answer only once it takes the last one, and after everybody else who does so.
    async fn turn(&self, ahead: &Ahead) {
        if self.waited.load(Ordering::Relaxed) {
            return;
        }
        while self.is_blocked() {
            self.unblocked.notified().await;
        }
        ahead.pass().await;
    }

    fn serve(self: &Arc<Self>) -> Served {
        self.enter(Phase::Served);
        self.place.serve();
        Served(Arc::clone(self))
    }

    fn overdue(&self, limits: &Limits) -> Option<End> {
        let now = self.now();
        let exceeds = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let blocked = self.blocked_since.load(Ordering::Relaxed);
        if blocked != 0 && exceeds(blocked, limits.write_time) {
            return Some(End::NotReading);
        }
        let limit = if self.is_in(Phase::Served) {
            return None;
        } else if self.is_in(Phase::Idle) {
            limits.idle_time
        } else {
            limits.header_time
        };
        exceeds(self.phase_since.load(Ordering::Relaxed), limit).then_some(End::NoRequest)
    }
}

/// A request is being served; dropped when its answer is ready.
struct Served(Arc<Line>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.waited.store(false, Ordering::Relaxed);
        self.0.enter(Phase::Idle);
        self.0.place.wait();
    }
}

/// Serves one connection until it ends. Its place is free again afterwards.
pub async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: Router,
    rules: Rules,
    watcher: Watcher,
) -> End {
    let Rules { limits, ahead } = rules;
    // Answers are smaller than a packet: waiting to fill one would only delay them.
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::new(place));
    let watched = Watched {
        stream,
        line: Arc::clone(&line),
    };
    let of_requests = Arc::clone(&line);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        let (router, line, ahead) = (router.clone(), Arc::clone(&of_requests), Arc::clone(&ahead));
        async move {
            line.turn(&ahead).await;
            let _served = line.serve();
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(Arc::clone(&line));
            router.oneshot(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_time + limits.header_time)
        // A client may close its side once it has sent its request, and still wants its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(watched), service);
    let connection = watcher.watch(connection);
    tokio::pin!(connection);
    let shortest = limits.header_time.min(limits.idle_time).min(limits.write_time);
    let mut check = interval((shortest / 4).clamp(Duration::from_millis(5), CHECK));
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // An error here is a client that broke off or did not speak HTTP; what it asked for is logged by the router.
            _ = &mut connection => return End::Over,
            () = line.place.lost() => return End::Displaced,
            _ = check.tick() => if let Some(end) = line.overdue(&limits) {
                return end;
            },
        }
    }
}

/// A socket that tells its line what goes in and out.
struct Watched {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Watched {
    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if outcome.is_pending() {
            self.line.write_waits();
        }
        let outcome = ready!(outcome);
        self.line.has_written();
        Poll::Ready(outcome)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.line.has_read();
        }
        outcome
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
