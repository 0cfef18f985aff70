//! One host never waits for another, and none is overrun. Of the built-in carrier: pg_net waits for the slowest of a
//! batch.

use std::time::Instant;

use raw_ops_e2e::Reply;
use raw_ops_e2e::receiver::{BlackHole, slack};

use super::*;

/// Most requests that one host may have at the same time; a few more or less would do as well.
const BOUND: usize = 64;

async fn queue(sending: &Sending, url: &str, count: usize) -> Vec<Request> {
    let requests: Vec<Request> = (0..count)
        .map(|_| Request::endpoint(url).timeout(60_000))
        .collect();
    run(&sending.client, "BEGIN").await;
    for request in &requests {
        sending.enqueue(request).await;
    }
    run(&sending.client, "COMMIT").await;
    requests
}

#[tokio::test]
async fn a_host_that_never_answers_holds_up_nobody_and_gets_no_more_than_its_share() {
    let sending = Sending::start(Carrier::Builtin).await;
    let deaf = Receiver::start().unwrap();
    deaf.always("/*", Reply::ok().held());
    sending.world.always("/*", Reply::ok());
    let waiting = queue(&sending, &deaf.url("/hook"), 300).await;
    deaf.wait_for_requests(LIMIT, 2).await.unwrap();

    for round in 0..3 {
        let others = queue(&sending, &sending.world.url("/hook"), 40).await;
        let committed = Instant::now();
        for request in &others {
            assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
        }
        let first = &sending.world.requests()[round * 40];
        eprintln!(
            "commit to arrival while another host hangs: {:?}",
            first.at.saturating_duration_since(committed)
        );
    }
    let alert = Request::slack();
    sending.enqueue(&alert).await;
    assert_eq!(sending.settled(&alert).await, ["1 succeeded 200"]);
    let most = deaf.most_in_flight();
    assert!((2..=BOUND).contains(&most), "{most} at once");
    assert_eq!(deaf.count(), most, "nobody was answered, so nobody followed");

    wait_for(LONG, "the rest to be sent", async || {
        deaf.release();
        (deaf.count() == waiting.len() && deaf.in_flight() == 0).then_some(())
    })
    .await
    .unwrap();
    for request in &waiting {
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    assert!(deaf.most_in_flight() <= BOUND, "{}", deaf.most_in_flight());
}

#[tokio::test]
async fn a_host_that_takes_no_connection_holds_up_nobody() {
    let sending = Sending::start(Carrier::Builtin).await;
    let hole = BlackHole::open().await.unwrap();
    sending.world.always("/*", Reply::ok());
    let lost = queue(&sending, &hole.url("/hook"), 100).await;
    let sent = queue(&sending, &sending.world.url("/hook"), 20).await;
    for request in &sent {
        assert_eq!(sending.settled(request).await, ["1 succeeded 200"]);
    }
    let succeeded: i64 = one(
        &sending.client,
        "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'succeeded'",
    )
    .await;
    assert_eq!(succeeded, 20);
    let first = wait_for(LONG, "the hole to be noticed", async || {
        let sql = format!(
            "SELECT error FROM raw_ops.http_requests WHERE state = 'failed' AND idempotency_key = '{}' AND attempt = 1",
            lost[0].key
        );
        Some(
            sending
                .client
                .query_opt(&sql, &[])
                .await
                .unwrap()?
                .get::<_, String>(0),
        )
    });
    let error = first.await.unwrap();
    assert!(!error.is_empty());
}

#[tokio::test]
async fn a_channel_of_slack_gets_one_message_at_a_time() {
    let sending = Sending::start(Carrier::Builtin).await;
    let messages: Vec<Request> = (0..20).map(|_| Request::slack()).collect();
    run(&sending.client, "BEGIN").await;
    for message in &messages {
        sending.enqueue(message).await;
    }
    run(&sending.client, "COMMIT").await;
    for message in &messages {
        assert_eq!(sending.settled(message).await, ["1 succeeded 200"]);
    }
    assert_eq!(sending.world.requests_to(slack::PATH).len(), 20);
    assert_eq!(sending.world.most_in_flight(), 1);
}
