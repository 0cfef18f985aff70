//! The server itself: one thread, one task a connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context as Task, Poll};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};

use super::lock::Lock;
use super::record::{Received, Records};
use super::reply::{Ending, Reply};
use super::script::Script;
use super::tls::Identity;

/// Connections that may wait to be taken: a burst must not run into the kernel's second of patience.
const BACKLOG: u32 = 4096;

/// How many at once.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    pub(super) fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// One in a [`Gauge`], for as long as it lives.
struct Counted(Arc<World>);

impl Counted {
    fn new(world: &Arc<World>) -> Self {
        let now = world.in_flight.now.fetch_add(1, Ordering::SeqCst) + 1;
        world.in_flight.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(world))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.in_flight.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a receiver knows; it outlives the server when that is stopped for a while.
#[derive(Debug)]
pub(super) struct World {
    pub(super) identity: Option<Identity>,
    pub(super) script: Lock<Script>,
    pub(super) records: Records,
    pub(super) in_flight: Gauge,
    connections: AtomicUsize,
    failed_handshakes: AtomicUsize,
    releases: watch::Sender<u64>,
}

impl World {
    pub(super) fn new(identity: Option<Identity>) -> Self {
        Self {
            identity,
            script: Lock::new(Script::default()),
            records: Records::new(),
            in_flight: Gauge::default(),
            connections: AtomicUsize::new(0),
            failed_handshakes: AtomicUsize::new(0),
            releases: watch::Sender::new(0),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn failed_handshakes(&self) -> usize {
        self.failed_handshakes.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }
}

/// A running server. Dropping it ends its thread and every connection.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    end: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    pub(super) fn start(world: Arc<World>, wanted: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let listener = match listen(wanted) {
                        Ok(listener) => listener,
                        Err(error) => return drop(tell.send(Err(error))),
                    };
                    // Nobody is there to be told if the one that asked has gone.
                    let _ = tell.send(listener.local_addr());
                    tokio::select! {
                        () = accept(listener, world) => {}
                        _ = ended => {}
                    }
                });
            })?;
        let address = told.recv().context("the receiver's thread ended")?;
        let address = address.with_context(|| format!("cannot listen on {wanted}"))?;
        Ok(Self {
            address,
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Stopped and started again, it finds connections of the last time still dying.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, world: Arc<World>) {
    loop {
        // An error belongs to one connection that has gone already.
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let connection = world.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(stream, peer, connection, Arc::clone(&world)));
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, connection: usize, world: Arc<World>) {
    let _ = stream.set_nodelay(true);
    match &world.identity {
        None => talk(stream, peer, connection, world).await,
        Some(identity) => match identity.acceptor().accept(stream).await {
            Ok(stream) => talk(stream, peer, connection, world).await,
            Err(_) => {
                world.failed_handshakes.fetch_add(1, Ordering::SeqCst);
            }
        },
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    connection: usize,
    world: Arc<World>,
) {
    let service = service_fn(move |request| answer(request, peer, connection, Arc::clone(&world)));
    // How a connection ends is the sender's affair, or the script's.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    connection: usize,
    world: Arc<World>,
) -> io::Result<Response<Answer>> {
    let counted = Counted::new(&world);
    let (at, time) = (Instant::now(), SystemTime::now());
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let received = Arc::new(Received {
        at,
        time,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
        peer,
        connection,
    });
    // Whoever sees the record may release at once: that must count.
    let mut releases = world.releases.subscribe();
    releases.mark_unchanged();
    let behaviour = world.script.lock().take(&received.path);
    world.records.add(Arc::clone(&received));
    let reply = behaviour.reply(&received);
    if reply.held {
        // The sender of releases lives in `world`.
        let _ = releases.changed().await;
    }
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if reply.ending == Ending::Nothing {
        return Err(io::Error::other("closed without an answer"));
    }
    response(reply, releases, counted)
}

fn response(reply: Reply, releases: watch::Receiver<u64>, counted: Counted) -> io::Result<Response<Answer>> {
    let mut response = Response::new(Answer {
        rest: reply.body.clone(),
        whole: reply.body,
        ending: reply.ending,
        begun: false,
        flushed: false,
        released: Box::pin(async move {
            let mut releases = releases;
            let _ = releases.changed().await;
        }),
        _counted: counted,
    });
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(io::Error::other)?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// A body that may end before its end.
struct Answer {
    whole: Bytes,
    rest: Bytes,
    ending: Ending,
    begun: bool,
    flushed: bool,
    released: Pin<Box<dyn Future<Output = ()> + Send>>,
    _counted: Counted,
}

impl Answer {
    fn part(&mut self, bytes: usize) -> Option<Bytes> {
        let first = !std::mem::replace(&mut self.begun, true);
        let part = self.rest.split_to(bytes.min(self.rest.len()));
        (first && !part.is_empty()).then_some(part)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let part = match self.ending {
            Ending::Endless => Some(self.whole.clone()),
            Ending::CutAfter(bytes) | Ending::StalledAfter(bytes) => self.part(bytes),
            Ending::Whole | Ending::Nothing => self.part(usize::MAX),
        };
        if let Some(part) = part {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let ending = self.ending;
        match ending {
            Ending::Whole | Ending::Nothing | Ending::Endless => return Poll::Ready(None),
            Ending::StalledAfter(_) => std::task::ready!(self.released.as_mut().poll(task)),
            // What was said so far leaves before the connection is closed.
            Ending::CutAfter(_) if !std::mem::replace(&mut self.flushed, true) => {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            Ending::CutAfter(_) => {}
        }
        Poll::Ready(Some(Err(io::Error::other("cut as the script says"))))
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Whole && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.ending {
            Ending::Endless => SizeHint::default(),
            _ if self.begun => SizeHint::with_exact(self.rest.len() as u64),
            _ => SizeHint::with_exact(self.whole.len() as u64),
        }
    }
}
