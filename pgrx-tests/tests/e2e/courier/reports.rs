//! What DPD reports about shipments, through the shim.

use raw_ops_e2e::courier::{Dpd, TOKEN_VARIABLE, dpd_event, fulfillment, fulfillment_delivery};
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::shopify::Delivery;

use super::*;

pub const TOKEN: &str = "dpd-token-1";
pub const PARCEL: &str = "15501234567890";

/// With the shim; webhooks are processed when the test says so. Events of any age are told, so that tests may name days.
pub async fn with_shim() -> Courier {
    let options = by_hand().setting("raw_ops.courier_notice_max_age", 0);
    Courier::start_with(options.shim_env(TOKEN_VARIABLE, format!("another, {TOKEN}"))).await
}

/// An order of a customer with an address.
pub fn order() -> Order {
    let mut orders = Generator::new(21).orders(0..50);
    orders.find(|order| order.customer_id.is_some()).unwrap()
}

pub async fn send(courier: &Courier, delivery: &Delivery) {
    let outcome = courier.stack.sender().unwrap().send(delivery).await;
    assert!(outcome.accepted(), "{outcome:?}");
}

pub async fn send_fulfillment(courier: &Courier, order: &Order, numbers: &[&str], updated_at: &str) {
    let body = fulfillment(255_858_046, order.id, numbers, updated_at);
    send(courier, &fulfillment_delivery("fulfillments/update", &body)).await;
}

/// Every failed webhook is due again.
async fn due(courier: &Courier) {
    let sql = "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'";
    run(&courier.client, sql).await;
}

