//! The customer gets one message, and never none: whoever reports an event twice, whatever dies, whoever sends again.

use std::collections::BTreeSet;

use raw_ops_e2e::{Reply, wait_until};

use super::*;

/// The ids of all messages.
fn ids(courier: &Courier) -> BTreeSet<String> {
    let told = courier.told();
    told.iter()
        .map(|request| request.json().unwrap()["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_same_event_twice_is_told_once() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let first = courier.report(&shipment, "03", 0).await;
    courier.notification_in(&notification_of(&first), "sent").await;
    let again = courier.report(&shipment, "03", 0).await;
    assert_eq!(
        (&first["duplicate"], &again["duplicate"]),
        (&false.into(), &true.into())
    );
    for same in [
        "courier_event_id",
        "ops_event_id",
        "event_type",
        "notification",
        "task",
    ] {
        assert_eq!(first[same], again[same], "{same}");
    }
    assert_eq!(again["notification_status"], "sent");
    // Another time is another event.
    let other = courier.report(&shipment, "03", 1).await;
    courier.notification_in(&notification_of(&other), "sent").await;
    assert_eq!((courier.told().len(), ids(&courier).len()), (2, 2));
}

#[tokio::test]
async fn the_same_event_from_two_connections_at_once_is_told_once() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let (one_side, other_side) = (
        courier.stack.connect().await.unwrap(),
        courier.stack.connect().await.unwrap(),
    );
    run(&one_side, "BEGIN").await;
    let first: Value = one(&one_side, &event(&shipment, "01", 0)).await;
    let sql = event(&shipment, "01", 0);
    let second = async {
        let answer: Value = one(&other_side, &sql).await;
        answer
    };
    let commit = async {
        // The other has to wait for this transaction: whether it becomes an event is not decided yet.
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%process_courier_event%'";
        wait_until(LIMIT, "the other to wait", async || {
            one::<i64>(&courier.client, waits).await == 1
        })
        .await
        .unwrap();
        run(&one_side, "COMMIT").await;
    };
    let (second, ()) = tokio::join!(second, commit);
    assert_eq!(
        (&first["duplicate"], &second["duplicate"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["ops_event_id"], second["ops_event_id"]);
    courier.notification_in(&notification_of(&first), "sent").await;

    // Many at once, of one event and of others.
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..8_u32 {
        let (client, shipment) = (courier.stack.connect().await.unwrap(), shipment.clone());
        lanes.spawn(async move {
            for minute in 1..=10 {
                // Each begins somewhere else.
                let minute = (minute + lane) % 10 + 1;
                run(&client, &event(&shipment, "01", minute)).await;
            }
        });
    }
    lanes.join_all().await;
    courier.settled().await;
    let sent = "SELECT count(*) FROM raw_ops.ops_events WHERE notification_status = 'sent'";
    wait_until(LIMIT, "all to be sent", async || {
        one::<i64>(&courier.client, sent).await == 11
    })
    .await
    .unwrap();
    assert_eq!((courier.told().len(), ids(&courier).len()), (11, 11));
}

#[tokio::test]
async fn a_retry_run_during_a_send_sends_nothing_more() {
    let courier = Courier::start().await;
    courier.world.next(EVENTS, [Reply::never()]);
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.world.wait_for_requests(LIMIT, 1).await.unwrap();
    let retry = "SELECT raw_ops.fn_retry_courier_notifications_v1()";
    for _ in 0..3 {
        let run: Value = one(&courier.client, retry).await;
        assert_eq!(run["picked_up"], 0, "{run}");
    }
    courier.world.release();
    courier.notification_in(&event, "sent").await;
    let run: Value = one(&courier.client, retry).await;
    assert_eq!(run["picked_up"], 0, "{run}");
    courier.settled().await;
    assert_eq!(courier.requests(&event).await, ["1 succeeded 200"]);
    assert_eq!(courier.told().len(), 1);
}

#[tokio::test]
async fn a_sender_killed_between_send_and_record_sends_the_same_message_again() {
    let mut courier = Courier::start_with(StackOptions {
        shim: false,
        ..durable().setting("raw_ops.workers", 0)
    })
    .await;
    courier.world.next(EVENTS, [Reply::never()]);
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "12", 0).await);
    courier.world.wait_for_requests(LIMIT, 1).await.unwrap();
    let sender: i32 = one(
        &courier.stack.connect_as_superuser().await.unwrap(),
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'raw_ops sender'",
    )
    .await;
    courier.stack.cluster.kill_backend(sender).await.unwrap();
    wait_until(LIMIT, "the server to have noticed", async || {
        courier.client.is_closed()
    })
    .await
    .unwrap();
    courier.stack.cluster.wait_ready().await.unwrap();
    courier.client = courier.stack.connect().await.unwrap();
    let row = courier.notification_in(&event, "sent").await;
    assert_eq!(row["notification_attempts"], 2, "of the first nothing is known");
    let told = courier.told();
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[0].text(),
        told[1].text(),
        "Customer.io takes the second for the first"
    );
    assert_eq!(ids(&courier).len(), 1);
}

