//! A database that was dumped and restored tells nobody: its rows are the original's, its customers are real.

use raw_ops_e2e::Reply;

use super::*;

#[tokio::test]
async fn restoring_a_dump_sends_nothing_and_nothing_fails_for_it() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let sent = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.notification_in(&sent, "sent").await;
    courier.world.next(EVENTS, [Reply::status(500)]);
    let waiting = notification_of(&courier.report(&shipment, "01", 1).await);
    courier.attempted(&waiting, 1).await;
    run(
        &courier.client,
        "ALTER TABLE raw_ops.ops_events DISABLE TRIGGER trigger_notify_courier_exception",
    )
    .await;
    let unseen: String = one(&courier.client, &by_hand_event("b@example.com")).await;
    run(
        &courier.client,
        "ALTER TABLE raw_ops.ops_events ENABLE TRIGGER trigger_notify_courier_exception",
    )
    .await;
    courier.settled().await;
    let dump = courier.stack.cluster.pg_dump("shop", &[]).await.unwrap();
    let copy = courier.restored(&dump).await;
    let rows = "SELECT string_agg(concat_ws(' ', notification_status, notification_attempts), ', ' ORDER BY created_at)
                  FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT'";
    assert_eq!(one::<String>(&copy.client, rows).await, "sent 1, pending 1, 0");
    let before = courier.world.count();
    // Everything that could send is tried: the retry run, a new event, the clock.
    let picked: Value = one(&copy.client, "SELECT raw_ops.fn_retry_courier_notifications_v1()").await;
    assert_eq!(picked["queued"], 1, "{picked}");
    copy.report(&shipment, "01", 2).await;
    copy.move_clock().await;
    run(&copy.client, "CALL raw_ops.deliver_outbox(1)").await;
    run(
        &copy.client,
        "CREATE TEMP TABLE looked AS SELECT clock_timestamp() AS at",
    )
    .await;
    copy.move_clock().await;
    let superuser = copy.stack.connect_as_superuser().await.unwrap();
    let looked = sender_has_looked_since(&copy.client, "looked").await;
    wait_until(LIMIT, "the sender to have looked", async || {
        one::<i64>(&superuser, &looked).await == 1
    })
    .await
    .unwrap();
    assert_eq!(courier.world.count(), before, "the copy is silent");
    let failed = "SELECT count(*) FROM raw_ops.ops_events WHERE notification_status = 'failed'";
    assert_eq!(one::<i64>(&copy.client, failed).await, 0);

    resume(&courier, &copy, &shipment, [&waiting, &unseen]).await;
}

/// Lets the copy send, but not what was meant for the original.
async fn resume(courier: &Courier, copy: &Courier, shipment: &str, [waiting, unseen]: [&str; 2]) {
    let before = courier.world.count();
    // Somebody decides what was meant for the original: it is not sent, and no run picks it up again.
    let resumed: Value = one(&copy.client, "SELECT raw_ops.fn_resume_delivery_v1(true)").await;
    assert_eq!(resumed["discarded"], 3, "{resumed}");
    let picked: Value = one(&copy.client, "SELECT raw_ops.fn_retry_courier_notifications_v1()").await;
    assert_eq!(picked["picked_up"], 0, "{picked}");
    let skipped = format!(
        "SELECT count(*) FROM raw_ops.ops_events WHERE notification_status = 'skipped' AND id IN ('{waiting}', '{unseen}')"
    );
    assert_eq!(one::<i64>(&copy.client, &skipped).await, 2);
    // From now on it is a shop of its own.
    let own = notification_of(&copy.report(shipment, "01", 3).await);
    copy.notification_in(&own, "sent").await;
    assert_eq!(courier.world.count(), before + 1);
}
