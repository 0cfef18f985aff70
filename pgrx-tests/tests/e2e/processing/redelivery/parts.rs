//! Payloads that say less than the first one: parts, nulls, redacted persons, lists of items that changed.

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::json;

#[tokio::test]
async fn partial_and_redacted_payloads_erase_nothing() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let full = Generator::new(4)
        .orders(0..50)
        .find(|order| order.customer_id.is_some() && order.line_items().len() > 1)
        .unwrap();
    let full = full.updated(
        1,
        &[
            Change::Note("ring twice".to_owned()),
            Change::Tags("vip".to_owned()),
        ],
    );
    let send = async |order: &Order, topic: &str| send_and_drain(&stack, order, topic).await;
    send(&full, "orders/create").await;
    let known = tables(&client).await;

    // The same second, so that not even the version changes.
    send(
        &full.partial(&["id", "name", "total_price", "line_items", "updated_at"]),
        "orders/updated",
    )
    .await;
    assert_eq!(tables(&client).await, known, "a part of it");
    send(&full.partial(&["id", "updated_at"]), "orders/updated").await;
    assert_eq!(tables(&client).await, known, "only who it is");
    send(&full.redacted(), "orders/updated").await;
    assert_eq!(tables(&client).await, known, "without personal data");
    let empty = full.updated(
        0,
        &[
            Change::Set("email", json!("")),
            Change::Set("customer", json!(null)),
        ],
    );
    send(&empty, "orders/updated").await;
    assert_eq!(tables(&client).await, known, "empty and null");

    send(
        &full
            .partial(&["id", "name", "updated_at"])
            .updated(5, &[Change::FinancialStatus("refunded")]),
        "orders/updated",
    )
    .await;
    let changed: String = one(
        &client,
        "SELECT concat_ws(' ', financial_status, note, tags, count(i.id), o.email is not null)
           FROM raw_ops.orders o JOIN raw_ops.order_items i ON i.order_id = o.id GROUP BY o.id",
    )
    .await;
    assert_eq!(
        changed,
        format!("refunded ring twice vip {} t", full.line_items().len()),
        "what it does say counts"
    );
    assert_eq!(states(&client).await, in_states([("success", 6)]));
}

async fn send_and_drain(stack: &Stack, order: &Order, topic: &str) {
    let sender = stack.sender().unwrap();
    assert!(sender.send(&order.delivery(topic)).await.accepted());
    stack.wait_drained(LIMIT).await.unwrap();
}

/// Members that state the order's condition.
const CONDITION: [&str; 6] = [
    "financial_status",
    "fulfillment_status",
    "note",
    "tags",
    "cancelled_at",
    "cancel_reason",
];

const SHOWN: &str = "SELECT concat_ws(' ', financial_status, fulfillment_status, note, tags, cancelled_at, cancel_reason) FROM raw_ops.orders";

/// Members whose null says nothing.
const REST: [&str; 17] = [
    "total_price",
    "subtotal_price",
    "total_tax",
    "total_discounts",
    "total_shipping_price_set",
    "shipping_lines",
    "line_items",
    "email",
    "contact_email",
    "shipping_address",
    "billing_address",
    "customer",
    "name",
    "order_number",
    "currency",
    "created_at",
    "test",
];

#[tokio::test]
async fn null_clears_what_states_the_orders_condition_and_no_sum_item_or_persons_data() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let full = Generator::new(4)
        .orders(0..50)
        .find(|order| order.customer_id.is_some() && order.line_items().len() > 1)
        .unwrap()
        .updated(
            1,
            &[
                Change::Note("ring twice".to_owned()),
                Change::Tags("vip".to_owned()),
                Change::FulfillmentStatus("fulfilled"),
                Change::Cancelled("customer"),
            ],
        );
    let nulls = |members: &[&'static str]| {
        let changes: Vec<Change> = members
            .iter()
            .map(|name| Change::Set(name, json!(null)))
            .collect();
        full.updated(10, &changes)
    };
    receive(&client, "orders/create", "full", &full.bytes).await;
    drain(&client, 10).await;
    let known = tables(&client).await;
    receive(
        &client,
        "orders/updated",
        "late",
        &nulls(&CONDITION).updated(-15, &[]).bytes,
    )
    .await;
    drain(&client, 10).await;
    assert_eq!(tables(&client).await, known, "an older payload clears nothing");

    receive(&client, "orders/updated", "rest", &nulls(&REST).bytes).await;
    drain(&client, 10).await;
    let version = "UPDATE raw_ops.orders SET shopify_updated_at = shopify_updated_at - interval '10 s'";
    run(&client, &format!("BEGIN; {version}")).await;
    assert_eq!(tables(&client).await, known, "null there says nothing");
    run(&client, "ROLLBACK").await;

    receive(
        &client,
        "orders/updated",
        "condition",
        &nulls(&CONDITION).updated(1, &[]).bytes,
    )
    .await;
    drain(&client, 10).await;
    assert_eq!(
        one::<String>(&client, SHOWN).await,
        "",
        "what was taken back is gone"
    );
    assert_eq!(states(&client).await, in_states([("success", 4)]));
}

#[tokio::test]
async fn items_follow_the_newest_list() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let order = Generator::new(4)
        .orders(0..100)
        .find(|order| order.line_items().len() == 4)
        .unwrap();
    let edited = order.updated(10, &[Change::RemoveItem(1)]);
    let mut fewer = order.json["line_items"].as_array().unwrap().clone();
    fewer.remove(0);
    let replaced = order.updated(20, &[Change::Set("line_items", json!(fewer))]);
    let items = "SELECT string_agg(concat(quantity, '/', current_quantity), ' ' ORDER BY shopify_line_item_id) FROM raw_ops.order_items";
    let quantities = |order: &Order| {
        let items = order
            .line_items()
            .iter()
            .map(|item| format!("{}/{}", item["quantity"], item["current_quantity"]));
        items.collect::<Vec<_>>().join(" ")
    };
    for (sent, expected) in [
        (&order, &order),
        (&edited, &edited),
        (&replaced, &replaced),
        (&order, &replaced),
    ] {
        assert!(
            stack
                .sender()
                .unwrap()
                .send(&sent.delivery("orders/updated"))
                .await
                .accepted()
        );
        stack.wait_drained(LIMIT).await.unwrap();
        assert_eq!(one::<String>(&client, items).await, quantities(expected));
    }
    assert_eq!(
        quantities(&edited).matches("/0").count(),
        1,
        "an item taken out by an edit stays with nothing left of it"
    );
}