#[tokio::test]
async fn what_was_written_while_the_trigger_was_off_is_picked_up_twenty_a_run() {
    let courier = Courier::start().await;
    run(
        &courier.client,
        "ALTER TABLE raw_ops.ops_events DISABLE TRIGGER trigger_notify_courier_exception",
    )
    .await;
    for customer in 0..25 {
        run(
            &courier.client,
            &by_hand_event(&format!("{customer}@example.com")),
        )
        .await;
    }
    run(&courier.client, &by_hand_event("  ")).await;
    run(
        &courier.client,
        "INSERT INTO raw_ops.ops_events (kind, entity_type, customer_event_type, event_payload, created_at, processed_at,
                                         notification_status, notification_attempts, notification_next_retry_at)
         SELECT 'CUSTOMER_EVENT', 'shipment', 'courier_exception', jsonb_build_object('email', 'never@example.com'),
                now() - age, processed, status, attempts, retry
           FROM (VALUES (interval '25 hours', null::timestamptz, null, 0, null::timestamptz),
                        ('0', now(), null, 0, null), ('0', null, 'sent', 1, null), ('0', null, 'failed', 5, null),
                        ('0', null, 'skipped', 0, null), ('0', null, 'pending', 5, null),
                        ('0', null, 'pending', 1, now() + interval '1 hour')) AS never(age, processed, status, attempts, retry)",
    )
    .await;
    run(
        &courier.client,
        "ALTER TABLE raw_ops.ops_events ENABLE TRIGGER trigger_notify_courier_exception",
    )
    .await;
    // Two runs at once share them.
    let other = courier.stack.connect().await.unwrap();
    run(&courier.client, "BEGIN").await;
    let retry = "SELECT raw_ops.fn_retry_courier_notifications_v1()";
    let first: Value = one(&courier.client, retry).await;
    let second: Value = one(&other, retry).await;
    run(&courier.client, "COMMIT").await;
    let figures = |run: &Value| ["picked_up", "queued", "skipped"].map(|name| run[name].as_i64().unwrap());
    assert_eq!(figures(&first), [20, 20, 0]);
    assert_eq!(figures(&second), [6, 5, 1]);
    courier.settled().await;
    let third: Value = one(&courier.client, retry).await;
    assert_eq!(figures(&third), [0, 0, 0]);
    let sent = "SELECT count(*) FROM raw_ops.ops_events WHERE notification_status = 'sent' AND notification_attempts = 1
                   AND processed_at > created_at";
    wait_until(LIMIT, "all to be sent", async || {
        one::<i64>(&courier.client, sent).await == 25
    })
    .await
    .unwrap();
    assert_eq!(courier.told().len(), 25);
    assert!(
        courier
            .told()
            .iter()
            .all(|request| !request.path.contains("never"))
    );
}

#[tokio::test]
async fn a_retrigger_begins_anew_even_while_an_attempt_waits_or_is_in_the_air() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let retrigger = |event: &str| {
        format!(
            "UPDATE raw_ops.ops_events SET notification_status = 'pending', notification_attempts = 0,
                    notification_last_error = NULL, notification_next_retry_at = NULL WHERE id = '{event}'"
        )
    };
    // Failed for good, and once more: sent at once, not at the next run.
    courier
        .world
        .next(EVENTS, [Reply::status(400), Reply::status(401)]);
    let failed = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.notification_in(&failed, "failed").await;
    run(&courier.client, &retrigger(&failed)).await;
    courier.attempted(&failed, 1).await;
    courier.notification_in(&failed, "failed").await;
    run(&courier.client, &retrigger(&failed)).await;
    let row = courier.notification_in(&failed, "sent").await;
    assert_eq!(row["notification_attempts"], 1);
    assert_eq!(
        courier.requests(&failed).await,
        ["1 abandoned 400", "1 abandoned 401", "1 succeeded 200"]
    );
    // Again by hand: it has been sent, so nothing happens.
    run(&courier.client, &retrigger(&failed)).await;
    courier.settled().await;
    assert_eq!(courier.requests(&failed).await.len(), 3);

    // Waiting for its second attempt: that one is replaced.
    courier.world.next(EVENTS, [Reply::status(500)]);
    let waiting = notification_of(&courier.report(&shipment, "01", 1).await);
    courier.attempted(&waiting, 1).await;
    run(&courier.client, &retrigger(&waiting)).await;
    let row = courier.notification_in(&waiting, "sent").await;
    assert_eq!(row["notification_attempts"], 1);
    assert_eq!(
        courier.requests(&waiting).await,
        ["1 failed 500", "2 abandoned -", "1 succeeded 200"]
    );

    retrigger_in_the_air(&courier, &shipment, retrigger).await;
    assert_eq!(ids(&courier).len(), 3, "each notification has kept its id");
}

