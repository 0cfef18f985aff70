//! The port, signals and the graceful stop.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::client_ip::contains;
use crate::config::Config;
use crate::connection::{self, Ahead, End, Limits, Rules};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::places::{Client, Places};
use crate::providers::SecretsByShop;
use crate::routes::app;
use crate::state::App;
use crate::store::Store;
use crate::store::postgres::Postgres;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 4096;
/// Bytes of answers that the kernel keeps for one client: what nobody reads must not fill its memory.
const SEND_BUFFER: u32 = 16 << 10;
/// Files that are no connection of a client: the database's sockets, standard streams, the runtime's own.
const OTHER_FILES: u64 = 64;
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
    let listener =
        listen(config.listen).map_err(|error| failed(&format!("LISTEN_ADDR {}", config.listen), &error))?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let (store, drain) = Store::start(Arc::new(inbox), config.store_limits(), Arc::clone(&metrics));
    let router = app(App::new(
        Arc::clone(&config),
        store,
        Arc::clone(&metrics),
        log.clone(),
    ));
    log.event("started", started(&config, address));
    for parameter in &config.database.ignored {
        log.event("database_url_parameter_ignored", json!({"parameter": parameter}));
    }
    let files_for_connections = raise_open_files(config.max_connections, config.db_connections);
    if files_for_connections < config.max_connections {
        log.event(
            "open_files_low",
            json!({"max_connections": files_for_connections, "next": "raise ulimit -n (LimitNOFILE), or lower MAX_CONNECTIONS"}),
        );
    }
    let server = Server {
        max_connections: files_for_connections,
        ..Server::new(listener, router, &config, Arc::clone(&metrics), log.clone())
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
        .flat_map(|settings| {
            let (all, provider) = (settings.secrets.len(), settings.provider);
            let by_shop = settings.secrets.iter().filter(|secret| secret.shop().is_some());
            match provider.secrets_by_shop {
                SecretsByShop::Listed(variable) => vec![
                    (provider.secret_variable, all - by_shop.clone().count()),
                    (variable, by_shop.count()),
                ],
                SecretsByShop::Appended => vec![(provider.secret_variable, all)],
            }
        })
        .map(|(variable, count)| (variable.to_owned(), json!(count)))
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

/// Opens the port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Raises the limit of open files as far as this process may, if need be; returns how many connections fit.
fn raise_open_files(connections: usize, database: usize) -> usize {
    let others = u64::try_from(database)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(others);
    let limit = getrlimit(Resource::Nofile);
    // None stands for no limit.
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < wanted {
        let raised = limit.maximum.unwrap_or(u64::MAX).min(wanted);
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, new).is_ok() {
            current = raised;
        }
    }
    usize::try_from(current.saturating_sub(others))
        .unwrap_or(usize::MAX)
        .clamp(1, connections)
}

/// Accepts connections and serves a router on them.
pub struct Server {
    /// The open port.
    pub listener: TcpListener,
    /// What is served.
    pub router: Router,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Connections that one client may hold once all are open.
    pub share: usize,
    /// How long a client may keep a connection waiting.
    pub limits: Limits,
    /// Peers that have no share of their own.
    pub trusted_proxies: Vec<IpNet>,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
    /// Where trouble with the socket goes.
    pub log: Log,
}

impl Server {
    /// A server with the configuration's limits.
    pub fn new(
        listener: TcpListener,
        router: Router,
        config: &Config,
        metrics: Arc<Metrics>,
        log: Log,
    ) -> Self {
        Self {
            listener,
            router,
            max_connections: config.max_connections,
            share: config.share_of(config.max_connections),
            limits: config.connection_limits(),
            trusted_proxies: config.trusted_proxies.clone(),
            metrics,
            log,
        }
    }

    /// Serves until `stop` is done; then closes the port and hands back the connections that are still open.
    pub async fn accept_until(self, stop: impl Future<Output = ()>) -> GracefulShutdown {
        let connections = GracefulShutdown::new();
        let places = Places::new(self.max_connections, self.share);
        let rules = Rules {
            limits: self.limits,
            ahead: Arc::new(Ahead::default()),
        };
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => return connections,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer, &places, &rules, &connections),
                Err(error) => {
                    self.log
                        .event("accept_failed", json!({"error": error.to_string()}));
                    // Out of file descriptors, most likely: one is freed, and spinning would not help.
                    places.displace_furthest_behind();
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    fn begin(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        places: &Arc<Places>,
        rules: &Rules,
        connections: &GracefulShutdown,
    ) {
        let address = peer.ip().to_canonical();
        let client = (!contains(&self.trusted_proxies, address)).then(|| Client::of(address));
        let Some(place) = places.take(client) else {
            self.metrics.connection_cut(End::Displaced);
            return;
        };
        let (router, rules, watcher) = (self.router.clone(), rules.clone(), connections.watcher());
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            metrics.connections.inc();
            let end = connection::serve(stream, peer, place, router, rules, watcher).await;
            metrics.connections.dec();
            metrics.connection_cut(end);
        });
    }
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
