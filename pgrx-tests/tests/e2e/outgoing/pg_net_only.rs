//! What only pg_net does: its worker is down, its answers expire, its ids begin again, and it needs no preloaded library.

use raw_ops_e2e::{Reply, wait_until};

use super::*;

#[tokio::test]
async fn while_its_worker_is_down_nothing_is_lost() {
    let mut sending = Sending::start(Carrier::PgNet).await;
    run(
        &sending.client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 second' WHERE purpose = 'outbound' AND attempt > 1",
    )
    .await;
    sending.world.always("/*", Reply::ok());
    sending.pg_net.take().unwrap().kill().await.unwrap();
    let requests: Vec<Request> = (0..3)
        .map(|_| Request::endpoint(&sending.world.url("/hook")).timeout(100))
        .collect();
    for request in &requests {
        sending.enqueue(request).await;
    }
    // Given up once, as far as pg_net is concerned: what lies in its queue must not go out late, beside the next attempt.
    let once = "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'failed' AND attempt = 1";
    wait_until(LONG, "the first attempts to be given up", async || {
        one::<i64>(&sending.client, once).await == 3
    })
    .await
    .unwrap();
    let error = sending.text(&requests[0], 1, "error").await;
    assert!(error.contains("pg_net"), "{error}");
    sending.start_pg_net().await;
    for request in &requests {
        let attempts = sending.settled(request).await;
        assert!(
            attempts.last().unwrap().ends_with("succeeded 200"),
            "{attempts:?}"
        );
    }
    assert_eq!(sending.world.count(), 3, "what was given up was not sent late");
}

#[tokio::test]
async fn a_url_that_it_refuses_harms_no_neighbour() {
    let sending = Sending::start(Carrier::PgNet).await;
    let superuser = sending.stack.connect_as_superuser().await.unwrap();
    // As its library does with a URL that it cannot read.
    run(
        &superuser,
        "ALTER TABLE net.http_request_queue ADD CONSTRAINT readable CHECK (url NOT LIKE '%/unreadable')",
    )
    .await;
    sending.world.always("/*", Reply::ok());
    let [good, bad] = ["/hook", "/unreadable"].map(|path| sending.world.url(path));
    let requests: Vec<Request> = (0..7)
        .map(|n| Request::endpoint(if n % 3 == 1 { &bad } else { &good }))
        .collect();
    // Due together, so that they are handed over together.
    run(&sending.client, "BEGIN").await;
    for request in &requests {
        sending.enqueue(request).await;
    }
    run(&sending.client, "COMMIT").await;
    for (n, request) in requests.iter().enumerate() {
        if n % 3 == 1 {
            wait_until(LIMIT, "the refusal to be recorded", async || {
                let error = sending.text(request, 1, "error").await;
                error.contains("pg_net did not take it (SQLSTATE 23514)")
            })
            .await
            .unwrap();
        } else {
            assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
        }
    }
    assert_eq!(sending.world.count(), 5, "each once");
}

#[tokio::test]
async fn an_answer_that_expired_before_it_was_read_is_asked_for_again() {
    let sending = Sending::start(Carrier::PgNet).await;
    sending.world.next("/hook", [Reply::ok().text("unread").held()]);
    sending.world.always("/hook", Reply::ok().text("read"));
    let request = Request::endpoint(&sending.world.url("/hook")).timeout(2_000);
    sending.enqueue(&request).await;
    sending.world.wait_for_requests(LIMIT, 1).await.unwrap();
    // Our side cannot look while the answer comes and goes.
    let blocker = sending.stack.connect().await.unwrap();
    run(&blocker, "BEGIN; LOCK TABLE raw_ops.http_requests").await;
    sending.world.release();
    wait_until(LIMIT, "the answer to come and go", async || {
        let gone = blocker.execute("DELETE FROM net._http_response", &[]).await;
        gone.unwrap() == 1
    })
    .await
    .unwrap();
    run(&blocker, "COMMIT").await;
    assert_eq!(sending.settled(&request).await, ["1 failed -", "2 succeeded 200"]);
    assert_eq!(sending.text(&request, 2, "response_body").await, "read");
    assert_eq!(sending.world.count(), 2);
}