#[tokio::test]
async fn from_the_order_to_the_customers_message() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    send_fulfillment(&courier, &order, &["1550 1234 5678 90"], "2026-01-19T09:00:00Z").await;
    let dpd = Dpd::to(courier.stack.shim().unwrap(), TOKEN);
    let event = dpd_event(PARCEL, "01", "No one was home", "2026-01-19 14:05:00");
    let answer = dpd.send(&event).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    // All at once: orders first, then shipments, then what is reported about them.
    assert_eq!(drain(&courier.client, 100).await, [3, 3, 0, 0]);
    let request = courier.world.wait_for_requests(LIMIT, 1).await.unwrap().remove(0);
    let email = order
        .email
        .as_deref()
        .unwrap()
        .replace('@', "%40")
        .replace('+', "%2B");
    assert_eq!(request.path, format!("/api/v1/customers/{email}/events"));
    let data = request.json().unwrap()["data"].clone();
    assert_eq!(data["event_description"], "No one was home");
    assert_eq!(data["tracking_number"], PARCEL);
    assert_eq!(
        data["tracking_url"],
        "https://track.dpd.co.uk/parcels/1550 1234 5678 90"
    );
    let row = courier
        .client
        .query_one(
            "SELECT e.event_time = '2026-01-19T14:05:00Z', e.raw_payload = $1, w.event_id, e.courier_name
               FROM raw_ops.courier_events e, raw_ops.webhook_inbox w WHERE w.provider = 'dpd'",
            &[&event],
        )
        .await
        .unwrap();
    let stored: (bool, bool, &str, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(
        stored,
        (true, true, "15501234567890:01:2026-01-19 14:05:00", "DPD")
    );

    // Sent again, and sent again with another spelling of the same: one message.
    for again in [
        event.clone(),
        serde_json::json!({"parcel_number": PARCEL, "code": "01", "time": "2026-01-19T14:05:00+00:00"}),
    ] {
        assert_eq!(dpd.send(&again).await.unwrap().status, 200);
    }
    assert_eq!(
        drain(&courier.client, 100).await,
        [1, 1, 0, 0],
        "the first is a repeat"
    );
    courier.settled().await;
    assert_eq!(courier.told().len(), 1);
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_nothing_is_stored() {
    let courier = with_shim().await;
    let event = dpd_event(PARCEL, "01", "", "2026-01-19 14:05:00");
    for (token, status) in [("wrong", 401), ("another", 200)] {
        let dpd = Dpd::to(courier.stack.shim().unwrap(), token);
        assert_eq!(dpd.send(&event).await.unwrap().status, status, "{token}");
    }
    assert_eq!(
        one::<i64>(&courier.client, "SELECT count(*) FROM raw_ops.webhook_inbox").await,
        1
    );
    let headers: Value = one(&courier.client, "SELECT headers FROM raw_ops.webhook_inbox").await;
    assert!(!headers.to_string().contains("another"), "{headers}");
}

#[tokio::test]
async fn an_event_before_its_shipment_and_a_shipment_before_its_order_wait_for_them() {
    let courier = with_shim().await;
    let order = order();
    let dpd = Dpd::to(courier.stack.shim().unwrap(), TOKEN);
    // The order of this day, backwards.
    dpd.send(&dpd_event(PARCEL, "12", "Parcel damaged", "2026-07-19 14:05:00"))
        .await
        .unwrap();
    send_fulfillment(&courier, &order, &[PARCEL], "2026-07-19T09:00:00Z").await;
    assert_eq!(drain(&courier.client, 100).await, [2, 1, 1, 0]);
    let waiting: Vec<String> = column(
        &courier.client,
        "SELECT concat_ws(' ', provider, error_category, last_error) FROM raw_ops.webhook_inbox WHERE processing_status = 'failed'
         UNION ALL SELECT concat_ws(' ', provider, state, error) FROM raw_ops.webhook_elements_left",
    )
    .await;
    assert_eq!(
        waiting,
        [
            format!(
                "shopify missing_reference fulfillment.order_id: there is no order {} here yet",
                order.id
            ),
            format!("dpd waiting event.parcelNumber: there is no shipment {PARCEL} here yet"),
        ]
    );
    due(&courier).await;
    assert_eq!(retry(&courier.client).await, [1, 0, 1, 0]);
    send(&courier, &order.delivery("orders/create")).await;
    assert_eq!(drain(&courier.client, 100).await, [1, 1, 0, 0]);
    due(&courier).await;
    assert_eq!(
        retry(&courier.client).await,
        [1, 1, 0, 0],
        "the shipment, and with it the event"
    );
    courier.world.wait_for_requests(LIMIT, 1).await.unwrap();
    let time = "SELECT event_time = '2026-07-19T13:05:00Z' FROM raw_ops.courier_events";
    assert!(one::<bool>(&courier.client, time).await, "UK time in summer");
    assert_eq!(states(&courier.client).await, in_states([("success", 3)]));
}

#[tokio::test]
async fn a_replayed_webhook_tells_nobody_again() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    send_fulfillment(&courier, &order, &[PARCEL], "2026-01-19T09:00:00Z").await;
    let body = dpd_event(PARCEL, "01", "", "2026-01-19 14:05:00").to_string();
    // As a replay makes them: the same payload under ids of its own.
    for id in ["first", "copy", "another copy"] {
        let sql = "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', $1, '{}', $2)";
        courier
            .client
            .execute(sql, &[&id, &body.as_bytes()])
            .await
            .unwrap();
    }
    assert_eq!(drain(&courier.client, 100).await, [5, 5, 0, 0]);
    courier.world.wait_for_requests(LIMIT, 1).await.unwrap();
    courier.settled().await;
    assert_eq!(courier.told().len(), 1);
    assert_eq!(
        one::<i64>(&courier.client, "SELECT count(*) FROM raw_ops.courier_events").await,
        1
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_event_is_named_and_its_neighbours_are_not_harmed() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    send_fulfillment(&courier, &order, &[PARCEL], "2026-01-19T09:00:00Z").await;
    let dpd = Dpd::to(courier.stack.shim().unwrap(), TOKEN);
    let good = dpd_event(PARCEL, "01", "", "2026-01-19 14:05:00");
    let mut bad = Vec::new();
    for (member, error) in [
        ("parcelNumber", "event.parcelNumber: missing"),
        ("eventCode", "event.eventCode: missing"),
        ("eventDate", "event.eventDateTime: missing"),
    ] {
        let mut event = good.clone();
        event[member] = Value::Null;
        bad.push((event, error));
    }
    for event in bad.iter().map(|(event, _)| event).chain([&good]) {
        assert_eq!(dpd.send(event).await.unwrap().status, 200);
    }
    assert_eq!(drain(&courier.client, 100).await, [6, 3, 3, 0]);
    let errors: Vec<String> = column(
        &courier.client,
        "SELECT last_error FROM raw_ops.webhook_inbox WHERE error_category = 'malformed_payload' ORDER BY received_at",
    )
    .await;
    assert_eq!(errors, bad.iter().map(|(_, error)| *error).collect::<Vec<_>>());
    let events = "SELECT count(*) FROM raw_ops.courier_events";
    assert_eq!(one::<i64>(&courier.client, events).await, 1);
}
