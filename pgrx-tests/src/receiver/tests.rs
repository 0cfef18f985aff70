use std::time::{Duration, Instant, SystemTime};

use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::http::{Answer, HttpClient, headers};
use crate::payloads;
use crate::wait_until;

const LIMIT: Duration = Duration::from_secs(20);

async fn post(url: &str, body: &str) -> Result<Answer> {
    let json = headers([("content-type", "application/json")])?;
    HttpClient::new(LIMIT)
        .post(url, json, body.to_owned().into())
        .await
}

/// A request over a connection of its own; returns all that comes back until the connection is closed.
async fn raw(world: &Receiver, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn requests_are_recorded_and_answered_by_script() {
    let world = Receiver::start().unwrap();
    world.always("/hook", Reply::ok().text("later"));
    world.next("/hook", [Reply::status(503).retry_after(7), Reply::status(500)]);
    world.always("/under/*", |request: &Received| Reply::ok().text(&request.path));
    let client = HttpClient::new(LIMIT);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let sent = headers([("x-name", "Zoë")]).unwrap();
        let answer = client
            .post(&world.url("/hook?a=b%20c"), sent, b"\xff\0"[..].into())
            .await
            .unwrap();
        statuses.push((
            answer.status,
            answer.headers.get("retry-after").cloned(),
            answer.text(),
        ));
    }
    let expected = [
        (503, Some("7".parse().unwrap()), ""),
        (500, None, ""),
        (200, None, "later"),
    ];
    assert_eq!(
        statuses,
        expected.map(|(status, after, text)| (status, after, text.to_owned()))
    );
    assert_eq!(
        client.get(&world.url("/under/the/sea")).await.unwrap().text(),
        "/under/the/sea"
    );
    assert_eq!(client.get(&world.url("/nowhere")).await.unwrap().status, 404);

    let requests = world.requests();
    assert_eq!(requests.len(), 5);
    let first = &requests[0];
    assert_eq!(
        (first.method.as_str(), first.path.as_str(), first.query.as_deref()),
        ("POST", "/hook", Some("a=b%20c"))
    );
    assert_eq!(first.body.as_ref(), b"\xff\0");
    assert_eq!(first.headers["x-name"].as_bytes(), "Zoë".as_bytes());
    assert!(first.mentions("Zoë") && !first.mentions("Zoe"));
    assert_eq!(
        (first.connection, requests[2].connection),
        (0, 0),
        "one client, one connection"
    );
    assert!(first.at <= requests[1].at && first.time <= SystemTime::now());
    assert_eq!(world.requests_to("/hook").len(), 3);
}

