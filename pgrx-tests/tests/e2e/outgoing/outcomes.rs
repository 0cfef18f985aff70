//! What an answer means and what follows, the same with both carriers.

use std::time::{Duration, SystemTime};

use raw_ops_e2e::Reply;
use raw_ops_e2e::payloads;
use raw_ops_e2e::receiver::{customerio, partner, slack};

use super::*;

with_both_carriers!(
    a_success_is_recorded_whole,
    what_may_change_is_asked_again,
    what_slack_and_customerio_refuse_is_given_up_at_once,
    a_partner_may_mend_it_unless_it_is_gone,
    the_last_attempt_of_each_schedule_is_abandoned,
    the_schedule_and_retry_after_say_when,
    an_answer_of_any_bytes_is_kept_to_4_kib,
    real_answers_of_customerio_are_understood,
);

async fn a_success_is_recorded_whole(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/hook", partner::endpoint);
    let body = r#"{"b": 1.50, "id": 820982911946154508, "Zoë": ["<&>", null], "aa": {"c": "\u0007\n"}}"#;
    let requests = [
        Request::endpoint(&sending.world.url("/hook?tenant=7&a=%20")).body(body),
        Request::slack(),
        Request::customerio("anna%2Bb%40example.com"),
    ];
    for request in &requests {
        sending.enqueue(request).await;
    }
    // What a partner says is kept; what others say could echo their secret.
    for (request, answer) in requests.iter().zip([r#"{"received":true}"#, "", ""]) {
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
        assert_eq!(sending.text(request, 1, "response_body").await, answer);
        assert_eq!(sending.text(request, 1, "carrier").await, carrier.name());
        assert_eq!(
            sending
                .text(request, 1, "concat_ws(' ', error is null, latency_ms >= 0, sent_at >= created_at, completed_at >= sent_at, lease_until is null)")
                .await,
            "t t t t t"
        );
    }
    let [endpoint, alert, notification] = &requests;
    let arrived = async |request: &Request| {
        let arrived = sending
            .world
            .wait_for(LIMIT, "it", |received| request.is(received));
        arrived.await.unwrap()
    };
    for request in &requests {
        let received = arrived(request).await;
        assert_eq!(received.method, "POST");
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.text(), sending.text(request, 1, "body").await);
    }
    let webhook = arrived(endpoint).await;
    assert_eq!(
        (webhook.path.as_str(), webhook.query.as_deref()),
        ("/hook", Some("tenant=7&a=%20"))
    );
    assert_eq!(webhook.header("authorization"), None);
    assert_eq!(arrived(alert).await.path, slack::PATH);
    let event = arrived(notification).await;
    assert_eq!(event.path, "/api/v1/customers/anna%2Bb%40example.com/events");
    assert_eq!(event.basic_auth(), Some((SITE_ID.to_owned(), API_KEY.to_owned())));
    assert_eq!(sending.world.count(), 3, "each once");
    let origin = sending.world.url("");
    assert_eq!(
        sending.text(alert, 1, "url").await,
        origin,
        "the secret stays out"
    );
}

async fn what_may_change_is_asked_again(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let mut requests = Vec::new();
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let path = format!("/{status}");
        sending.world.next(&path, [Reply::status(status).text("not now")]);
        sending.world.always(&path, Reply::status(204));
        let request = Request::endpoint(&sending.world.url(&path));
        sending.enqueue(&request).await;
        requests.push((status, request));
    }
    let (alert, notification) = (Request::slack(), Request::customerio("7"));
    sending
        .world
        .next(slack::PATH, [slack::rate_limited(0), slack::rollup_error()]);
    let errors = [
        customerio::refused(429, "slow down"),
        customerio::refused(500, "oops"),
    ];
    sending.world.next("/api/v1/customers/*", errors);
    sending.enqueue(&alert).await;
    sending.enqueue(&notification).await;

    for (status, request) in &requests {
        let expected = [format!("1 failed {status}"), "2 succeeded 204".to_owned()];
        assert_eq!(sending.settled(request).await, expected);
        let error = sending.text(request, 1, "error").await;
        assert!(
            error.contains(&status.to_string()) && error.contains("not now"),
            "{error}"
        );
        assert_eq!(sending.text(request, 1, "response_body").await, "not now");
        let same = "concat_ws(' ', subject_id, url, body, timeout_ms)";
        assert_eq!(
            sending.text(request, 1, same).await,
            sending.text(request, 2, same).await
        );
        let received = sending.world.requests_to(&format!("/{status}"));
        assert!(received.len() == 2 && received.iter().all(|received| request.is(received)));
        assert_eq!(received[0].body, received[1].body);
    }
    for request in [&alert, &notification] {
        assert_eq!(
            sending.settled(request).await,
            ["1 failed 429", "2 failed 500", "3 succeeded 200"]
        );
    }
}

