//! Text and numbers from outside, of any length: nothing is unstorable for an index, nothing grows beyond what came in.

use raw_ops_e2e::courier::{fulfillment, fulfillment_delivery};

use super::reports::{order, send, with_shim};
use super::*;

async fn receive_body(client: &Client, id: &str, body: &str) {
    let sql = "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', $1, '{}', $2)";
    client.execute(sql, &[&id, &body.as_bytes()]).await.unwrap();
}

/// Text that does not compress, so that an index entry of it would be as long as it is.
fn noise(length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| random.alphanumeric()).collect()
}

#[tokio::test]
async fn a_tracking_number_of_any_length_is_a_shipment() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    let (long, other) = (noise(3_000), format!("{}x", noise(3_000)));
    for updated_at in ["2026-01-19T09:00:00Z", "2026-01-19T10:00:00Z"] {
        let body = fulfillment(255_858_046, order.id, &[&long, &other, "A"], updated_at);
        send(&courier, &fulfillment_delivery("fulfillments/update", &body)).await;
    }
    assert_eq!(drain(&courier.client, 10).await, [3, 3, 0, 0]);
    let stored: Vec<String> = column(
        &courier.client,
        "SELECT tracking_no FROM raw_ops.shipments ORDER BY length(tracking_no)",
    )
    .await;
    assert_eq!(stored, ["A", &long, &other]);
}

#[tokio::test]
async fn an_event_with_a_text_too_long_for_an_index_is_refused_by_name() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("A", None).await;
    let long = noise(3_000);
    let list = json!([
        {"parcelNumber": "A", "eventCode": long, "eventTime": noon()},
        {"parcelNumber": long, "eventCode": "01", "eventTime": noon()},
        {"parcelNumber": "A", "eventCode": "01", "eventTime": noon(), "eventText": long},
    ]);
    receive_body(&courier.client, "list", &list.to_string()).await;
    assert_eq!(drain(&courier.client, 10).await, [1, 1, 0, 0]);
    let left: Vec<String> = column(
        &courier.client,
        "SELECT error FROM raw_ops.webhook_elements_left ORDER BY path",
    )
    .await;
    assert_eq!(
        left,
        [
            "event[0].eventCode: longer than 100 characters",
            "event[1].parcelNumber: longer than 100 characters"
        ]
    );
    let text: i32 = one(
        &courier.client,
        "SELECT length(event_text) FROM raw_ops.courier_events",
    )
    .await;
    assert_eq!(text, 3_000);
    let refusal = refused(&courier.client, &event_at(&shipment, &long, "now()")).await;
    assert_eq!(refusal.message, "p_event_code: longer than 100 characters");
}

#[tokio::test]
async fn every_index_on_text_from_outside_is_bounded() {
    let courier = Courier::start().await;
    let unbounded: Vec<String> = column(
        &courier.client,
        "SELECT pg_get_indexdef(i.indexrelid, k, true) || ' of ' || i.indexrelid::regclass
           FROM pg_index i CROSS JOIN generate_series(1, i.indnkeyatts) AS k
           JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k AND a.atttypid = 'text'::regtype
          WHERE i.indrelid IN ('raw_ops.shipments'::regclass, 'raw_ops.courier_events'::regclass, 'raw_ops.courier_tasks'::regclass,
                               'raw_ops.webhook_elements'::regclass) ORDER BY 1",
    )
    .await;
    assert_eq!(
        unbounded,
        [
            // A check of the table bounds it.
            "event_code of raw_ops.idx_courier_events_idempotency",
            "provider of raw_ops.webhook_elements_waiting_key",
            "reference of raw_ops.webhook_elements_waiting_key",
            "shop_domain of raw_ops.shipments_fulfillment_parcel_key",
            "shop_domain of raw_ops.webhook_elements_waiting_key",
            "upper(\"left\"(tracking_no, 100)) of raw_ops.idx_shipments_tracking_no",
        ]
    );
}

