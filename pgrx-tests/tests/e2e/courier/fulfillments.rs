//! Shipments from Shopify's fulfillments.

use raw_ops_e2e::courier::{fulfillment, fulfillment_delivery};
use raw_ops_e2e::payloads;
use raw_ops_e2e::shopify::Delivery;

use super::reports::{order, send, send_fulfillment, with_shim};
use super::*;

async fn shipments(courier: &Courier) -> Vec<String> {
    column(
        &courier.client,
        "SELECT concat_ws(' ', coalesce(tracking_no, '-'), status, courier_name) FROM raw_ops.shipments ORDER BY tracking_no, status",
    )
    .await
}

#[tokio::test]
async fn the_newest_fulfillment_wins_and_nothing_known_is_erased() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    // Packed, without a number yet; then two shipments; then the second one's number is corrected.
    send_fulfillment(&courier, &order, &[], "2026-01-19T09:00:00Z").await;
    drain(&courier.client, 100).await;
    assert_eq!(shipments(&courier).await, ["- success DPD UK"]);
    let id: String = one(&courier.client, "SELECT id::text FROM raw_ops.shipments").await;
    send_fulfillment(&courier, &order, &["A1", "B1"], "2026-01-19T10:00:00Z").await;
    drain(&courier.client, 100).await;
    assert_eq!(
        shipments(&courier).await,
        ["A1 success DPD UK", "B1 success DPD UK"]
    );
    let first: String = one(
        &courier.client,
        "SELECT id::text FROM raw_ops.shipments WHERE tracking_no = 'A1'",
    )
    .await;
    assert_eq!(first, id, "the shipment has its number now");
    send_fulfillment(&courier, &order, &["A1", "B2"], "2026-01-19T11:00:00Z").await;
    // Late, and older.
    send_fulfillment(&courier, &order, &["A1", "B1"], "2026-01-19T10:30:00Z").await;
    drain(&courier.client, 100).await;
    let corrected = ["A1 success DPD UK", "B1 replaced DPD UK", "B2 success DPD UK"];
    assert_eq!(shipments(&courier).await, corrected);
    // The same second again, and a part of it: nothing is lost.
    let mut partial = fulfillment(255_858_046, order.id, &["A1", "B2"], "2026-01-19T11:00:00Z");
    for member in ["tracking_company", "tracking_url", "tracking_urls", "status"] {
        partial[member] = Value::Null;
    }
    send(&courier, &fulfillment_delivery("fulfillments/update", &partial)).await;
    drain(&courier.client, 100).await;
    assert_eq!(shipments(&courier).await, corrected);
    let urls = "SELECT count(*) FROM raw_ops.shipments WHERE tracking_url IS NOT NULL";
    assert_eq!(one::<i64>(&courier.client, urls).await, 3);
    // On its way.
    partial["shipment_status"] = "in_transit".into();
    partial["updated_at"] = "2026-01-20T08:00:00Z".into();
    send(&courier, &fulfillment_delivery("fulfillments/update", &partial)).await;
    drain(&courier.client, 100).await;
    assert_eq!(
        shipments(&courier).await,
        [
            "A1 in_transit DPD UK",
            "B1 replaced DPD UK",
            "B2 in_transit DPD UK"
        ]
    );
}

#[tokio::test]
async fn two_payloads_of_one_fulfillment_at_once_end_as_the_newer_says() {
    let courier = with_shim().await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    drain(&courier.client, 100).await;
    for round in 0..10 {
        send_fulfillment(
            &courier,
            &order,
            &["A", &format!("B{round}")],
            &format!("2026-01-19T09:{round:02}:00Z"),
        )
        .await;
    }
    let mut drains = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = courier.stack.connect().await.unwrap();
        drains.spawn(async move { while drain(&client, 2).await[0] > 0 {} });
    }
    drains.join_all().await;
    let current: Vec<String> = column(
        &courier.client,
        "SELECT tracking_no FROM raw_ops.shipments WHERE status <> 'replaced' ORDER BY 1",
    )
    .await;
    assert_eq!(current, ["A", "B9"]);
    assert_eq!(states(&courier.client).await, in_states([("success", 11)]));
}

#[tokio::test]
async fn shopifys_own_samples_become_shipments() {
    let courier = with_shim().await;
    for payload in payloads::shopify()
        .unwrap()
        .iter()
        .filter(|payload| payload.is_fulfillment())
    {
        run(
            &courier.client,
            "TRUNCATE raw_ops.orders, raw_ops.shipments, raw_ops.webhook_inbox CASCADE",
        )
        .await;
        let body: Value = serde_json::from_slice(&payload.body).unwrap();
        let order = format!(
            "INSERT INTO raw_ops.orders (shopify_order_id) VALUES ({})",
            body["order_id"]
        );
        run(&courier.client, &order).await;
        send(&courier, &Delivery::new(&payload.topic, payload.compact())).await;
        assert_eq!(
            drain(&courier.client, 100).await,
            [1, 1, 0, 0],
            "{}",
            payload.name
        );
        let row = courier
            .client
            .query_one(
                "SELECT tracking_no, tracking_url, courier_name, status FROM raw_ops.shipments",
                &[],
            )
            .await
            .unwrap();
        for (column, member) in ["tracking_number", "tracking_url", "tracking_company", "status"]
            .iter()
            .enumerate()
        {
            assert_eq!(
                row.get::<_, Option<&str>>(column),
                body[member].as_str(),
                "{}: {member}",
                payload.name
            );
        }
    }
}
