//! Webhooks come twice, late, in any order and in parts; the tables come out the same.

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::json;

#[tokio::test]
async fn one_delivery_sent_forty_times_at_once_is_one_webhook_and_one_order() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let order = Generator::new(4).order(0);
    let delivery = order.delivery("orders/create").webhook_id("the one");
    let outcomes = stack
        .sender()
        .unwrap()
        .send_all(vec![delivery.clone(); 40], 20)
        .await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );
    let fresh = outcomes
        .iter()
        .filter(|outcome| outcome.body.contains("\"duplicate\":false"));
    assert_eq!(fresh.count(), 1, "exactly one of them was told that it is new");
    stack.wait_drained(LIMIT).await.unwrap();
    // And once more when it is done.
    assert!(
        stack
            .sender()
            .unwrap()
            .send(&delivery)
            .await
            .body
            .contains("\"duplicate\":true")
    );
    let client = stack.connect().await.unwrap();
    let seen: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', event_id, duplicate_count, processing_status, attempts) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(seen, ["the one 40 success 1"]);
    assert_tables_hold(&client, &[order]).await;
    let receipts: i64 = one(&client, "SELECT count(*) FROM raw_ops.ops_events").await;
    assert_eq!(receipts, 1);
}

#[tokio::test]
async fn a_repeat_of_a_failed_webhook_leaves_it_to_our_own_retries() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let early = Generator::new(4).order(1).delivery("orders/cancelled");
    assert!(sender.send(&early).await.accepted());
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    let row = "SELECT (to_jsonb(w) - 'duplicate_count')::text FROM raw_ops.webhook_inbox w";
    let before: String = one(&client, row).await;
    assert!(sender.send(&early).await.accepted());
    assert_eq!(one::<String>(&client, row).await, before);
    assert_eq!(
        one::<i32>(&client, "SELECT duplicate_count FROM raw_ops.webhook_inbox").await,
        1
    );
    assert_eq!(drain(&client, 10).await, [0; 4]);
}

#[tokio::test]
async fn without_a_delivery_id_the_event_id_or_else_the_body_tells_repeats_apart() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let sender = stack.sender().unwrap();
    let nameless = Delivery {
        webhook_id: None,
        event_id: None,
        ..Generator::new(4).order(2).delivery("orders/create")
    };
    let of_event = Delivery {
        webhook_id: None,
        event_id: Some("event".to_owned()),
        ..nameless.clone()
    };
    let paid = |delivery: &Delivery| Delivery {
        topic: "orders/paid".to_owned(),
        ..delivery.clone()
    };
    for delivery in [
        &nameless,
        &nameless,
        &paid(&nameless),
        &of_event,
        &of_event,
        &of_event,
        &paid(&of_event),
    ] {
        assert!(sender.send(delivery).await.accepted());
    }
    let seen: Vec<String> = column(
        &stack.connect().await.unwrap(),
        "SELECT concat_ws(' ', split_part(event_id, ':', 1), topic, duplicate_count) FROM raw_ops.webhook_inbox ORDER BY 1",
    )
    .await;
    assert_eq!(
        seen,
        [
            "event orders/create 2",
            "event orders/paid 0",
            "sha256 orders/create 1",
            "sha256 orders/paid 0"
        ]
    );
}

