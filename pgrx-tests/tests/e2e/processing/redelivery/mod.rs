//! Webhooks come twice, late, in any order and in parts; the tables come out the same.

mod parts;

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, StackOptions};

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
