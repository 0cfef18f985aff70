//! What is no news any more is stored and tells nobody; and whose address it is told to.

use raw_ops_e2e::Reply;
use raw_ops_e2e::courier::{Dpd, fulfillment, fulfillment_delivery};

use super::reports::{PARCEL, TOKEN, order, send, send_fulfillment, with_shim};
use super::*;

const STORED: &str =
    "SELECT concat_ws(' ', event_code, requires_customer_notification, coalesce(withheld, '-'))
                        FROM raw_ops.courier_events ORDER BY event_code";
const SPOKEN: &str = "SELECT (SELECT count(*) FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT') +
                             (SELECT count(*) FROM raw_ops.courier_tasks)";

/// A code of the account that ends a shipment's way.
async fn map_end(client: &Client, code: &str, event_type: &str) {
    let sql = "INSERT INTO raw_ops.courier_event_mapping (courier_name, event_code, event_type, requires_customer_notification, priority)
               VALUES ('DPD', $1, $2, false, 'low')";
    client.execute(sql, &[&code, &event_type]).await.unwrap();
}

#[tokio::test]
async fn an_event_older_than_a_day_is_stored_opens_no_task_and_tells_nobody() {
    let courier = Courier::start().await;
    let client = &courier.client;
    assert_eq!(
        one::<String>(client, "SHOW raw_ops.courier_notice_max_age").await,
        "1d"
    );
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let at = |code: &str, ago: &str| event_at(&shipment, code, &format!("now() - interval '{ago}'"));
    for (code, ago) in [
        ("01", "9 days"),
        ("03", "10 days"),
        ("12", "24 hours 1 minute"),
        ("77", "9 days"),
    ] {
        let answer: Value = one(client, &at(code, ago)).await;
        let is_mapped = code != "77";
        assert_eq!(
            answer["withheld"],
            if is_mapped { json!("too_old") } else { Value::Null },
            "{answer}"
        );
        assert_eq!(answer["reason"].is_string(), is_mapped, "{answer}");
        assert_eq!(
            (&answer["outcome"], &answer["requires_customer_notification"]),
            (&json!("recorded"), &json!(false))
        );
        assert!(
            answer["ops_event_id"].is_null() && answer["task"].is_null() && answer["notification"].is_null()
        );
    }
    assert_eq!(
        column::<String>(client, STORED).await,
        ["01 f too_old", "03 f too_old", "12 f too_old", "77 f -"]
    );
    assert_eq!(one::<i64>(client, SPOKEN).await, 0);
    // News, and what an operator calls news.
    let fresh: Value = one(client, &at("08", "23 hours 59 minutes")).await;
    courier.notification_in(&notification_of(&fresh), "sent").await;
    let superuser = courier.stack.connect_as_superuser().await.unwrap();
    for (limit, code, told) in [("10d", "02", true), ("60", "09", false), ("0", "03", true)] {
        run(
            &superuser,
            &format!("SET raw_ops.courier_notice_max_age = '{limit}'"),
        )
        .await;
        let answer: Value = one(&superuser, &at(code, "9 days")).await;
        assert_eq!(answer["ops_event_id"].is_string(), told, "{limit}: {answer}");
    }
}

#[tokio::test]
async fn parcel_events_of_last_week_that_come_today_by_webhook_tell_nobody() {
    let options = by_hand().shim_env(raw_ops_e2e::courier::TOKEN_VARIABLE, TOKEN);
    let courier = Courier::start_with(options).await;
    courier.shipment(PARCEL, Some("a@example.com")).await;
    let dpd = Dpd::to(courier.stack.shim().unwrap(), TOKEN);
    for days in [9, 10] {
        let event = json!({"parcelNumber": PARCEL, "eventCode": "01", "eventTime": noon() - days * 86_400});
        assert_eq!(dpd.send(&event).await.unwrap().status, 200);
    }
    // One that waited for its shipment, and is old by then.
    let late = json!({"parcelNumber": "LATE", "eventCode": "01", "eventTime": noon() - 86_400});
    assert_eq!(dpd.send(&late).await.unwrap().status, 200);
    assert_eq!(drain(&courier.client, 10).await, [3, 3, 0, 0]);
    courier.shipment("LATE", Some("b@example.com")).await;
    assert_eq!(
        column::<String>(&courier.client, STORED).await,
        ["01 f too_old", "01 f too_old", "01 f too_old"]
    );
    assert_eq!(one::<i64>(&courier.client, SPOKEN).await, 0);
}

#[tokio::test]
async fn a_missed_delivery_from_before_the_delivery_that_comes_after_it_tells_nobody() {
    let courier = Courier::start().await;
    let client = &courier.client;
    map_end(client, "13", "delivered").await;
    map_end(client, "14", "returned").await;
    for (number, code, end) in [("1", "13", "delivered"), ("2", "14", "returned")] {
        let shipment = courier.shipment(number, Some("a@example.com")).await;
        courier.report(&shipment, code, 60).await;
        // Before the end, and after it.
        for (code, minute) in [("01", 0), ("03", 0), ("05", 90)] {
            let answer = courier.report(&shipment, code, minute).await;
            assert_eq!(answer["withheld"], end, "{answer}");
            assert_eq!(
                answer["withheld"],
                courier.report(&shipment, code, minute).await["withheld"],
                "again"
            );
        }
    }
    // Shopify knows of the delivery.
    let shipment = courier.shipment("3", Some("a@example.com")).await;
    run(
        client,
        &format!("UPDATE raw_ops.shipments SET status = 'delivered' WHERE id = '{shipment}'"),
    )
    .await;
    assert_eq!(courier.report(&shipment, "12", 0).await["withheld"], "delivered");
    assert_eq!(one::<i64>(client, SPOKEN).await, 0);
}