#[tokio::test]
async fn the_newest_payload_wins_whenever_it_comes_and_of_equal_times_the_one_triggered_last() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let created = Generator::new(4).order(3);
    let older = created.updated(
        60,
        &[
            Change::Note("older".to_owned()),
            Change::FinancialStatus("authorized"),
        ],
    );
    let newer = created.updated(
        120,
        &[Change::Note("newer".to_owned()), Change::FinancialStatus("paid")],
    );
    let same_second = newer.updated(0, &[Change::FulfillmentStatus("fulfilled")]);
    for (order, topic, expected) in [
        (&newer, "orders/updated", "newer paid null"),
        (&created, "orders/create", "newer paid null"),
        (&older, "orders/updated", "newer paid null"),
        (&same_second, "orders/fulfilled", "newer paid fulfilled"),
    ] {
        assert!(
            stack
                .sender()
                .unwrap()
                .send(&order.delivery(topic))
                .await
                .accepted()
        );
        stack.wait_drained(LIMIT).await.unwrap();
        let state: String = one(
            &client,
            "SELECT concat_ws(' ', note, financial_status, coalesce(fulfillment_status, 'null')) FROM raw_ops.orders",
        )
        .await;
        assert_eq!(state, expected, "after {topic}");
    }
    assert_eq!(states(&client).await, in_states([("success", 4)]));
}

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
    let send = async |order: &Order, topic: &str| {
        assert!(
            stack
                .sender()
                .unwrap()
                .send(&order.delivery(topic))
                .await
                .accepted()
        );
        stack.wait_drained(LIMIT).await.unwrap();
    };
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
    let condition = [
        "financial_status",
        "fulfillment_status",
        "note",
        "tags",
        "cancelled_at",
        "cancel_reason",
    ];
    let rest = [
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
    let shown =
        "SELECT concat_ws(' ', financial_status, fulfillment_status, note, tags, cancelled_at, cancel_reason)
                   FROM raw_ops.orders";
    receive(&client, "orders/create", "full", &full.bytes).await;
    drain(&client, 10).await;
    let known = tables(&client).await;
    receive(
        &client,
        "orders/updated",
        "late",
        &nulls(&condition).updated(-15, &[]).bytes,
    )
    .await;
    drain(&client, 10).await;
    assert_eq!(tables(&client).await, known, "an older payload clears nothing");

    receive(&client, "orders/updated", "rest", &nulls(&rest).bytes).await;
    drain(&client, 10).await;
    let version = "UPDATE raw_ops.orders SET shopify_updated_at = shopify_updated_at - interval '10 s'";
    run(&client, &format!("BEGIN; {version}")).await;
    assert_eq!(tables(&client).await, known, "null there says nothing");
    run(&client, "ROLLBACK").await;

    receive(
        &client,
        "orders/updated",
        "condition",
        &nulls(&condition).updated(1, &[]).bytes,
    )
    .await;
    drain(&client, 10).await;
    assert_eq!(
        one::<String>(&client, shown).await,
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

#[tokio::test]
async fn a_repeat_of_an_event_archived_long_ago_changes_nothing_and_is_not_announced_again() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let orders = Generator::new(4);
    let announced = "SELECT count(*) FROM raw_ops.ops_events WHERE message = 'order.created'";
    // With the time it was triggered, which a repeat keeps; with the payload's only; with none.
    let triggered = Delivery {
        triggered_at: "2026-01-05T10:00:00.123456789Z".to_owned(),
        ..orders.order(4).delivery("orders/create")
    };
    let silent = Delivery {
        triggered_at: "unknown".to_owned(),
        ..orders.order(5).delivery("orders/create")
    };
    let timeless = Delivery {
        body: r#"{"id": 7, "line_items": []}"#.into(),
        ..silent.clone()
    }
    .webhook_id("timeless");
    let deliveries = [triggered, silent, timeless];
    for delivery in &deliveries {
        assert!(sender.send(delivery).await.accepted());
    }
    assert_eq!(drain(&client, 10).await, [3, 3, 0, 0]);
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET created_at = now() - interval '100 days', received_at = now() - interval '100 days'",
    )
    .await;
    let archived: serde_json::Value = one(&client, "SELECT raw_ops.fn_archive_webhooks_v1()").await;
    assert_eq!(archived["archived"], 3);
    let before = tables(&client).await;
    for delivery in &deliveries {
        let outcome = sender.send(delivery).await;
        assert!(outcome.body.contains("\"duplicate\":false"), "{outcome:?}");
    }
    assert_eq!(drain(&client, 10).await, [3, 3, 0, 0]);
    assert_eq!(tables(&client).await, before);
    assert_eq!(one::<i64>(&client, announced).await, 3, "each once");
    // The clock of an order that is new starts, archive or not.
    let new = orders.order(6).delivery("orders/create");
    assert!(sender.send(&new).await.accepted());
    assert_eq!(one::<i64>(&client, announced).await, 4);
}
