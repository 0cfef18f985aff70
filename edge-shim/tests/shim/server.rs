//! What only real sockets show: time limits, chunked bodies, the graceful stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_shim::server::{Server, finish};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support;
use crate::support::{DEADLINE, ORDER, ScriptedInbox, TestApp, all_new, config, sign};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<GracefulShutdown>,
}

async fn serve(app: &TestApp) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = Server::new(
        listener,
        app.router.clone(),
        &app.config,
        Arc::clone(&app.metrics),
        app.log.clone(),
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let accepting = tokio::spawn(server.accept_until(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        stop,
        accepting,
    }
}

fn head(extra: &str, body: &str) -> String {
    format!(
        "POST {ORDER} HTTP/1.1\r\nhost: shim\r\nx-shopify-hmac-sha256: {}\r\n{extra}\r\n",
        sign(support::SECRET, body.as_bytes())
    )
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer).await.expect("an answer") {
                0 => break,
                read => seen.extend_from_slice(&buffer[..read]),
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .expect("an answer in time");
    String::from_utf8_lossy(&seen)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn chunked_bodies_are_taken_and_limited() {
    let inbox = ScriptedInbox::open(all_new);
    let app = TestApp::new(inbox.clone(), &[("MAX_BODY_BYTES", "10")]);
    let running = serve(&app).await;
    for (chunks, body, expected) in [
        (
            "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
            "0123456789",
            "HTTP/1.1 200 OK",
        ),
        (
            "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
            "0123456789a",
            "HTTP/1.1 413 Payload Too Large",
        ),
    ] {
        let mut stream = TcpStream::connect(running.address).await.expect("connected");
        let request = format!("{}{chunks}", head("transfer-encoding: chunked\r\n", body));
        stream.write_all(request.as_bytes()).await.expect("sent");
        assert_eq!(status_line(&mut stream).await, expected);
    }
    assert_eq!(inbox.only_webhook().body, "0123456789");
}

#[tokio::test]
async fn a_body_that_never_ends_is_408() {
    let mut config = config(&[]);
    config.body_time = Duration::from_millis(50);
    let app = TestApp::from_config(ScriptedInbox::open(all_new), config);
    let running = serve(&app).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(head("content-length: 100\r\n", "").as_bytes())
        .await
        .expect("sent");
    assert_eq!(status_line(&mut stream).await, "HTTP/1.1 408 Request Timeout");
}

#[tokio::test]
async fn a_stop_answers_what_was_accepted_and_takes_no_new_connection() {
    let inbox = ScriptedInbox::gated(all_new);
    let app = TestApp::new(inbox.clone(), &[]);
    let running = serve(&app).await;
    let _silent = TcpStream::connect(running.address).await.expect("connected");
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(format!("{}{{}}", head("content-length: 2\r\n", "{}")).as_bytes())
        .await
        .expect("sent");
    support::until("the webhook is being stored", || inbox.sizes().len() == 1).await;

    running.stop.send(()).expect("still running");
    let connections = running.accepting.await.expect("no panic");
    assert!(
        TcpStream::connect(running.address).await.is_err(),
        "the port is closed"
    );
    inbox.let_through(1);
    assert!(finish(connections, &app.metrics, DEADLINE).await);
    assert_eq!(status_line(&mut stream).await, "HTTP/1.1 200 OK");
    assert!(app.drain.finish(DEADLINE).await);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let inbox = ScriptedInbox::gated(all_new);
    let app = TestApp::new(inbox.clone(), &[]);
    let running = serve(&app).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(format!("{}{{}}", head("content-length: 2\r\n", "{}")).as_bytes())
        .await
        .expect("sent");
    support::until("the webhook is being stored", || inbox.sizes().len() == 1).await;
    running.stop.send(()).expect("still running");
    let connections = running.accepting.await.expect("no panic");
    assert!(!finish(connections, &app.metrics, Duration::from_millis(50)).await);
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_the_request_gets_its_answer() {
    let inbox = ScriptedInbox::gated(all_new);
    let app = TestApp::new(inbox.clone(), &[]);
    let running = serve(&app).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(format!("{}{{}}", head("content-length: 2\r\n", "{}")).as_bytes())
        .await
        .expect("sent");
    stream.shutdown().await.expect("half closed");
    support::until("the webhook is being stored", || inbox.sizes().len() == 1).await;
    inbox.let_through(1);
    assert_eq!(status_line(&mut stream).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_webhook_whose_client_went_away_is_stored_and_logged() {
    let inbox = ScriptedInbox::gated(all_new);
    let app = TestApp::new(inbox.clone(), &[]);
    let running = serve(&app).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(format!("{}{{}}", head("content-length: 2\r\n", "{}")).as_bytes())
        .await
        .expect("sent");
    support::until("the webhook is being stored", || inbox.sizes().len() == 1).await;
    drop(stream);
    inbox.let_through(1);
    support::until("the request has ended", || app.metrics.in_flight.get() == 0).await;
    assert_eq!(app.log_lines()[0]["status"], 200);
    support::until("the connection has ended", || app.metrics.connections.get() == 0).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_logged_as_400() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[]);
    let running = serve(&app).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    stream
        .write_all(format!("{}{{", head("content-length: 2\r\n", "{}")).as_bytes())
        .await
        .expect("sent");
    drop(stream);
    support::until("the request has ended", || {
        app.metrics.in_flight.get() == 0 && !app.log_lines().is_empty()
    })
    .await;
    assert_eq!(app.log_lines()[0]["status"], 400);
}