#[tokio::test]
async fn an_answer_may_never_come_come_late_or_end_early() {
    let world = Receiver::start().unwrap();
    world.always("/never", Reply::never());
    world.always("/late", Reply::ok().after(Duration::from_millis(120)));
    world.always("/close", Reply::close());
    world.always("/half", Reply::ok().body("0123456789").cut_after(4));
    world.always("/stalls", Reply::ok().body("0123456789").stalled_after(4));

    let held = tokio::spawn({
        let url = world.url("/never");
        async move { post(&url, "{}").await }
    });
    world.wait_for_requests(LIMIT, 1).await.unwrap();
    let start = Instant::now();
    assert_eq!(post(&world.url("/late"), "{}").await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(120));
    assert!(!held.is_finished());
    assert_eq!((world.in_flight(), world.most_in_flight()), (1, 2));
    world.release();
    assert_eq!(held.await.unwrap().unwrap().status, 200);

    assert_eq!(raw(&world, "/close").await, b"");
    let half = String::from_utf8(raw(&world, "/half").await).unwrap();
    assert!(
        half.contains("content-length: 10\r\n") && half.ends_with("\r\n\r\n0123"),
        "{half}"
    );

    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream
        .write_all(b"GET /stalls HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut part = Vec::new();
    while !part.ends_with(b"\r\n\r\n0123") {
        part.push(stream.read_u8().await.unwrap());
    }
    world.release();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

    // Who waits in vain and leaves is not answered later.
    let impatient = HttpClient::new(Duration::from_millis(50));
    assert!(impatient.get(&world.url("/never")).await.is_err());
    drop(impatient);
    crate::wait_until(LIMIT, "the held one to be gone", async || world.in_flight() == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn bodies_may_be_huge_endless_and_no_text() {
    let world = Receiver::start().unwrap();
    world.always("/huge", Reply::ok().body(vec![b'x'; 3_000_000]));
    world.always("/bytes", Reply::ok().body(&b"a\0\xff\xfe"[..]));
    world.always("/endless", Reply::ok().body("again and ").endless());
    let client = HttpClient::new(LIMIT);
    assert_eq!(
        client.get(&world.url("/huge")).await.unwrap().body.len(),
        3_000_000
    );
    assert_eq!(
        client.get(&world.url("/bytes")).await.unwrap().body.as_ref(),
        b"a\0\xff\xfe"
    );
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut much = vec![0; 1_000_000];
    stream.read_exact(&mut much).await.unwrap();
    drop(stream);
    crate::wait_until(LIMIT, "the endless one to end", async || world.in_flight() == 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn redirects_and_dates_are_written_as_http_has_them() {
    let (here, there) = (Receiver::start().unwrap(), Receiver::start().unwrap());
    here.always("/a", Reply::redirect(307, &there.url("/b")));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    here.always("/later", Reply::status(429).retry_after_date(date));
    let client = HttpClient::new(LIMIT);
    let answer = client.get(&here.url("/a")).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], there.url("/b"));
    let answer = client.get(&here.url("/later")).await.unwrap();
    assert_eq!(answer.headers["retry-after"], "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[tokio::test]
async fn waiting_ends_with_what_was_waited_for_or_tells_what_came_instead() {
    let world = Receiver::start().unwrap();
    world.always("/*", Reply::ok());
    let sends = async {
        for number in 0..3 {
            post(&world.url("/n"), &number.to_string()).await.unwrap();
        }
    };
    let waits = world.wait_for(LIMIT, "the third", |request| request.text() == "2");
    let ((), third) = tokio::join!(sends, waits);
    assert_eq!(third.unwrap().text(), "2");
    let error = world
        .wait_for_requests(Duration::from_millis(20), 4)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("there are 3\n  POST /n 0"),
        "{error:#}"
    );
    world
        .nothing_until(LIMIT, "nothing", async || true)
        .await
        .unwrap();
    let more = world.nothing_until(LIMIT, "a request", async || {
        post(&world.url("/n"), "3").await.is_ok()
    });
    assert!(
        more.await
            .unwrap_err()
            .to_string()
            .ends_with("1 arrived: POST /n 3")
    );
}

#[tokio::test]
async fn a_stopped_receiver_refuses_and_starts_again_on_its_port() {
    let mut world = Receiver::start().unwrap();
    world.always("/*", Reply::ok());
    let url = world.url("/x");
    post(&url, "{}").await.unwrap();
    world.stop();
    assert!(post(&url, "{}").await.is_err());
    world.start_again().unwrap();
    post(&url, "{}").await.unwrap();
    assert_eq!(world.count(), 2);
    let hole = BlackHole::open().await.unwrap();
    let client = HttpClient::new(Duration::from_millis(100));
    assert!(client.get(&hole.url("/")).await.is_err());
}

#[tokio::test]
async fn slack_says_what_slack_says() {
    let world = Receiver::start().unwrap();
    world.always(slack::PATH, slack::incoming_webhook);
    let url = world.url(slack::PATH);
    let block = json!({"type": "divider"});
    for (body, status, text) in [
        (json!({"text": "hello"}).to_string(), 200, "ok"),
        (json!({"blocks": [block]}).to_string(), 200, "ok"),
        (json!({"attachments": [{"fallback": "x"}]}).to_string(), 200, "ok"),
        (json!({"text": ""}).to_string(), 400, "no_text"),
        (json!({"blocks": {}}).to_string(), 400, "invalid_blocks_format"),
        (
            json!({"blocks": vec![block.clone(); 51]}).to_string(),
            400,
            "invalid_blocks",
        ),
        ("[]".to_owned(), 400, "invalid_payload"),
        ("text=hello".to_owned(), 400, "invalid_payload"),
    ] {
        let answer = post(&url, &body).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{body}");
        assert!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain")
        );
    }
    let client = HttpClient::new(LIMIT);
    let form = client.post(&url, HeaderMap::new(), "{}".into()).await.unwrap();
    assert_eq!(form.status, 400, "without its content type");
    world.next(slack::PATH, [slack::rate_limited(30), slack::rollup_error()]);
    let limited = post(&url, "{}").await.unwrap();
    assert_eq!(
        (limited.status, limited.headers["retry-after"].as_bytes()),
        (429, &b"30"[..])
    );
    assert_eq!(post(&url, "{}").await.unwrap().text(), "rollup_error");
}

#[tokio::test]
async fn customerio_takes_events_of_who_it_knows() {
    let world = Receiver::start().unwrap();
    let account = customerio::Account::new("site", "key");
    world.always("/api/v1/customers/*", account.track_api());
    let url = world.url("/api/v1/customers/anna%40example.com/events");
    let client = HttpClient::new(LIMIT);
    let send = async |key: &str, body: String| {
        let code = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("site:{key}"));
        let basic = headers([("authorization", format!("Basic {code}").as_str())]).unwrap();
        let answer = client.post(&url, basic, body.into()).await.unwrap();
        (answer.status, answer.text())
    };
    let event = payloads::customerio::event().unwrap();
    let success = payloads::customerio::scenario("track-success").unwrap();
    let recorded = String::from_utf8(success.exchanges[0].body.clone()).unwrap();
    assert_eq!(send("key", event.to_string()).await, (200, recorded));
    assert_eq!(send("other", event.to_string()).await.0, 401);
    for (change, error) in [
        (json!({"name": " "}), "name cannot be blank"),
        (json!({"data": []}), "data must be an object"),
        (
            json!({"timestamp": 1_561_231_234_000_i64}),
            "timestamp must be in seconds",
        ),
    ] {
        let mut event = event.as_object().unwrap().clone();
        event.extend(change.as_object().unwrap().clone());
        let (status, answer) = send("key", json!(event).to_string()).await;
        assert_eq!(
            (status, answer),
            (400, json!({"meta": {"error": error}}).to_string())
        );
    }
    let identifier = world
        .requests()
        .iter()
        .filter_map(|request| customerio::identifier(request).map(str::to_owned))
        .next();
    assert_eq!(identifier.as_deref(), Some("anna%40example.com"));
    let moved = payloads::customerio::scenario("redirect-301-same-host").unwrap();
    let reply = customerio::recorded(&moved.exchanges[0], &world);
    world.next("/api/v1/customers/*", [reply]);
    let answer = client
        .send(
            Method::PUT,
            &world.url("/api/v1/customers/abc"),
            HeaderMap::new(),
            "".into(),
        )
        .await
        .unwrap();
    assert_eq!(answer.headers["location"], world.url("/api/v1/customers/abc/"));
}

#[tokio::test]
async fn https_needs_an_authority_that_the_sender_trusts() {
    let authority = Authority::new().unwrap();
    let identity = authority.certify(&["127.0.0.1", "localhost"]).unwrap();
    let world = Receiver::builder().tls(identity).start().unwrap();
    world.always("/*", Reply::ok().text("safe"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authority.pem");
    authority.write(&file).unwrap();
    let curl = async |options: &[&str]| {
        let mut command = tokio::process::Command::new("curl");
        command
            .args(["--silent", "--show-error"])
            .args(options)
            .arg(world.url("/x"));
        command.output().await
    };
    let Ok(trusted) = curl(&["--cacert", file.to_str().unwrap()]).await else {
        eprintln!("skipped: curl is not installed");
        return;
    };
    assert_eq!(
        trusted.stdout,
        b"safe",
        "{}",
        String::from_utf8_lossy(&trusted.stderr)
    );
    assert!(!curl(&[]).await.unwrap().status.success());
    // It notices after curl has gone.
    let noticed = wait_until(LIMIT, "the handshake to fail", async || {
        world.failed_handshakes() == 1
    })
    .await;
    assert!(noticed.is_ok() && world.count() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_thousands_of_requests_a_second() {
    let world = Receiver::start().unwrap();
    world.always("/*", Reply::ok());
    let client = HttpClient::new(LIMIT);
    let start = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (client, url) = (client.clone(), world.url("/x"));
        lanes.spawn(async move {
            for _ in 0..300 {
                let body = vec![b'x'; 1024];
                assert_eq!(
                    client
                        .post(&url, HeaderMap::new(), body.into())
                        .await
                        .unwrap()
                        .status,
                    200
                );
            }
        });
    }
    lanes.join_all().await;
    world.wait_for_requests(LIMIT, 9_600).await.unwrap();
    // Told, not judged: how fast depends on who else uses the machine.
    eprintln!("{:.0} requests/s", 9_600.0 / start.elapsed().as_secs_f64());
}
