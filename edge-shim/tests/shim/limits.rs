//! What a client without a signature can do to others: over real sockets, with limits made small.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use edge_shim::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support;
use crate::support::{DEADLINE, ORDER, ScriptedInbox, TestApp, all_new, sign, until};

const HONEST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const GREEDY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

struct Served {
    app: TestApp,
    address: SocketAddr,
}

impl Served {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::new(ScriptedInbox::open(all_new), settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Server::new(
            listener,
            app.router.clone(),
            &app.config,
            Arc::clone(&app.metrics),
            app.log.clone(),
        );
        tokio::spawn(server.accept_until(std::future::pending()));
        Self { app, address }
    }

    async fn connect(&self, from: Ipv4Addr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::new(IpAddr::V4(from), 0))
            .expect("an address of this machine");
        socket.connect(self.address).await.expect("connected")
    }

    async fn send(&self, from: Ipv4Addr, text: &str) -> TcpStream {
        let mut stream = self.connect(from).await;
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    async fn until_open(&self, connections: i64) {
        until("they are accepted", || {
            self.app.metrics.connections.get() == connections
        })
        .await;
    }

    async fn until_in_flight(&self, requests: i64) {
        until("they are being read", || {
            self.app.metrics.in_flight.get() == requests
        })
        .await;
    }

    fn cut(&self, reason: &str) -> bool {
        let text = self.app.metrics.text().expect("metrics");
        let text = String::from_utf8(text).expect("UTF-8");
        let line = format!("edge_shim_connections_cut_total{{reason=\"{reason}\"}} ");
        let count = text.lines().find_map(|found| found.strip_prefix(&line));
        count.expect("it begins at zero").parse::<u64>().expect("a count") > 0
    }
}

/// A webhook, signed; `length` may announce more than is sent.
fn webhook(body: &str, length: usize, more: &str) -> String {
    format!(
        "POST {ORDER} HTTP/1.1\r\nhost: shim\r\nx-shopify-hmac-sha256: {}\r\ncontent-length: {length}\r\n{more}\r\n{body}",
        sign(support::SECRET, body.as_bytes()),
    )
}

/// The answer's status; None for a connection that is closed.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut buffer = [0; 1024];
    let read = timeout(DEADLINE, stream.read(&mut buffer))
        .await
        .expect("an answer or an end");
    // A reset is an end, too.
    let read = read.unwrap_or(0);
    let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
    text.split(' ')
        .nth(1)
        .map(|status| status.parse().expect("a status"))
}

#[tokio::test]
async fn answers_that_nobody_reads_end_the_connection() {
    let served = Served::new(&[("WRITE_TIMEOUT_MS", "100")]).await;
    let mut stream = served.connect(GREEDY).await;
    let ask = "GET /metrics HTTP/1.1\r\nhost: shim\r\n\r\n".repeat(100);
    let flood = async { while stream.write_all(ask.as_bytes()).await.is_ok() {} };
    timeout(DEADLINE, flood).await.expect("cut off");
    until("it is counted", || served.cut("not_reading")).await;
}

#[tokio::test]
async fn without_a_request_in_time_a_connection_ends() {
    let served = Served::new(&[("HEADER_TIMEOUT_MS", "100")]).await;
    for begun in ["", "POST / HTTP/1.1\r\nhost: sh"] {
        let mut stream = served.send(GREEDY, begun).await;
        assert_eq!(status(&mut stream).await, None);
    }
    assert!(served.cut("no_request"));
}

#[tokio::test]
async fn headers_that_trickle_do_not_renew_their_time() {
    let served = Served::new(&[("HEADER_TIMEOUT_MS", "300")]).await;
    let mut stream = served.send(GREEDY, "GET / HTTP/1.1\r\n").await;
    let trickle = async {
        while stream.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, trickle).await.expect("cut off");
}

#[tokio::test]
async fn between_requests_a_connection_may_rest_for_its_own_time() {
    let served = Served::new(&[("HEADER_TIMEOUT_MS", "50"), ("IDLE_TIMEOUT_MS", "600")]).await;
    let mut stream = served.send(HONEST, &webhook("{}", 2, "")).await;
    assert_eq!(status(&mut stream).await, Some(200));
    let begun = std::time::Instant::now();
    assert_eq!(status(&mut stream).await, None);
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_body_below_the_rate_is_408_and_the_rate_is_counted_anew() {
    let served = Served::new(&[("MIN_BODY_RATE", "500")]).await;
    // A good start does not buy time.
    let mut stream = served.send(GREEDY, &webhook(&"x".repeat(5000), 9000, "")).await;
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut buffer = [0; 64];
    tokio::select! {
        () = trickle => panic!("no answer"),
        read = timeout(DEADLINE, reading.read(&mut buffer)) => { read.expect("in time").expect("an answer"); }
    }
    assert!(
        buffer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&buffer)
    );
}

