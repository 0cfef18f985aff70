//! Everything that is no answer: broken connections, silence, redirects.

use raw_ops_e2e::receiver::customerio;
use raw_ops_e2e::{Reply, payloads};

use super::*;

with_both_carriers!(
    without_an_answer_it_is_sent_again,
    a_receiver_that_was_away_gets_it_when_it_is_back,
    redirects_within_the_same_host_are_followed,
);

async fn without_an_answer_it_is_sent_again(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let world = &sending.world;
    world.next("/never", [Reply::never()]);
    world.next("/close", [Reply::close()]);
    world.next("/half", [Reply::ok().body("0123456789").cut_after(4)]);
    world.next("/stalls", [Reply::ok().body("0123456789").stalled_after(4)]);
    for (path, said) in [
        ("/never", "1200 ms"),
        ("/close", ""),
        ("/half", ""),
        ("/stalls", "1200 ms"),
    ] {
        world.always(path, Reply::ok());
        let request = Request::endpoint(&world.url(path)).timeout(1200);
        sending.enqueue(&request).await;
        assert_eq!(
            sending.settled(&request).await,
            ["1 failed -", "2 succeeded 200"],
            "{path}"
        );
        let error = sending.text(&request, 1, "error").await;
        assert!(!error.is_empty() && error.contains(said), "{path}: {error}");
        let received = world.requests_to(path);
        assert!(received.len() == 2 && received.iter().all(|received| request.is(received)));
    }
    world.release();
}

async fn a_receiver_that_was_away_gets_it_when_it_is_back(carrier: Carrier) {
    let mut sending = Sending::start(carrier).await;
    run(
        &sending.client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 second' WHERE purpose = 'outbound' AND attempt > 1",
    )
    .await;
    sending.world.always("/hook", Reply::ok());
    sending.world.stop();
    let request = Request::endpoint(&sending.world.url("/hook"));
    sending.enqueue(&request).await;
    let failed = wait_for(LIMIT, "a failure", async || {
        (sending.attempts(&request).await.first()? == "1 failed -").then_some(())
    });
    failed.await.unwrap();
    let error = sending.text(&request, 1, "error").await;
    assert!(error.to_lowercase().contains("connect"), "{error}");
    sending.world.start_again().unwrap();
    let attempts = sending.settled(&request).await;
    assert!(
        attempts.last().unwrap().ends_with("succeeded 200"),
        "{attempts:?}"
    );
    assert_eq!(sending.world.count(), 1);
}

async fn redirects_within_the_same_host_are_followed(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let world = &sending.world;
    world.always("/moved", Reply::redirect(307, "/here"));
    world.always("/absolutely", Reply::redirect(308, &world.url("/here?q=1")));
    world.always("/here", Reply::ok().text("here"));
    for path in ["/moved", "/absolutely"] {
        assert_eq!(sending.send(path).await, ["1 succeeded 200"], "{path}");
    }
    let recorded = payloads::customerio::scenario("redirect-307-same-host").unwrap();
    let moved = customerio::recorded(&recorded.exchanges[0], world);
    world.next("/api/v1/customers/7/events", [moved]);
    world.always("/api/v1/customers/abc/", Reply::ok());
    let notification = Request::customerio("7");
    sending.enqueue(&notification).await;
    assert_eq!(sending.settled(&notification).await, ["1 succeeded 200"]);

    let followed = world.requests_to("/here");
    assert_eq!(followed[1].query.as_deref(), Some("q=1"));
    let credentials = world.requests_to("/api/v1/customers/abc/")[0].basic_auth();
    assert_eq!(credentials, Some((SITE_ID.to_owned(), API_KEY.to_owned())));
    for received in followed {
        assert_eq!(
            (received.method.as_str(), received.text().as_str()),
            ("POST", r#"{"type": "order.created"}"#)
        );
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let sending = Sending::start(Carrier::Builtin).await;
    let there = Receiver::start().unwrap();
    there.always("/*", Reply::ok());
    let other_name = there.url("/x").replace("127.0.0.1", "localhost");
    for (path, location) in [
        ("/port", there.url("/x")),
        ("/name", other_name),
        ("/scheme", sending.world.url("/x").replace("http:", "https:")),
        ("/relative-scheme", there.url("/x").replace("http:", "")),
        ("/loop", "/loop".to_owned()),
        ("/nowhere", String::new()),
        ("/no-http", "file:///etc/passwd".to_owned()),
    ] {
        sending.world.always(path, Reply::redirect(302, &location));
        let request = Request::endpoint(&sending.world.url(path));
        sending.enqueue(&request).await;
        let attempts = sending.settled(&request).await;
        assert_eq!(attempts.len(), 6, "{path}: {attempts:?}");
        let error = sending.text(&request, 1, "error").await;
        assert!(error.contains("redirect"), "{path}: {error}");
    }
    let recorded = payloads::customerio::scenario("redirect-302-off-domain").unwrap();
    let away = customerio::recorded(&recorded.exchanges[0], &sending.world);
    sending.world.always("/api/v1/customers/7/events", away);
    let notification = Request::customerio("7");
    sending.enqueue(&notification).await;
    assert_eq!(sending.settled(&notification).await, ["1 abandoned 302"]);
    let error = sending.text(&notification, 1, "error").await;
    assert_eq!(error, "HTTP 302: a redirect to another host is not followed");
    assert_eq!(there.connections(), 0);
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_as_far_as_it_is_kept() {
    let sending = Sending::start(Carrier::Builtin).await;
    let endless = Reply::ok().body("on and ").endless();
    sending.world.always("/endless", endless);
    assert_eq!(sending.send("/endless").await, ["1 succeeded 200"]);
    wait_for(LIMIT, "the connection to be closed", async || {
        (sending.world.in_flight() == 0).then_some(())
    })
    .await
    .unwrap();
}