/// While the second attempt has no answer yet.
async fn retrigger_in_the_air(courier: &Courier, shipment: &str, retrigger: impl Fn(&str) -> String) {
    // In the air: the attempt is waited for, and when it fails all five follow.
    courier
        .world
        .next(EVENTS, [Reply::status(500), Reply::status(503).held()]);
    let in_the_air = notification_of(&courier.report(shipment, "01", 2).await);
    courier.attempted(&in_the_air, 1).await;
    courier.move_clock().await;
    let count = courier.told().len() + 1;
    wait_until(LIMIT, "the second attempt to be in the air", async || {
        courier.told().len() >= count
    })
    .await
    .unwrap();
    run(&courier.client, &retrigger(&in_the_air)).await;
    courier.world.release();
    let row = courier.notification_in(&in_the_air, "sent").await;
    assert_eq!(row["notification_attempts"], 1);
    assert_eq!(
        courier.requests(&in_the_air).await,
        ["1 failed 500", "2 failed 503", "3 abandoned -", "1 succeeded 200"]
    );
}

#[tokio::test]
async fn what_is_settled_by_hand_or_removed_is_not_sent_any_more() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let mut events = Vec::new();
    for minute in 0..3 {
        courier.world.next(EVENTS, [Reply::status(500)]);
        let event = notification_of(&courier.report(&shipment, "01", minute).await);
        courier.attempted(&event, 1).await;
        events.push(event);
    }
    let [handled, skipped, removed] = [0, 1, 2].map(|index| events[index].as_str());
    run(
        &courier.client,
        &format!(
            "UPDATE raw_ops.ops_events SET processed_at = now() WHERE id = '{handled}';
             UPDATE raw_ops.ops_events SET notification_status = 'skipped' WHERE id = '{skipped}';
             DELETE FROM raw_ops.ops_events WHERE id = '{removed}'"
        ),
    )
    .await;
    courier.move_clock().await;
    courier.settled().await;
    for event in &events {
        assert_eq!(courier.requests(event).await, ["1 failed 500", "2 abandoned -"]);
    }
    assert_eq!(courier.told().len(), 3, "the first attempts, and no more");
    let rows: Vec<String> = column(
        &courier.client,
        "SELECT concat_ws(' ', notification_status, notification_attempts, processed_at IS NOT NULL) FROM raw_ops.ops_events
          WHERE kind = 'CUSTOMER_EVENT' ORDER BY created_at",
    )
    .await;
    assert_eq!(rows, ["pending 1 t", "skipped 1 f"]);
    assert!(courier.alerts().is_empty());
    settle_in_the_air(&courier, &shipment).await;
}

/// While the first attempt has no answer yet.
async fn settle_in_the_air(courier: &Courier, shipment: &str) {
    // Settled while it is in the air: a failure changes nothing, a success is the truth.
    for (answer, expected) in [(Reply::status(503), "skipped 0 f"), (Reply::ok(), "sent 1 t")] {
        courier.world.next(EVENTS, [answer.held()]);
        let before = courier.told().len();
        let event = notification_of(
            &courier
                .report(shipment, "09", u32::try_from(before).unwrap())
                .await,
        );
        wait_until(LIMIT, "it to be in the air", async || {
            courier.told().len() > before
        })
        .await
        .unwrap();
        let skip =
            format!("UPDATE raw_ops.ops_events SET notification_status = 'skipped' WHERE id = '{event}'");
        run(&courier.client, &skip).await;
        courier.world.release();
        courier.settled().await;
        let row: String = one(
            &courier.client,
            &format!("SELECT concat_ws(' ', notification_status, notification_attempts, processed_at IS NOT NULL) FROM raw_ops.ops_events WHERE id = '{event}'"),
        )
        .await;
        assert_eq!(row, expected);
    }
}
