//! What nobody expects, from either side: it costs itself at most, never its neighbours.

use raw_ops_e2e::Reply;

use super::*;

with_both_carriers!(
    a_status_beyond_http_harms_nobody,
    a_header_with_a_line_break_injects_nothing,
    a_url_that_leads_nowhere_is_given_up_with_words,
    a_large_body_goes_out_whole,
    header_lines_of_any_bytes_harm_nobody,
);

/// A witness goes through after whatever was odd, and at the first attempt.
async fn assert_alive(sending: &Sending) {
    sending.world.always("/witness", Reply::ok());
    for _ in 0..3 {
        assert_eq!(sending.send("/witness").await, ["1 succeeded 200"]);
    }
}

async fn a_status_beyond_http_harms_nobody(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let requests: Vec<Request> = [600, 200, 799, 200, 999, 200]
        .iter()
        .enumerate()
        .map(|(n, status)| {
            let path = format!("/{n}");
            // All of them answered at the same time.
            sending
                .world
                .next(&path, [Reply::status(*status).text("odd").held()]);
            sending.world.always(&path, Reply::ok());
            Request::endpoint(&sending.world.url(&path))
        })
        .collect();
    run(&sending.client, "BEGIN").await;
    for request in &requests {
        sending.enqueue(request).await;
    }
    run(&sending.client, "COMMIT").await;
    sending
        .world
        .wait_for_requests(LIMIT, requests.len())
        .await
        .unwrap();
    sending.world.release();
    for (n, request) in requests.iter().enumerate() {
        let attempts = sending.settled(request).await;
        if n % 2 == 1 {
            assert_eq!(attempts, ["1 succeeded 200"]);
            continue;
        }
        assert!(attempts[0].starts_with("1 failed"), "{attempts:?}");
        assert_eq!(attempts[1..], ["2 succeeded 200"]);
        assert!(!sending.text(request, 1, "error").await.is_empty());
        assert_eq!(sending.text(request, 1, "response_body").await, "odd");
    }
    assert_alive(&sending).await;
}

async fn a_header_with_a_line_break_injects_nothing(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    for headers in [
        r#"{"x-note": "a\r\nx-injected: yes"}"#,
        r#"{"x-note": "a\nx-injected: yes"}"#,
        r#"{"x-note\r\nx-injected": "yes"}"#,
        r#"{"x note": "a"}"#,
    ] {
        let request = Request::endpoint(&sending.world.url("/hook")).headers(headers);
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 abandoned -"], "{headers}");
        let error = sending.text(&request, 1, "error").await;
        assert!(error.contains("header"), "{error}");
    }
    assert_eq!(sending.world.count(), 0);
    // Good ones go along; what is ours stays ours.
    let headers = r#"{"X-Note": "grüße", "content-type": "text/plain", "Idempotency-Key": "theirs", "webhook-id": "msg_1"}"#;
    let request = Request::endpoint(&sending.world.url("/hook")).headers(headers);
    sending.enqueue(&request).await;
    assert_eq!(sending.settled(&request).await, ["1 succeeded 200"]);
    let received = &sending.world.requests()[0];
    assert_eq!(received.headers["x-note"].as_bytes(), "grüße".as_bytes());
    let all = |name: &str| {
        let values = received.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(all("content-type"), ["application/json"]);
    assert_eq!(all("idempotency-key"), [request.key.as_str()]);
    assert_eq!(all("webhook-id"), ["msg_1"]);
}

async fn a_url_that_leads_nowhere_is_given_up_with_words(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    let port = sending.world.address().port();
    for (url, class) in [
        ("http://127.0.0.1:99999/".to_owned(), "1 failed -"),
        ("http://[::1/".to_owned(), "1 abandoned -"),
        ("http://no-such-host.invalid/".to_owned(), "1 failed -"),
        ("http://127.0.0.1:1/".to_owned(), "1 failed -"),
        (format!("https://127.0.0.1:{port}/no-tls-here"), "1 failed -"),
    ] {
        let request = Request::endpoint(&url);
        sending.enqueue(&request).await;
        let attempts = sending.settled(&request).await;
        assert_eq!(attempts[0], class, "{url}");
        assert!(
            attempts.last().unwrap().contains("abandoned"),
            "{url}: {attempts:?}"
        );
        let error = sending.text(&request, 1, "error").await;
        assert!(!error.is_empty(), "{url}");
    }
    assert_eq!(sending.world.count(), 0);
    // Credentials do not even get into the table.
    let named = "INSERT INTO raw_ops.http_requests (id, purpose, subject_id, destination, url, body, idempotency_key)
                 VALUES (raw_ops.fn_uuid_v7(), 'outbound', gen_random_uuid(), 'endpoint', 'https://user:word@host/', '{}', 'k')";
    assert_eq!(refused(&sending.client, named).await.sqlstate, "23514");
    let bare = Request::endpoint(&format!("http://127.0.0.1:{port}"));
    let fragment = Request::endpoint(&sending.world.url("/hook?q#part"));
    for request in [&bare, &fragment] {
        sending.enqueue(request).await;
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    let paths: Vec<String> = sending
        .world
        .requests()
        .iter()
        .map(|received| received.path.clone())
        .collect();
    assert_eq!(paths, ["/", "/hook"]);
}

async fn a_large_body_goes_out_whole(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    let body = json!({"lines": vec!["ein Paar Schuhe, Größe 42"; 100_000]}).to_string();
    let request = Request::endpoint(&sending.world.url("/large")).body(&body);
    sending.enqueue(&request).await;
    assert_eq!(sending.settled(&request).await, ["1 succeeded 200"]);
    let received = &sending.world.requests()[0];
    assert!(received.body.len() > 2_500_000);
    assert_eq!(received.text(), sending.text(&request, 1, "body").await);
}

async fn header_lines_of_any_bytes_harm_nobody(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let long = "x".repeat(20_000);
    sending.world.always(
        "/odd",
        Reply::ok()
            .header("x-latin", "caf\u{e9}")
            .header("x-long", &long)
            .header("retry-after", "")
            .header("retry-after", "caf\u{e9}")
            .header("content-type", "text/html; charset=\"")
            .text("fine"),
    );
    sending.world.always(
        "/many",
        (0..90).fold(Reply::ok(), |reply, n| reply.header(&format!("x-{n}"), "v")),
    );
    for path in ["/odd", "/many"] {
        assert_eq!(sending.send(path).await, ["1 succeeded 200"], "{path}");
    }
    assert_alive(&sending).await;
}

#[tokio::test]
async fn a_kept_connection_that_the_receiver_has_closed_costs_no_attempt() {
    let mut sending = Sending::start(Carrier::Builtin).await;
    sending.world.always("/*", Reply::ok());
    for _ in 0..5 {
        assert_eq!(sending.send("/hook").await, ["1 succeeded 200"]);
        sending.world.stop();
        sending.world.start_again().unwrap();
    }
    assert_eq!(sending.world.count(), 5);
}