#[tokio::test]
async fn with_all_connections_open_the_longest_idle_gives_way() {
    let served = Served::new(&[
        ("MAX_IN_FLIGHT", "1"),
        ("MAX_CONNECTIONS", "3"),
        ("CLIENT_SHARE_PERCENT", "100"),
    ])
    .await;
    let mut idle = Vec::new();
    for open in 1..=3 {
        idle.push(served.connect(GREEDY).await);
        served.until_open(open).await;
    }
    let mut stream = served.send(HONEST, &webhook("{}", 2, "")).await;
    assert_eq!(status(&mut stream).await, Some(200));
    assert_eq!(status(&mut idle[0]).await, None);
    assert!(served.cut("displaced"));
    served.until_open(3).await;
}

#[tokio::test]
async fn a_client_with_more_than_its_share_gives_way_before_others_that_rest_longer() {
    let served = Served::new(&[
        ("MAX_IN_FLIGHT", "1"),
        ("MAX_CONNECTIONS", "4"),
        ("CLIENT_SHARE_PERCENT", "50"),
    ])
    .await;
    let mut rests = served.send(HONEST, &webhook("{}", 2, "")).await;
    assert_eq!(status(&mut rests).await, Some(200));
    let mut greedy = Vec::new();
    for open in 2..=4 {
        greedy.push(served.connect(GREEDY).await);
        served.until_open(open).await;
    }
    let mut newcomer = served.send(HONEST, &webhook("{}", 2, "")).await;
    assert_eq!(status(&mut newcomer).await, Some(200));
    assert_eq!(status(&mut greedy[0]).await, None);
    rests
        .write_all(webhook("{}", 2, "").as_bytes())
        .await
        .expect("still open");
    assert_eq!(status(&mut rests).await, Some(200));
}

/// Takes every place for a request with bodies that do not end; returns the first of them.
async fn hold_all_requests(served: &Served, from: Ipv4Addr, more: &str) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for in_flight in 1..=4 {
        held.push(served.send(from, &webhook("{", 1000, more)).await);
        served.until_in_flight(in_flight).await;
    }
    held
}

#[tokio::test]
async fn bodies_that_trickle_give_way_to_webhooks_of_others() {
    let served = Served::new(&[("MAX_IN_FLIGHT", "4"), ("CLIENT_SHARE_PERCENT", "50")]).await;
    let mut held = hold_all_requests(&served, GREEDY, "").await;
    for _ in 0..8 {
        let mut stream = served.send(HONEST, &webhook("{}", 2, "")).await;
        assert_eq!(status(&mut stream).await, Some(200));
    }
    assert_eq!(status(&mut held[0]).await, Some(503));
}

#[tokio::test]
async fn behind_a_proxy_the_client_gives_way_and_not_the_proxy() {
    let served = Served::new(&[
        ("MAX_IN_FLIGHT", "4"),
        ("CLIENT_SHARE_PERCENT", "50"),
        ("TRUSTED_PROXIES", "127.0.0.4"),
    ])
    .await;
    let mut held = hold_all_requests(&served, PROXY, "x-forwarded-for: 203.0.113.9\r\n").await;
    for client in 1..=8 {
        let from = format!("x-forwarded-for: 198.51.100.{client}\r\n");
        let mut stream = served.send(PROXY, &webhook("{}", 2, &from)).await;
        assert_eq!(status(&mut stream).await, Some(200));
    }
    assert_eq!(status(&mut held[0]).await, Some(503));
}

#[tokio::test]
async fn memory_held_by_bodies_that_do_not_end_gives_way_to_webhooks_of_others() {
    let served = Served::new(&[("MAX_BODY_BYTES", "1000"), ("MAX_BUFFERED_BYTES", "2000")]).await;
    let large = "x".repeat(990);
    let mut held = Vec::new();
    for in_flight in 1..=2 {
        held.push(served.send(GREEDY, &webhook(&large, 1000, "")).await);
        served.until_in_flight(in_flight).await;
    }
    for _ in 0..4 {
        let body = "y".repeat(900);
        let mut stream = served.send(HONEST, &webhook(&body, body.len(), "")).await;
        assert_eq!(status(&mut stream).await, Some(200));
    }
    assert_eq!(status(&mut held[0]).await, Some(503));
}
