//! Nothing leaves before the commit, everything leaves after it, once.

use std::collections::BTreeSet;
use std::time::Instant;

use raw_ops_e2e::Reply;

use super::*;

with_both_carriers!(
    what_was_rolled_back_is_never_sent,
    what_is_not_due_waits_until_it_is,
    each_of_thousands_arrives_once,
    an_update_of_the_setting_changes_the_carrier,
);

async fn what_was_rolled_back_is_never_sent(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    let undone = Request::endpoint(&sending.world.url("/undone"));
    let done = Request::endpoint(&sending.world.url("/done"));
    run(&sending.client, "BEGIN").await;
    sending.enqueue(&undone).await;
    sending.enqueue(&Request::slack()).await;
    run(&sending.client, "ROLLBACK; BEGIN; SAVEPOINT s").await;
    sending.enqueue(&undone).await;
    run(&sending.client, "ROLLBACK TO s").await;
    sending.enqueue(&done).await;
    // Before the commit somebody else's request goes through, whole.
    let other = sending.stack.connect().await.unwrap();
    let witness = Request::endpoint(&sending.world.url("/witness"));
    witness.insert(&other).await;
    sending
        .world
        .wait_for(LIMIT, "the witness", |received| witness.is(received))
        .await
        .unwrap();
    assert_eq!(sending.world.count(), 1);
    run(&sending.client, "COMMIT").await;
    assert_eq!(sending.settled(&done).await, ["1 succeeded 200"]);
    let paths: Vec<String> = sending
        .world
        .requests()
        .iter()
        .map(|received| received.path.clone())
        .collect();
    assert_eq!(paths, ["/witness", "/done"]);
    let rows: i64 = one(&sending.client, "SELECT count(*) FROM raw_ops.http_requests").await;
    assert_eq!(rows, 2);
}

async fn what_is_not_due_waits_until_it_is(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    sending.world.always("/*", Reply::ok());
    let later = Request::endpoint(&sending.world.url("/later")).after("1 hour");
    let soon = Request::endpoint(&sending.world.url("/soon")).after("1500 milliseconds");
    sending.enqueue(&later).await;
    sending.enqueue(&soon).await;
    assert_eq!(sending.settled(&soon).await, ["1 succeeded 200"]);
    assert_eq!(sending.text(&soon, 1, "sent_at >= send_after").await, "true");
    assert_eq!(sending.attempts(&later).await, ["1 queued -"]);
    assert_eq!(sending.world.count(), 1);
    run(
        &sending.client,
        "UPDATE raw_ops.http_requests SET send_after = clock_timestamp() WHERE state = 'queued'",
    )
    .await;
    assert_eq!(sending.settled(&later).await, ["1 succeeded 200"]);
}

async fn each_of_thousands_arrives_once(carrier: Carrier) {
    const MANY: usize = 2_000;
    let sending = Sending::start(carrier).await;
    let worlds = [Receiver::start().unwrap(), Receiver::start().unwrap()];
    for world in &worlds {
        world.always("/*", Reply::ok());
    }
    let sql =
        "INSERT INTO raw_ops.http_requests (id, purpose, subject_id, destination, url, body, idempotency_key)
               SELECT raw_ops.fn_uuid_v7(), 'outbound', gen_random_uuid(), 'endpoint',
                      CASE n % 2 WHEN 0 THEN $1 ELSE $2 END, jsonb_build_object('n', n), 'many-' || n
                 FROM generate_series(1, $3::int) n";
    let urls = worlds.each_ref().map(|world| world.url("/hook"));
    let start = Instant::now();
    let inserted = sending
        .client
        .execute(sql, &[&urls[0], &urls[1], &(MANY as i32)])
        .await;
    assert_eq!(inserted.unwrap(), MANY as u64);
    wait_for(LONG, "all to be sent", async || {
        let left = "SELECT count(*) FROM raw_ops.http_requests WHERE state IN ('queued', 'sending')";
        (one::<i64>(&sending.client, left).await == 0).then_some(())
    })
    .await
    .unwrap();
    eprintln!(
        "{}: {:.0} requests/s, record included",
        carrier.name(),
        MANY as f64 / start.elapsed().as_secs_f64()
    );
    let outcome: Vec<String> = column(
        &sending.client,
        "SELECT DISTINCT concat_ws(' ', attempt, state, status_code, carrier) FROM raw_ops.http_requests",
    )
    .await;
    assert_eq!(outcome, [format!("1 succeeded 200 {}", carrier.name())]);
    let received = worlds.each_ref().map(Receiver::requests).concat();
    let keys: BTreeSet<&str> = received
        .iter()
        .filter_map(|received| received.header("idempotency-key"))
        .collect();
    assert_eq!((received.len(), keys.len()), (MANY, MANY));
}

async fn an_update_of_the_setting_changes_the_carrier(carrier: Carrier) {
    let sending = Sending::start(Carrier::PgNet).await;
    sending.world.always("/*", Reply::ok());
    let send = async |path: &str| {
        let request = Request::endpoint(&sending.world.url(path));
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 succeeded 200"], "{path}");
        sending.text(&request, 1, "carrier").await
    };
    assert_eq!(send("/first").await, "pg_net");
    // The sender may read the file later than a new session does: both go out whole all the same.
    sending.set("raw_ops.carrier", carrier.name()).await;
    wait_for(LONG, "the carrier to be in force", async || {
        (send("/second").await == carrier.name()).then_some(())
    })
    .await
    .unwrap();
    sending.set("raw_ops.carrier", "auto").await;
    wait_for(LONG, "the installed pg_net to be used", async || {
        (send("/third").await == "pg_net").then_some(())
    })
    .await
    .unwrap();
    as_superuser(&sending.stack, "DROP EXTENSION pg_net").await;
    assert_eq!(send("/fourth").await, "builtin");
}
