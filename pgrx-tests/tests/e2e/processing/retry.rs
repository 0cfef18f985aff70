//! What fails is tried again at its times, then it is a dead letter, then somebody settles it.

use std::collections::BTreeSet;

use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Change, Generator};
use raw_ops_e2e::shopify::Delivery;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// Stands for the clock: every failed webhook is due now.
async fn let_time_pass(client: &Client) {
    run(
        client,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
    )
    .await;
}

async fn resolve(client: &Client, id: &str, note: &str) -> Value {
    let sql = "SELECT raw_ops.fn_resolve_webhook_manually_v1($1::text::uuid, $2)";
    client.query_one(sql, &[&id, &note]).await.unwrap().get(0)
}

#[tokio::test]
async fn five_failures_at_their_times_then_a_dead_letter_then_settled_by_hand() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let bad = Delivery::new("orders/create", &br#"{"id": "none"}"#[..]).webhook_id("bad");
    assert!(stack.sender().unwrap().send(&bad).await.accepted());
    let row =
        "SELECT concat_ws(' ', processing_status, attempts, next_retry_at - last_error_at, error_category,
                      next_retry_at > now(), processing_duration_ms >= 0, processed_at IS NULL)
                 FROM raw_ops.webhook_inbox";
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    for (attempts, wait) in [(1, "00:01:00"), (2, "00:05:00"), (3, "00:15:00"), (4, "00:30:00")] {
        let expected = format!("failed {attempts} {wait} malformed_payload t t t");
        assert_eq!(one::<String>(&client, row).await, expected);
        assert_eq!(retry(&client).await, [0; 4], "not before its time");
        assert_eq!(drain(&client, 10).await, [0; 4], "nor as if it were new");
        let_time_pass(&client).await;
        let outcome = if attempts < 4 { [1, 0, 1, 0] } else { [1, 0, 0, 1] };
        assert_eq!(retry(&client).await, outcome);
    }
    assert_eq!(one::<String>(&client, row).await, "dlq 5 malformed_payload t t");
    assert_eq!(retry(&client).await, [0; 4], "a dead letter is not tried again");

    let id: String = one(&client, "SELECT id::text FROM raw_ops.webhook_inbox").await;
    let processed: Value = one(&client, &format!("SELECT raw_ops.process_webhook('{id}')")).await;
    assert_eq!(
        (&processed["success"], &processed["status"]),
        (&json!(false), &json!("dlq"))
    );
    assert_only_settled_by_hand(&client).await;
    let refusal = resolve(&client, &id, " ").await;
    assert_eq!(refusal["success"], false);
    assert!(
        refusal["error"].as_str().unwrap().contains("p_resolution_note"),
        "{refusal}"
    );
    let note = "Duplicate order, original processed successfully as order #1234";
    assert_eq!(
        resolve(&client, &id, note).await,
        json!({
            "success": true, "webhook_id": id, "previous_status": "dlq", "new_status": "resolved_manual",
            "warning": "settled without an order: the order of this webhook is not here",
            "next": format!(
                "SELECT raw_ops.process_order_webhook_txn(payload, shop_domain) FROM raw_ops.webhook_inbox WHERE id = '{id}';"
            ),
        })
    );
    assert_eq!(
        resolve(&client, &id, note).await["success"],
        false,
        "settled once"
    );
    assert_eq!(states(&client).await, in_states([("resolved_manual", 1)]));

    assert_log(&client, &id, note).await;
}

/// No update brings a dead letter back.
async fn assert_only_settled_by_hand(client: &Client) {
    for state in ["pending", "failed", "success", "retrying"] {
        let update = format!("UPDATE raw_ops.webhook_inbox SET processing_status = '{state}'");
        let refusal = refused(client, &update).await;
        assert_eq!(
            refusal.message,
            format!("processing_status cannot go from dlq to {state}")
        );
        assert!(
            refusal.hint.contains("raw_ops.fn_resolve_webhook_manually_v1"),
            "{}",
            refusal.hint
        );
    }
}

/// Received, dead, settled: who, why, from what to what.
async fn assert_log(client: &Client, id: &str, note: &str) {
    let log = client
        .query("SELECT kind, message, entity_id::text, event_payload FROM raw_ops.ops_events ORDER BY created_at", &[])
        .await
        .unwrap();
    let log: Vec<(String, String, Option<String>, Value)> = log
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let messages: Vec<&str> = log.iter().map(|event| event.1.as_str()).collect();
    assert_eq!(
        messages,
        [
            "order.created",
            "webhook.dead_lettered",
            "webhook.resolved_manually"
        ]
    );
    let (kind, _, entity, audit) = &log[2];
    assert_eq!((kind.as_str(), entity.as_deref()), ("AUDIT", Some(id)));
    for (member, value) in [
        ("who", json!("shop_owner")),
        ("note", json!(note)),
        ("previous_status", json!("dlq")),
        ("before", json!({"processing_status": "dlq"})),
        ("after", json!({"processing_status": "resolved_manual"})),
    ] {
        assert_eq!(audit[member], value, "{member}");
    }
}