#[tokio::test]
async fn a_number_that_is_far_longer_than_it_looks_becomes_no_text() {
    let courier = Courier::start().await;
    let client = &courier.client;
    // Beyond a double: kept as bytes. Within: read, and the field named.
    let event = |number: &str| {
        format!(
            r#"{{"parcelNumber": {number}, "eventCode": "01", "eventTime": {}}}"#,
            noon()
        )
    };
    receive_body(client, "far", &event("1e131071")).await;
    receive_body(client, "near", &event("1e300")).await;
    receive_body(client, "fine", &event("1.5501234567890e13")).await;
    // A body of 0.7 MB that would be 1.5 GB.
    let many = vec![event("1e131071"); 12_000].join(",");
    receive_body(client, "many", &format!("[{many}]")).await;
    let many = vec![event("1e308"); 12_000].join(",");
    receive_body(client, "many, each near", &format!("[{many}]")).await;
    assert_eq!(drain(client, 10).await, [5, 1, 4, 0]);
    let errors: Vec<String> = column(
        client,
        "SELECT concat_ws(' ', event_id, raw_body IS NOT NULL, error_category, last_error) FROM raw_ops.webhook_inbox ORDER BY event_id",
    )
    .await;
    let not_json =
        "malformed_payload body: not JSON that PostgreSQL can hold; dpd's bytes are kept in raw_body";
    let too_long = "parcelNumber: not text: a number of too many digits";
    assert_eq!(
        errors,
        [
            format!("far t {not_json}"),
            "fine f".to_owned(),
            format!("many t {not_json}"),
            format!("many, each near f malformed_payload event[0].{too_long}"),
            format!("near f malformed_payload event.{too_long}"),
        ]
    );
    assert_eq!(
        one::<String>(client, "SELECT reference FROM raw_ops.webhook_elements").await,
        "15501234567890"
    );
}

/// Member, number and the beginning of the error.
const REFUSED_NUMBERS: &[(&str, &str, &str)] = &[
    (
        "total_price",
        "1e131071",
        "order.total_price: not a decimal: a number of too many digits",
    ),
    (
        "total_price",
        "1e-16383",
        "order.total_price: not a decimal: a number of too many digits",
    ),
    (
        "total_price",
        "1e70",
        "order.total_price: not a decimal: a number",
    ),
    (
        "order_number",
        "-1e131071",
        "order.order_number: not a 64-bit integer: a number of too many digits",
    ),
    (
        "order_number",
        "1e19",
        "order.order_number: not a 64-bit integer: 10000000000000000000",
    ),
];

#[tokio::test]
async fn a_number_is_read_with_every_digit_or_refused_by_name() {
    let courier = Courier::start().await;
    let order = |id: usize, member: &str, number: &str| {
        let items = r#"[{"id": 1, "quantity": 1, "price": 1}]"#;
        let order = format!(r#"{{"id": {id}, "line_items": {items}, "{member}": {number}}}"#);
        format!("SELECT raw_ops.process_order_webhook_txn('{order}')")
    };
    for (number, id) in [
        "0",
        "0.1",
        "-8.00",
        "16.486",
        "199",
        "9999",
        "10000",
        "123456789012345678901234567890.12",
        "0.00000000000000000001",
        "1e3",
        "1.25e-7",
        "99999999999999999999999999999999999999999999999999.999999999999",
    ]
    .into_iter()
    .zip(1..)
    {
        run(&courier.client, &order(id, "total_price", number)).await;
        let is_so =
            format!("SELECT total_price = {number} FROM raw_ops.orders WHERE shopify_order_id = {id}");
        assert!(one::<bool>(&courier.client, &is_so).await, "{number}");
    }
    for (member, number, error) in REFUSED_NUMBERS {
        let refusal = refused(&courier.client, &order(99, member, number)).await;
        assert!(refusal.message.starts_with(error), "{number}: {refusal:?}");
    }
    assert_a_number_by_hand_stops_nobody(&courier).await;
}

/// A number without bounds that no payload brought.
async fn assert_a_number_by_hand_stops_nobody(courier: &Courier) {
    // Written by hand into a notification: it is nobody's, and stops no other.
    run(
        &courier.client,
        "INSERT INTO raw_ops.ops_events (kind, entity_type, customer_event_type, event_payload)
         VALUES ('CUSTOMER_EVENT', 'shipment', 'courier_exception', '{\"email\": \"a@example.com\", \"n\": 1e400}')",
    )
    .await;
    let status: String = one(
        &courier.client,
        "SELECT notification_status FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT'",
    )
    .await;
    assert_eq!(status, "skipped");
}
