//! Sockets, time limits, signals and the graceful stop.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower::ServiceExt;

use crate::config::Config;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::routes::{App, app};
use crate::store::Store;
use crate::store::postgres::Postgres;

/// How long a connection may take to send a request's headers; also how long it may stay idle.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// Open connections for each request that may be in flight: the rest wait in the kernel's queue.
const CONNECTIONS_PER_SLOT: usize = 4;
/// After this much of a stop, connections that carry no request are left behind.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// Kept back of the time for a stop, for storing what waits and for the log.
const DRAIN_RESERVE: Duration = Duration::from_secs(1);

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Everything that had been accepted was answered.
    Clean,
    /// Time ran out before that; those webhooks were not answered 200 and will be sent again.
    CutShort,
}

/// Why the program could not start.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// Serves until SIGTERM or SIGINT. The database need not be up.
pub async fn run(config: Config) -> Result<Stop, StartError> {
    let failed = |what: &str, error: &dyn fmt::Display| StartError(format!("{what}: {error}"));
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::new().map_err(|error| failed("metrics", &error))?);
    let log = Log::start(io::stdout(), metrics.log_dropped.clone()).map_err(|error| failed("log", &error))?;
    let inbox = Postgres::new(&config.database, config.db_connections, config.store_timeout)
        .map_err(|error| failed("DATABASE_URL", &error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failed("signals", &error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| failed("signals", &error))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| failed(&format!("LISTEN_ADDR {}", config.listen), &error))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let (store, drain) = Store::start(Arc::new(inbox), config.store_limits(), Arc::clone(&metrics));
    let router = app(App::new(
        Arc::clone(&config),
        store,
        Arc::clone(&metrics),
        log.clone(),
    ));
    log.event("started", started(&config, address));

    let slots = config.max_in_flight.saturating_mul(CONNECTIONS_PER_SLOT);
    let server = Server {
        listener,
        router,
        slots: Arc::new(Semaphore::new(slots)),
        log: log.clone(),
    };
    let connections = server
        .accept_until(stop_signal(&mut terminate, &mut interrupt))
        .await;
    let begun = Instant::now();
    log.event("stopping", json!({"requests_in_flight": metrics.in_flight.get()}));
    let patience = config.shutdown_timeout.saturating_sub(DRAIN_RESERVE);
    let answered = finish(connections, &metrics, patience).await;
    let drained = drain
        .finish(config.shutdown_timeout.saturating_sub(begun.elapsed()))
        .await;
    let stop = if answered && drained {
        Stop::Clean
    } else {
        Stop::CutShort
    };
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    log.event(
        "stopped",
        json!({"clean": stop == Stop::Clean, "duration_ms": took}),
    );
    log.flush(DRAIN_RESERVE);
    Ok(stop)
}

/// Which providers are open is what an operator wants to see first; secrets are only counted.
fn started(config: &Config, address: SocketAddr) -> serde_json::Value {
    let secrets: serde_json::Map<String, serde_json::Value> = config
        .providers
        .iter()
        .map(|settings| {
            (
                settings.provider.secret_variable.to_owned(),
                json!(settings.secrets.len()),
            )
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"), "listen": address.to_string(), "secrets": secrets,
        "db_connections": config.db_connections,
    })
}

async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Accepts connections and serves a router on them.
pub struct Server {
    /// The open port.
    pub listener: TcpListener,
    /// What is served.
    pub router: Router,
    /// One permit for each connection that may be open.
    pub slots: Arc<Semaphore>,
    /// Where trouble with the socket goes.
    pub log: Log,
}

impl Server {
    /// Serves until `stop` is done; then closes the port and hands back the connections that are still open.
    pub async fn accept_until(self, stop: impl Future<Output = ()>) -> GracefulShutdown {
        let connections = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return connections,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer, slot)) => {
                    let connection = serve(stream, peer, self.router.clone(), connections.watcher());
                    tokio::spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be closed instead of spinning.
                    self.log
                        .event("accept_failed", json!({"error": error.to_string()}));
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        Ok((stream, peer, slot))
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, watcher: Watcher) {
    // Answers are smaller than a packet: waiting to fill one would only delay them.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service);
    // An error here is a client that broke off or did not speak HTTP; what it asked for is logged by the router.
    let _ = watcher.watch(connection).await;
}

/// Waits until every accepted request is answered, at most `limit`. Half-sent headers are not waited for longer than a moment.
pub async fn finish(connections: GracefulShutdown, metrics: &Metrics, limit: Duration) -> bool {
    let only_idle_left = async {
        sleep(IDLE_GRACE).await;
        let mut tick = interval(Duration::from_millis(50));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if metrics.in_flight.get() == 0 {
                break;
            }
        }
    };
    let done = async {
        tokio::select! {
            () = connections.shutdown() => {}
            () = only_idle_left => {}
        }
    };
    timeout(limit, done).await.is_ok()
}