#[tokio::test]
async fn a_list_that_holds_the_delivery_tells_nothing_of_before_whatever_its_order() {
    let courier = Courier::start().await;
    map_end(&courier.client, "001", "delivered").await;
    for (number, codes) in [("1", ["01", "03", "001"]), ("2", ["001", "03", "01"])] {
        courier.shipment(number, Some("a@example.com")).await;
        let events: Vec<Value> = codes
            .iter()
            .map(|code| json!({"eventCode": code, "eventTime": noon() + if *code == "001" { 60 } else { 0 }}))
            .collect();
        let body = json!({"parcelNumber": number, "events": events}).to_string();
        let sql = "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', $1, '{}', $2)";
        courier
            .client
            .execute(sql, &[&number, &body.as_bytes()])
            .await
            .unwrap();
    }
    assert_eq!(drain(&courier.client, 10).await, [2, 2, 0, 0]);
    assert_eq!(one::<i64>(&courier.client, SPOKEN).await, 0);
    assert_eq!(
        one::<i64>(&courier.client, "SELECT count(*) FROM raw_ops.courier_events").await,
        6
    );
}

#[tokio::test]
async fn a_notification_that_waits_when_the_shipment_arrives_is_not_sent_any_more() {
    let courier = Courier::start().await;
    let client = &courier.client;
    map_end(client, "13", "delivered").await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    courier.world.next(EVENTS, [Reply::status(500)]);
    let missed = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.attempted(&missed, 1).await;
    courier.report(&shipment, "13", 60).await;
    courier.move_clock().await;
    let row = courier.notification_in(&missed, "skipped").await;
    assert_eq!(
        row["notification_last_error"],
        "not told: the shipment was delivered meanwhile"
    );
    // What a person writes is sent, about whatever shipment (DLV's own test event).
    let sql = format!(
        "INSERT INTO raw_ops.ops_events (kind, entity_type, entity_id, customer_event_type, event_payload)
         VALUES ('CUSTOMER_EVENT', 'shipment', '{shipment}', 'courier_exception', '{{\"email\": \"test@example.com\"}}') RETURNING id::text"
    );
    let by_hand: String = one(client, &sql).await;
    courier.notification_in(&by_hand, "sent").await;
    assert_eq!(courier.alerts(), [], "nothing has failed");

    // One that nobody sent for a day: the sender was not there.
    let other = courier.shipment("2", Some("b@example.com")).await;
    courier.world.next(EVENTS, [Reply::status(500)]);
    let lain = notification_of(&courier.report(&other, "01", 0).await);
    courier.attempted(&lain, 1).await;
    run(
        client,
        "UPDATE raw_ops.http_requests SET send_after = now() - interval '25 hours' WHERE state = 'queued'",
    )
    .await;
    let row = courier.notification_in(&lain, "skipped").await;
    assert!(
        row["notification_last_error"]
            .as_str()
            .unwrap()
            .contains("raw_ops.courier_notice_max_age")
    );
    // Begun anew by a person it is.
    run(
        client,
        &format!(
            "UPDATE raw_ops.ops_events SET notification_status = 'pending', notification_attempts = 0,
                    notification_last_error = NULL, notification_next_retry_at = NULL WHERE id = '{lain}'"
        ),
    )
    .await;
    courier.notification_in(&lain, "sent").await;
}

#[tokio::test]
async fn a_shipments_status_never_goes_backwards() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    let says = async |shipment_status: Value, updated_at: &str, expected: &str| {
        let mut body = fulfillment(255_858_046, order.id, &["A"], updated_at);
        body["shipment_status"] = shipment_status;
        send(&courier, &fulfillment_delivery("fulfillments/update", &body)).await;
        drain(&courier.client, 10).await;
        let status: String = one(&courier.client, "SELECT status FROM raw_ops.shipments").await;
        assert_eq!(status, expected, "{body}");
    };
    send_fulfillment(&courier, &order, &["A"], "2026-01-19T09:00:00Z").await;
    says(json!("in_transit"), "2026-01-19T10:00:00Z", "in_transit").await;
    // Newer, but of the fulfillment only: it is a success, as before.
    says(Value::Null, "2026-01-19T11:00:00Z", "in_transit").await;
    says(json!("delivered"), "2026-01-19T12:00:00Z", "delivered").await;
    says(json!("in_transit"), "2026-01-19T12:00:00Z", "delivered").await;
    says(json!("out_for_delivery"), "2026-01-19T11:30:00Z", "delivered").await;
    says(Value::Null, "2026-01-19T13:00:00Z", "delivered").await;
    says(json!("failure"), "2026-01-19T14:00:00Z", "failure").await;
}

#[tokio::test]
async fn the_orders_own_address_goes_before_the_customers() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("old@example.com")).await;
    let correct = format!(
        "UPDATE raw_ops.orders SET email = 'corrected@example.com' WHERE id = (SELECT order_id FROM raw_ops.shipments WHERE id = '{shipment}')"
    );
    run(&courier.client, &correct).await;
    let answer = courier.report(&shipment, "01", 0).await;
    assert_eq!(answer["notification"]["email"], "corrected@example.com");
    courier.notification_in(&notification_of(&answer), "sent").await;
    assert_eq!(
        courier.told()[0].path,
        "/api/v1/customers/corrected%40example.com/events"
    );
}
