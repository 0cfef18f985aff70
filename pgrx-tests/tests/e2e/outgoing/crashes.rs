//! Whatever dies between sending and recording: it is sent again with the same key, and never lost.

use std::collections::BTreeMap;

use raw_ops_e2e::{Reply, Stop, wait_until};

use super::*;

with_both_carriers!(
    a_sender_killed_while_it_sends_is_followed_by_one_that_sends_again,
    a_server_that_goes_down_while_it_sends_sends_again,
    a_sender_asked_to_end_is_followed_by_another,
);

/// A request that the world holds in the air.
async fn held(sending: &Sending) -> Request {
    sending.world.next("/slow", [Reply::never()]);
    sending.world.always("/slow", Reply::ok().text("in the end"));
    let request = Request::endpoint(&sending.world.url("/slow")).timeout(5_000);
    sending.enqueue(&request).await;
    sending
        .world
        .wait_for(LIMIT, "the request", |received| request.is(received))
        .await
        .unwrap();
    let sending_now = async || sending.attempts(&request).await == ["1 sending -"];
    wait_until(LIMIT, "it to be marked", sending_now).await.unwrap();
    request
}

/// It arrived again, as the same message, and what came back the second time is what counts.
async fn assert_sent_again(sending: &Sending, request: &Request) {
    let attempts = sending.settled(request).await;
    assert_eq!(attempts, ["1 failed -", "2 succeeded 200"]);
    assert!(!sending.text(request, 1, "error").await.is_empty());
    assert_eq!(sending.text(request, 2, "response_body").await, "in the end");
    let received = sending.world.requests_to("/slow");
    assert!(received.len() >= 2);
    assert!(received.iter().all(|received| request.is(received)));
}

async fn a_sender_killed_while_it_sends_is_followed_by_one_that_sends_again(carrier: Carrier) {
    let mut sending = Sending::start_with(carrier, durable()).await;
    let first = sending.sender().await;
    let request = held(&sending).await;
    sending.stack.cluster.kill_backend(first).await.unwrap();
    sending.recovered().await;
    assert_sent_again(&sending, &request).await;
    assert_ne!(sending.sender().await, first);
}

async fn a_server_that_goes_down_while_it_sends_sends_again(carrier: Carrier) {
    let mut sending = Sending::start_with(carrier, durable()).await;
    let request = held(&sending).await;
    sending.stack.cluster.restart(Stop::Immediate).await.unwrap();
    sending.client = sending.stack.connect().await.unwrap();
    assert_sent_again(&sending, &request).await;

    sending.world.always("/x", Reply::ok());
    sending.stack.cluster.restart(Stop::Fast).await.unwrap();
    sending.client = sending.stack.connect().await.unwrap();
    assert_eq!(sending.send("/x").await, ["1 succeeded 200"]);
}

async fn a_sender_asked_to_end_is_followed_by_another(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    let first = sending.sender().await;
    let request = held(&sending).await;
    let ended = format!("SELECT pg_terminate_backend({first}, 30000)");
    let superuser = sending.stack.connect_as_superuser().await.unwrap();
    assert!(one::<bool>(&superuser, &ended).await);
    sending.world.release();
    let attempts = sending.settled(&request).await;
    assert!(
        attempts.last().unwrap().ends_with("succeeded 200"),
        "{attempts:?}"
    );
    assert_ne!(sending.sender().await, first);
}

#[tokio::test]
async fn an_answer_on_its_way_is_recorded_before_the_sender_ends() {
    let sending = Sending::start(Carrier::Builtin).await;
    let first = sending.sender().await;
    let request = held(&sending).await;
    as_superuser(&sending.stack, &format!("SELECT pg_terminate_backend({first})")).await;
    sending.world.release();
    assert_eq!(sending.settled(&request).await, ["1 succeeded 200"]);
    assert_eq!(sending.world.count(), 1, "not sent twice for an ordinary restart");
    assert_ne!(sending.sender().await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_nothing_is_lost_whenever_the_sender_is_killed() {
    const MANY: usize = 600;
    let mut sending = Sending::start_with(Carrier::Builtin, durable()).await;
    let slowly = Reply::ok().after(Duration::from_millis(5));
    sending.world.always("/*", slowly);
    let requests: Vec<Request> = (0..MANY)
        .map(|n| Request::endpoint(&sending.world.url("/load")).body(&n.to_string()))
        .collect();
    run(&sending.client, "BEGIN").await;
    for request in &requests {
        sending.enqueue(request).await;
    }
    run(&sending.client, "COMMIT").await;
    for round in 1..=3 {
        let arrived = sending.world.wait_for_requests(LONG, round * 100).await.unwrap();
        assert!(arrived.len() < MANY, "too late to kill");
        let pid = sending.sender().await;
        sending.stack.cluster.kill_backend(pid).await.unwrap();
        sending.recovered().await;
    }
    wait_until(LONG, "all to be sent", async || {
        let left = "SELECT count(*) FROM raw_ops.http_requests WHERE state IN ('queued', 'sending')";
        one::<i64>(&sending.client, left).await == 0
    })
    .await
    .unwrap();
    let succeeded: Vec<String> = column(
        &sending.client,
        "SELECT idempotency_key FROM raw_ops.http_requests WHERE state = 'succeeded' ORDER BY 1",
    )
    .await;
    let mut keys: Vec<&str> = requests.iter().map(|request| request.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(succeeded, keys, "each exactly once");
    let states: Vec<String> = column(
        &sending.client,
        "SELECT DISTINCT state FROM raw_ops.http_requests ORDER BY 1",
    )
    .await;
    assert_eq!(states, ["failed", "succeeded"]);
    // A repeat is the same message: same key, same body.
    let mut bodies: BTreeMap<String, String> = BTreeMap::new();
    for received in sending.world.requests() {
        let key = received.header("idempotency-key").unwrap().to_owned();
        let body = bodies.entry(key).or_insert_with(|| received.text());
        assert_eq!(*body, received.text());
    }
    assert_eq!(bodies.len(), MANY);
    eprintln!("{} sent for {MANY}", sending.world.count());
}
