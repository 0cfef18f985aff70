//! Where requests may go: https to public addresses, unless a developer says otherwise.

use raw_ops_e2e::Reply;
use raw_ops_e2e::receiver::{Authority, tls};

use super::*;

with_both_carriers!(private_targets_and_plain_http_are_refused_until_they_are_allowed,);

/// Spellings of private addresses, for a port.
const PRIVATE: &[&str] = &[
    "127.0.0.1",
    "127.8.9.10",
    "localhost",
    "LocalHost.",
    "api.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "0.0.0.0",
    "0x7f.1",
    "127.1",
    "2130706433",
    "0177.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00::1]",
    "db.internal",
];

async fn private_targets_and_plain_http_are_refused_until_they_are_allowed(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    let port = sending.world.address().port();
    sending.set("raw_ops.allow_private_targets", "off").await;
    // The sender has read the file as well when it refuses what it would send.
    let plain = Request::endpoint(&format!("http://127.0.0.1:{port}/x"));
    wait_for(LIMIT, "the sender to refuse", async || {
        let request = Request::endpoint(&format!("http://127.0.0.1:{port}/probe"));
        sending.enqueue(&request).await;
        (sending.settled(&request).await == ["1 abandoned -"]).then_some(())
    })
    .await
    .unwrap();
    let before = sending.world.connections();
    sending.enqueue(&plain).await;
    assert_eq!(sending.settled(&plain).await, ["1 abandoned -"]);
    let error = sending.text(&plain, 1, "error").await;
    assert!(
        error.contains("https") && error.contains("raw_ops.allow_private_targets"),
        "{error}"
    );
    let requests: Vec<(&str, Request)> = PRIVATE
        .iter()
        .map(|host| (*host, Request::endpoint(&format!("https://{host}:{port}/x"))))
        .collect();
    for (_, request) in &requests {
        sending.enqueue(request).await;
    }
    for (host, request) in &requests {
        assert_eq!(sending.settled(request).await, ["1 abandoned -"], "{host}");
        let error = sending.text(request, 1, "error").await;
        assert!(error.contains("raw_ops.allow_private_targets"), "{host}: {error}");
    }
    // Slack's and Customer.io's URLs are held to the same rule.
    for request in [Request::slack(), Request::customerio("7")] {
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 abandoned -"]);
    }
    assert_eq!(sending.world.connections(), before);
    if carrier == Carrier::PgNet {
        let queue: i64 = one(&sending.client, "SELECT count(*) FROM net.http_request_queue").await;
        assert_eq!(queue, 0);
    }

    sending.set("raw_ops.allow_private_targets", "on").await;
    wait_for(LIMIT, "the sender to allow it", async || {
        (sending.send("/allowed").await == ["1 succeeded 200"]).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_refused() {
    let Some(name) = a_public_looking_local_name() else {
        eprintln!("skipped: no name of this machine resolves to the loopback");
        return;
    };
    let sending = Sending::start(Carrier::Builtin).await;
    sending.set("raw_ops.allow_private_targets", "off").await;
    let port = sending.world.address().port();
    wait_for(LIMIT, "the sender to refuse it", async || {
        let request = Request::endpoint(&format!("https://{name}:{port}/x"));
        sending.enqueue(&request).await;
        let attempts = sending.settled(&request).await;
        let error = sending.text(&request, 1, "error").await;
        (attempts == ["1 abandoned -"] && error.contains("127.")).then_some(())
    })
    .await
    .unwrap();
}

/// This machine's own name, where it resolves to the loopback.
fn a_public_looking_local_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_owned();
    let mut addresses = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0)).ok()?;
    let local = addresses.all(|address| address.ip().is_loopback());
    (local && name != "localhost").then_some(name)
}

#[tokio::test]
async fn https_is_spoken_to_who_shows_a_trusted_certificate() {
    let (ours, theirs) = (Authority::new().unwrap(), Authority::new().unwrap());
    let files = files_of_the_server();
    let trusted = files.path().join("authority.pem");
    ours.write(&trusted).unwrap();
    let options = StackOptions::for_tests().env("SSL_CERT_FILE", trusted.display());
    let sending = Sending::start_with(Carrier::Builtin, options).await;
    let serve = |identity: tls::Identity| {
        let world = Receiver::builder().tls(identity).start().unwrap();
        world.always("/*", Reply::ok().text("safe"));
        world
    };
    let good = serve(ours.certify(&["127.0.0.1", "localhost"]).unwrap());
    for url in [good.url("/x"), good.url("/x").replace("127.0.0.1", "localhost")] {
        let request = Request::endpoint(&url);
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 succeeded 200"], "{url}");
        assert_eq!(sending.text(&request, 1, "response_body").await, "safe");
    }
    for (what, world) in [
        ("unknown issuer", serve(theirs.certify(&["127.0.0.1"]).unwrap())),
        ("another name", serve(ours.certify(&["example.com"]).unwrap())),
        ("expired", serve(ours.certify_expired(&["127.0.0.1"]).unwrap())),
    ] {
        let request = Request::endpoint(&world.url("/x"));
        sending.enqueue(&request).await;
        let attempts = sending.settled(&request).await;
        assert!(
            attempts[0] == "1 failed -" && attempts.len() == 6,
            "{what}: {attempts:?}"
        );
        let error = sending.text(&request, 1, "error").await;
        assert!(error.contains("certificate"), "{what}: {error}");
        assert_eq!(world.count(), 0, "{what}: not a byte of the request");
    }
    // A receiver without TLS, and TLS where none is expected.
    let sneaky = Request::endpoint(&sending.world.url("/x").replace("http:", "https:"));
    sending.enqueue(&sneaky).await;
    assert_eq!(sending.settled(&sneaky).await[0], "1 failed -");
    assert_eq!(sending.world.count(), 0);
}