async fn what_slack_and_customerio_refuse_is_given_up_at_once(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    for (reply, status, said) in [
        (slack::action_prohibited(), 403, "action_prohibited"),
        (slack::no_service(), 404, "no_service"),
        (slack::channel_is_archived(), 410, "channel_is_archived"),
    ] {
        sending.world.next(slack::PATH, [reply]);
        let request = Request::slack();
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, [format!("1 abandoned {status}")]);
        let error = sending.text(&request, 1, "error").await;
        assert!(error.contains(said), "{error}");
    }
    let empty = Request::slack().body("{}");
    let blank = Request::customerio("7").body(r#"{"name": " "}"#);
    for (request, said) in [(empty, "no_text"), (blank, "name cannot be blank")] {
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 abandoned 400"]);
        assert!(sending.text(&request, 1, "error").await.contains(said));
    }
    sending.set_secret("customerio_api_key", "another").await;
    let request = Request::customerio("7");
    sending.enqueue(&request).await;
    assert_eq!(sending.settled(&request).await, ["1 abandoned 401"]);
    let error = sending.text(&request, 1, "error").await;
    assert!(error.contains("the credentials are refused"), "{error}");
    assert_eq!(sending.world.count(), 6, "each once");
}

async fn a_partner_may_mend_it_unless_it_is_gone(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.next(
        "/mended",
        [400, 401, 404, 422].map(|status| Reply::status(status).text("not like this")),
    );
    sending.world.always("/mended", Reply::ok());
    sending.world.always("/gone", partner::gone());
    assert_eq!(
        sending.send("/mended").await,
        [
            "1 failed 400",
            "2 failed 401",
            "3 failed 404",
            "4 failed 422",
            "5 succeeded 200"
        ]
    );
    assert_eq!(sending.send("/gone").await, ["1 abandoned 410"]);
    assert_eq!(sending.world.count(), 6);
}

async fn the_last_attempt_of_each_schedule_is_abandoned(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    for path in ["/hook", slack::PATH, "/api/v1/customers/7/events"] {
        sending.world.always(path, Reply::status(500).text("never"));
    }
    let requests = [
        (Request::endpoint(&sending.world.url("/hook")), 6),
        (Request::slack(), 10),
        (Request::customerio("7"), 5),
    ];
    for (request, _) in &requests {
        sending.enqueue(request).await;
    }
    for (request, attempts) in &requests {
        let mut expected: Vec<String> = (1..*attempts).map(|n| format!("{n} failed 500")).collect();
        expected.push(format!("{attempts} abandoned 500"));
        assert_eq!(
            sending.settled(request).await,
            expected,
            "{}",
            request.destination
        );
        let received = sending.world.requests();
        let received = received.iter().filter(|received| request.is(received));
        assert_eq!(received.count(), *attempts);
    }
}

async fn the_schedule_and_retry_after_say_when(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    run(
        &sending.client,
        "UPDATE raw_ops.retry_schedule SET wait = '10 minutes' WHERE purpose = 'outbound' AND attempt = 2",
    )
    .await;
    let in_two_hours = SystemTime::now() + Duration::from_secs(7200);
    let second = Duration::from_secs(1);
    for (path, reply, least, most) in [
        ("/plain", Reply::status(503), 600, 660),
        ("/seconds", Reply::status(429).retry_after(3600), 3600, 3660),
        (
            "/date",
            Reply::status(503).retry_after_date(in_two_hours),
            7200 - LONG.as_secs() as i64,
            7201,
        ),
        (
            "/sooner-than-the-schedule",
            Reply::status(429).retry_after(1),
            600,
            660,
        ),
        (
            "/nonsense",
            Reply::status(429).header("retry-after", "soon"),
            600,
            660,
        ),
        (
            "/absurd",
            Reply::status(429).header("retry-after", "99999999999999999999"),
            600,
            86_460,
        ),
    ] {
        sending.world.always(path, reply);
        let request = Request::endpoint(&sending.world.url(path));
        sending.enqueue(&request).await;
        let wait = seconds_to_second_attempt(&sending, &request).await;
        assert!((least..=most).contains(&wait), "{path}: {wait} s");
    }

    // Not only written down: obeyed.
    sending.no_waits().await;
    sending.world.next("/obeyed", [Reply::status(429).retry_after(1)]);
    sending.world.always("/obeyed", Reply::ok());
    assert_eq!(sending.send("/obeyed").await, ["1 failed 429", "2 succeeded 200"]);
    let received = sending.world.requests_to("/obeyed");
    let waited = received[1].at - received[0].at;
    assert!(waited >= second, "{waited:?}");
}