#[tokio::test]
async fn only_dead_letters_are_settled_and_an_unknown_id_is_said_to_be_unknown() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let good = receive(
        &client,
        "orders/create",
        "good",
        &Generator::new(5).order(0).bytes,
    )
    .await;
    let bad = receive(&client, "orders/create", "bad", b"{}").await;
    for (id, status) in [(&good, "pending"), (&bad, "pending")] {
        let refusal = resolve(&client, id, "note").await;
        assert_eq!(
            (&refusal["success"], &refusal["status"]),
            (&json!(false), &json!(status))
        );
    }
    drain(&client, 10).await;
    for (id, status) in [(&good, "success"), (&bad, "failed")] {
        let refusal = resolve(&client, id, "note").await;
        assert_eq!(
            (&refusal["success"], &refusal["status"]),
            (&json!(false), &json!(status))
        );
        assert!(refusal["error"].as_str().unwrap().contains("dlq"), "{refusal}");
    }
    let unknown = resolve(&client, "00000000-0000-0000-0000-000000000000", "note").await;
    assert_eq!(unknown["success"], false);
    assert_eq!(states(&client).await, in_states([("failed", 1), ("success", 1)]));
}

#[tokio::test]
async fn a_cancellation_that_overtook_its_order_is_applied_once_the_order_is_here() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let order = Generator::new(5).order(1);
    let cancelled = order.updated(60, &[Change::Cancelled("customer")]);
    assert!(
        sender
            .send(&cancelled.delivery("orders/cancelled"))
            .await
            .accepted()
    );
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    let why = "SELECT error_category FROM raw_ops.webhook_inbox WHERE topic = 'orders/cancelled'";
    assert_eq!(one::<String>(&client, why).await, "missing_reference");
    assert!(tables(&client).await.is_empty());

    assert!(sender.send(&order.delivery("orders/create")).await.accepted());
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    let_time_pass(&client).await;
    assert_eq!(retry(&client).await, [1, 1, 0, 0]);
    let state = "SELECT concat_ws(' ', financial_status, cancel_reason, cancelled_at IS NOT NULL) FROM raw_ops.orders";
    assert_eq!(one::<String>(&client, state).await, "voided customer t");
    assert_eq!(states(&client).await, in_states([("success", 2)]));
}

#[tokio::test]
async fn a_run_takes_the_newest_hundred_that_are_due() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    for number in 0..250 {
        receive(&client, "orders/create", &number.to_string(), b"{}").await;
    }
    assert_eq!(drain(&client, 1_000).await, [250, 0, 250, 0]);
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE event_id::int < 200",
    )
    .await;
    let tried_again = "SELECT event_id::int FROM raw_ops.webhook_inbox WHERE attempts = 2";
    assert_eq!(retry(&client).await, [100, 0, 100, 0]);
    let newest: BTreeSet<i32> = column(&client, tried_again).await.into_iter().collect();
    assert_eq!(
        newest,
        (100..200).collect(),
        "of those that are due the ones that came last"
    );
    assert_eq!(retry(&client).await, [100, 0, 100, 0]);
    assert_eq!(retry(&client).await, [0; 4]);
    let all_due: BTreeSet<i32> = column(&client, tried_again).await.into_iter().collect();
    assert_eq!(all_due, (0..200).collect());
}

#[tokio::test]
async fn what_a_crash_left_as_retrying_is_due_again() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let order = Generator::new(5).order(2);
    let sql = "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts, next_retry_at)
               VALUES ('shopify', 'orders/create', 'left', $1, 'retrying', 2, now() + interval '1 hour')";
    client.execute(sql, &[&order.json]).await.unwrap();
    assert_eq!(retry(&client).await, [1, 1, 0, 0]);
    assert_tables_hold(&client, &[order]).await;
}

#[tokio::test]
async fn the_runbooks_schedule_is_data_that_an_operator_changes() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let ord: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', attempt, wait) FROM raw_ops.retry_schedule WHERE purpose = 'webhooks' ORDER BY attempt",
    )
    .await;
    assert_eq!(
        ord,
        [
            "1 00:00:00",
            "2 00:01:00",
            "3 00:05:00",
            "4 00:15:00",
            "5 00:30:00"
        ]
    );
    run(
        &client,
        "DELETE FROM raw_ops.retry_schedule WHERE attempt > 2;
         UPDATE raw_ops.retry_schedule SET wait = '7 seconds' WHERE attempt = 2",
    )
    .await;
    receive(&client, "orders/create", "bad", b"{}").await;
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    let wait: String = one(
        &client,
        "SELECT (next_retry_at - last_error_at)::text FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(wait, "00:00:07");
    let_time_pass(&client).await;
    assert_eq!(retry(&client).await, [1, 0, 0, 1]);
}

#[tokio::test]
async fn a_status_changes_only_along_ords_table() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let states = [
        "pending",
        "success",
        "failed",
        "retrying",
        "dlq",
        "resolved_manual",
    ];
    let legal = [
        ("pending", "success"),
        ("pending", "failed"),
        ("failed", "success"),
        ("failed", "dlq"),
        ("retrying", "success"),
        ("retrying", "failed"),
    ];
    for from in states {
        for to in states.into_iter().filter(|to| *to != from) {
            run(
                &client,
                &format!(
                    "DELETE FROM raw_ops.webhook_inbox;
                     INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
                     VALUES ('shopify', 'orders/create', 'x', '{{}}', '{from}')"
                ),
            )
            .await;
            let update = format!("UPDATE raw_ops.webhook_inbox SET processing_status = '{to}'");
            if legal.contains(&(from, to)) {
                run(&client, &update).await;
                continue;
            }
            let refusal = refused(&client, &update).await;
            assert_eq!(
                refusal.message,
                format!("processing_status cannot go from {from} to {to}")
            );
            assert_eq!(refusal.sqlstate, "23514");
            assert!(
                refusal.hint.contains("raw_ops."),
                "{from} to {to}: {}",
                refusal.hint
            );
        }
    }
    let trail: i64 = one(
        &client,
        "SELECT count(*) FROM raw_ops.ops_events WHERE kind = 'AUDIT'",
    )
    .await;
    assert_eq!(trail, 0, "what was refused left nothing");
}