#[tokio::test]
async fn an_answer_that_a_slow_neighbour_holds_back_is_waited_for() {
    let sending = Sending::start(Carrier::PgNet).await;
    sending.world.next("/slow", [Reply::ok().held()]);
    sending.world.always("/fast", Reply::ok().text("fast"));
    let slow = Request::endpoint(&sending.world.url("/slow")).timeout(60_000);
    let fast = Request::endpoint(&sending.world.url("/fast")).timeout(100);
    run(&sending.client, "BEGIN").await;
    for request in [&slow, &fast] {
        sending.enqueue(request).await;
    }
    run(&sending.client, "COMMIT").await;
    sending.world.wait_for_requests(LIMIT, 2).await.unwrap();
    // The lease of the fast one has run out meanwhile, as it would in half a minute.
    let client = sending.stack.connect().await.unwrap();
    run(
        &client,
        "UPDATE raw_ops.http_requests SET lease_until = clock_timestamp() WHERE timeout_ms = 100;
         CREATE TEMP TABLE over AS SELECT clock_timestamp() AS at",
    )
    .await;
    let superuser = sending.stack.connect_as_superuser().await.unwrap();
    let looked = sender_has_looked_since(&client, "over").await;
    wait_until(LIMIT, "the sender to have looked", async || {
        one::<i64>(&superuser, &looked).await == 1
    })
    .await
    .unwrap();
    // The others do not wait for it: what pg_net has in hand holds up no pass.
    let neighbour = Request::endpoint(&sending.world.url("/fast"));
    sending.enqueue(&neighbour).await;
    wait_until(LIMIT, "the next to be handed over", async || {
        !sending.text(&neighbour, 1, "carrier_ref").await.is_empty()
    })
    .await
    .unwrap();
    sending.world.release();
    for request in [&slow, &fast, &neighbour] {
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    assert_eq!(sending.world.count(), 3, "each once");
}

#[tokio::test]
async fn after_a_crash_the_answer_to_somebody_elses_request_is_not_taken_for_ours() {
    let mut sending = Sending::start_with(Carrier::PgNet, durable()).await;
    if sending.stack.cluster.postgres().major < 15 {
        eprintln!("skipped: ids do not begin again on this version");
        return;
    }
    sending.world.next("/ours", [Reply::never()]);
    sending.world.always("/ours", Reply::ok().text("ours"));
    let theirs = Receiver::start().unwrap();
    theirs.always("/*", Reply::ok().text("theirs"));
    let request = Request::endpoint(&sending.world.url("/ours")).timeout(3_000);
    sending.enqueue(&request).await;
    sending.world.wait_for_requests(LIMIT, 1).await.unwrap();
    wait_until(LIMIT, "pg_net's id to be known", async || {
        sending.text(&request, 1, "carrier_ref").await == "1"
    })
    .await
    .unwrap();

    // Our own repeat must not be the first to take an id.
    sending.set("raw_ops.delivery_hosts", "another-host").await;
    let pid: i32 = one(&sending.client, "SELECT pg_backend_pid()").await;
    sending.stack.cluster.kill_backend(pid).await.unwrap();
    sending.recovered().await;
    // The very same id, given to another, and answered.
    let sql = format!("SELECT net.http_post('{}')", theirs.url("/x"));
    assert_eq!(one::<i64>(&sending.client, &sql).await, 1);
    theirs.wait_for_requests(LIMIT, 1).await.unwrap();
    sending.set("raw_ops.delivery_hosts", "").await;

    assert_eq!(sending.settled(&request).await, ["1 failed -", "2 succeeded 200"]);
    assert_eq!(sending.text(&request, 2, "response_body").await, "ours");
    assert_eq!(sending.world.requests_to("/ours").len(), 2);
}

#[tokio::test]
async fn ids_that_begin_again_without_anybody_noticing_cost_a_repeat_at_most() {
    let mut sending = Sending::start(Carrier::PgNet).await;
    sending.world.always("/first", Reply::ok());
    for _ in 0..3 {
        assert_eq!(sending.send("/first").await, ["1 succeeded 200"]);
    }
    sending.world.next("/ours", [Reply::never()]);
    sending.world.always("/ours", Reply::ok().text("ours"));
    let request = Request::endpoint(&sending.world.url("/ours")).timeout(2_000);
    sending.enqueue(&request).await;
    sending.world.wait_for_requests(LIMIT, 4).await.unwrap();
    sending.pg_net.take().unwrap().kill().await.unwrap();
    let superuser = sending.stack.connect_as_superuser().await.unwrap();
    pg_net::forget_everything(&superuser).await.unwrap();
    sending.start_pg_net().await;
    assert_eq!(sending.settled(&request).await, ["1 failed -", "2 succeeded 200"]);
}

#[tokio::test]
async fn nothing_that_anybody_may_read_outlives_the_send() {
    let sending = Sending::start(Carrier::PgNet).await;
    let (alert, notification) = (Request::slack(), Request::customerio("7"));
    for request in [&alert, &notification] {
        sending.enqueue(request).await;
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    let queue: i64 = one(&sending.client, "SELECT count(*) FROM net.http_request_queue").await;
    assert_eq!(queue, 0);
    let headers: Vec<String> = column(&sending.client, "SELECT r::text FROM net._http_response r").await;
    for kept in headers {
        assert!(!kept.contains(slack::PATH) && !kept.contains(API_KEY), "{kept}");
    }
}

#[tokio::test]
async fn without_the_preloaded_library_a_call_sends_and_records() {
    let options = StackOptions::for_tests().setting("shared_preload_libraries", "pg_cron");
    let sending = Sending::start_with(Carrier::PgNet, options).await;
    let senders: i64 = one(
        &sending.stack.connect_as_superuser().await.unwrap(),
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'raw_ops'",
    )
    .await;
    assert_eq!(senders, 0);
    sending.world.next("/hook", [Reply::status(503)]);
    sending.world.always("/hook", Reply::ok());
    let request = Request::endpoint(&sending.world.url("/hook"));
    let alert = Request::slack();
    sending.enqueue(&request).await;
    sending.enqueue(&alert).await;
    let health: Value = one(&sending.client, "SELECT raw_ops.fn_health_v1()").await;
    assert!(
        health.to_string().contains("shared_preload_libraries"),
        "it says what is missing: {health}"
    );
    assert_eq!(sending.world.count(), 0, "nobody sends by themselves");

    run(&sending.client, "CALL raw_ops.deliver_outbox()").await;
    assert_eq!(
        sending.attempts(&request).await,
        ["1 failed 503", "2 succeeded 200"]
    );
    assert_eq!(sending.attempts(&alert).await, ["1 succeeded 200"]);
}

#[tokio::test]
async fn two_that_deliver_at_once_send_each_request_once() {
    let sending = Sending::start(Carrier::PgNet).await;
    sending.world.always("/*", Reply::ok());
    let mut calls = Vec::new();
    for _ in 0..3 {
        let client = sending.stack.connect().await.unwrap();
        calls.push(tokio::spawn(async move {
            run(&client, "CALL raw_ops.deliver_outbox(3)").await;
        }));
    }
    let requests: Vec<Request> = (0..300)
        .map(|_| Request::endpoint(&sending.world.url("/hook")))
        .collect();
    for request in &requests {
        sending.enqueue(request).await;
    }
    for request in &requests {
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(sending.world.count(), 300);
}