async fn seconds_to_second_attempt(sending: &Sending, request: &Request) -> i64 {
    let waits = format!(
        "SELECT extract(epoch FROM later.send_after - first.completed_at)::int8 FROM raw_ops.http_requests first
           JOIN raw_ops.http_requests later USING (idempotency_key)
          WHERE first.attempt = 1 AND later.attempt = 2 AND later.state = 'queued' AND idempotency_key = '{}'",
        request.key
    );
    wait_for(LONG, "the second attempt to be queued", async || {
        Some(sending.client.query_opt(&waits, &[]).await.unwrap()?.get(0))
    })
    .await
    .unwrap()
}

async fn an_answer_of_any_bytes_is_kept_to_4_kib(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let world = &sending.world;
    world.always("/long", Reply::ok().body(vec![b'x'; 1_000_000]));
    world.always("/umlauts", Reply::ok().body(format!("a{}", "ü".repeat(5_000))));
    world.always("/nul", Reply::ok().body(&b"before\0after"[..]));
    world.always("/no-text", Reply::ok().body(&b"a\xff\xfe\x80b\xc3"[..]));
    world.always("/only-nul", Reply::ok().body(&b"\0"[..]));
    world.always("/empty", Reply::status(204));
    world.always(
        "/refused",
        Reply::status(410).body([b"\xe2\x82 no ".repeat(2_000), b"\0".to_vec()].concat()),
    );
    let mut kept = Vec::new();
    for path in [
        "/long",
        "/umlauts",
        "/nul",
        "/no-text",
        "/only-nul",
        "/empty",
        "/refused",
    ] {
        let request = Request::endpoint(&world.url(path));
        sending.enqueue(&request).await;
        let attempts = sending.settled(&request).await;
        let status = match path {
            "/refused" => "1 abandoned 410",
            "/empty" => "1 succeeded 204",
            _ => "1 succeeded 200",
        };
        assert_eq!(attempts, [status], "{path}");
        kept.push(sending.text(&request, 1, "response_body").await);
    }
    let [long, umlauts, nul, no_text, only_nul, empty, refused] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    assert_eq!(*long, "x".repeat(4096));
    assert_eq!(*umlauts, format!("a{}", "ü".repeat(2047)));
    assert!(nul.starts_with("before") && !nul.contains('\0'), "{nul}");
    assert!(no_text.starts_with('a'), "{no_text}");
    assert!(refused.contains(" no ") && refused.len() <= 4096, "{refused}");
    assert_eq!((only_nul.as_str(), empty.as_str()), ("", ""));
}

async fn real_answers_of_customerio_are_understood(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    for (scenario, status) in [
        ("track-success", 200),
        ("empty-body-200", 200),
        ("empty-body-204", 204),
        ("malformed-json-200", 200),
    ] {
        let recorded = payloads::customerio::scenario(scenario).unwrap();
        let replies = recorded
            .exchanges
            .iter()
            .map(|exchange| customerio::recorded(exchange, &sending.world));
        sending.world.next("/api/v1/customers/*", replies);
        let request = Request::customerio("7");
        sending.enqueue(&request).await;
        assert_eq!(
            sending.settled(&request).await,
            [format!("1 succeeded {status}")],
            "{scenario}"
        );
    }
    for scenario in ["network-econnreset", "network-timeout"] {
        let recorded = payloads::customerio::scenario(scenario).unwrap();
        let replies = recorded
            .exchanges
            .iter()
            .map(|exchange| customerio::recorded(exchange, &sending.world));
        sending.world.next("/api/v1/customers/*", replies);
        // The client that recorded it waited a tenth of a second.
        let request = Request::customerio("7").timeout(500);
        sending.enqueue(&request).await;
        assert_eq!(
            sending.settled(&request).await,
            ["1 failed -", "2 succeeded 200"],
            "{scenario}"
        );
    }
}
