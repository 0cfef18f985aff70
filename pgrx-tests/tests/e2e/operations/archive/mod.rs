//! The archive: what is done with moves there, whole and once, whoever else is at work.

mod at_once;
mod moves;

use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Change, Generator};
use serde_json::{Value, json};
use tokio_postgres::Client;

async fn set_up() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    (stack, client)
}

/// `fn_archive_webhooks_v1` with these arguments.
async fn archive(client: &Client, arguments: &str) -> Value {
    one(
        client,
        &format!("SELECT raw_ops.fn_archive_webhooks_v1({arguments})"),
    )
    .await
}

/// Webhooks that ended in `status`, one an hour, the newest created at this time.
async fn done(client: &Client, name: &str, status: &str, count: usize, newest: &str) {
    let sql = format!(
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, headers, processing_status, processing_attempts,
                processing_duration_ms, shopify_order_id, created_at, received_at, processed_at, duplicate_count)
         SELECT 'shopify', 'orders/create', '{name}-' || i, jsonb_build_object('id', i, 'note', repeat('long ', 900)),
                '{{\"x-shopify-topic\": \"orders/create\"}}', '{status}', 1, 12, i, t, t, t, i % 3
           FROM generate_series(1, {count}) AS i, LATERAL (SELECT timestamptz '{newest}' - (i - 1) * interval '1 hour' AS t) AS at"
    );
    run(client, &sql).await;
}

async fn count(client: &Client, table: &str) -> i64 {
    one(client, &format!("SELECT count(*) FROM raw_ops.{table}")).await
}

#[tokio::test]
async fn every_run_that_did_something_is_in_the_operational_log() {
    let (_stack, client) = set_up().await;
    archive(&client, "").await;
    assert_eq!(count(&client, "ops_events").await, 0, "nothing was done");
    done(&client, "old", "success", 5, "2026-01-20 12:00+00").await;
    as_superuser(
        &_stack,
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA raw_ops TO clerk;
                  GRANT EXECUTE ON FUNCTION raw_ops.fn_archive_webhooks_v1(interval, integer) TO clerk",
    )
    .await;
    let clerk = _stack.connect_as("clerk").await.unwrap();
    assert_eq!(
        archive(&clerk, "'30 days', 3").await["archived"],
        3,
        "the right to call it is enough"
    );
    let logged: Value = one(
        &client,
        "SELECT jsonb_build_object('kind', kind, 'entity', entity_type, 'id', entity_id, 'message', message) || event_payload
           FROM raw_ops.ops_events",
    )
    .await;
    for (member, expected) in [
        ("kind", json!("AUDIT")),
        ("entity", json!("webhook")),
        ("id", json!(null)),
        ("message", json!("webhooks.archived")),
        ("who", json!("clerk")),
        ("note", json!("done with, and older than 30 days")),
        ("before", json!({"table": "webhook_inbox"})),
        ("after", json!({"table": "webhook_inbox_archive"})),
        ("archived", json!(3)),
        ("oldest", json!("2026-01-20T08:00:00+00:00")),
        ("newest", json!("2026-01-20T10:00:00+00:00")),
        ("partitions_created", json!(["webhook_inbox_archive_y2026m01"])),
    ] {
        assert_eq!(logged[member], expected, "{member}");
    }
}

#[tokio::test]
async fn a_call_moves_at_most_what_it_was_told_oldest_first() {
    let (_stack, client) = set_up().await;
    done(&client, "old", "success", 10, "2026-02-01 04:30+00").await;
    done(&client, "settled", "resolved_manual", 2, "2026-01-20 12:00+00").await;
    let said = archive(&client, "p_limit := 5").await;
    assert_eq!((&said["archived"], &said["remaining"]), (&json!(5), &json!(true)));
    let moved = "SELECT event_id FROM raw_ops.webhook_inbox_archive ORDER BY created_at";
    assert_eq!(
        column::<String>(&client, moved).await,
        ["settled-2", "settled-1", "old-10", "old-9", "old-8"]
    );
    let said = archive(&client, "interval '1 day', 7").await;
    assert_eq!(
        (&said["archived"], &said["remaining"]),
        (&json!(7), &json!(false))
    );
    assert_eq!(
        said["partitions_created"],
        json!(["webhook_inbox_archive_y2026m02"])
    );
    assert_eq!(count(&client, "webhook_inbox").await, 0);
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_by_name() {
    let (_stack, client) = set_up().await;
    for (arguments, message) in [
        ("'-1 day'", "p_older_than: must not be negative, is -1 days"),
        ("'90 days', 0", "p_limit: must be 1 or more, is 0"),
        ("p_limit := -5", "p_limit: must be 1 or more, is -5"),
    ] {
        let refusal = refused(
            &client,
            &format!("SELECT raw_ops.fn_archive_webhooks_v1({arguments})"),
        )
        .await;
        assert_eq!(
            (refusal.sqlstate.as_str(), refusal.message.as_str()),
            ("22023", message)
        );
    }
    // Null is the default; how old, an operator may have changed.
    done(&client, "old", "success", 2, "2026-01-20 12:00+00").await;
    run(
        &client,
        "UPDATE raw_ops.log_retention SET keep_for = '100 years' WHERE log_name = 'webhook_inbox'",
    )
    .await;
    assert_eq!(archive(&client, "NULL, NULL").await["archived"], 0);
    run(
        &client,
        "DELETE FROM raw_ops.log_retention WHERE log_name = 'webhook_inbox'",
    )
    .await;
    assert_eq!(archive(&client, "NULL, NULL").await["archived"], 2);
}

#[tokio::test]
async fn columns_an_owner_added_come_along() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "ALTER TABLE raw_ops.webhook_inbox ADD COLUMN ticket varchar(20) COLLATE \"C\", ADD COLUMN \"Shelf no.\" numeric(6, 2)[],
             ADD COLUMN twice integer GENERATED ALWAYS AS (processing_attempts * 2) STORED;
         ALTER TABLE raw_ops.webhook_inbox_archive ADD COLUMN remark text DEFAULT 'archived'",
    )
    .await;
    done(&client, "old", "success", 2, "2026-01-20 12:00+00").await;
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET ticket = event_id, \"Shelf no.\" = '{1.50,2}'",
    )
    .await;
    let said = archive(&client, "").await;
    assert_eq!(
        (&said["archived"], &said["columns_added"]),
        (&json!(2), &json!(["ticket", "Shelf no.", "twice"]))
    );
    let kept = "SELECT concat_ws(' ', ticket, \"Shelf no.\", twice, remark) FROM raw_ops.webhook_inbox_archive ORDER BY 1";
    assert_eq!(
        column::<String>(&client, kept).await,
        ["old-1 {1.50,2.00} 2 archived", "old-2 {1.50,2.00} 2 archived"]
    );
    // One that is gone again, or has come since, is no trouble; a month made later has them all.
    run(
        &client,
        "ALTER TABLE raw_ops.webhook_inbox DROP COLUMN twice, ADD COLUMN later boolean DEFAULT true",
    )
    .await;
    done(&client, "older", "success", 2, "2025-11-20 12:00+00").await;
    let said = archive(&client, "").await;
    assert_eq!(
        (&said["archived"], &said["columns_added"]),
        (&json!(2), &json!(["later"]))
    );
    let kept = "SELECT concat_ws(' ', later, twice IS NULL) FROM raw_ops.webhook_inbox_archive WHERE event_id = 'older-1'";
    assert_eq!(one::<String>(&client, kept).await, "t t");
}

#[tokio::test]
async fn rows_put_in_by_hand_move_into_their_month_once_it_has_a_partition() {
    let (stack, client) = set_up().await;
    done(&client, "old", "success", 4, "2026-01-20 12:00+00").await;
    done(&client, "other", "success", 2, "2025-07-20 12:00+00").await;
    run(
        &client,
        "INSERT INTO raw_ops.webhook_inbox_archive SELECT * FROM raw_ops.webhook_inbox WHERE event_id IN ('old-1', 'old-2', 'other-1');
         DELETE FROM raw_ops.webhook_inbox WHERE event_id IN ('old-1', 'other-1', 'other-2')",
    )
    .await;
    assert_eq!(count(&client, "webhook_inbox_archive_other").await, 3);
    // old-2 is in both: it is not doubled, and what was counted since is kept.
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET duplicate_count = 9 WHERE event_id = 'old-2'",
    )
    .await;
    // Somebody reads the rows without a partition: the archive does not wait for them long, and loses nothing.
    let reader = stack.connect().await.unwrap();
    run(
        &reader,
        "BEGIN; SELECT count(*) FROM raw_ops.webhook_inbox_archive",
    )
    .await;
    run(&client, "SET lock_timeout = '100ms'").await;
    let said = archive(&client, "'90 days', 1").await;
    assert_eq!(
        (&said["archived"], &said["partitions_created"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(count(&client, "webhook_inbox_archive_other").await, 4);
    run(&reader, "COMMIT").await;
    let said = archive(&client, "").await;
    assert_eq!(said["archived"], 2);
    assert_eq!(
        said["partitions_created"],
        json!(["webhook_inbox_archive_y2026m01"])
    );
    let places: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', event_id, duplicate_count, tableoid::regclass) FROM raw_ops.webhook_inbox_archive ORDER BY 1",
    )
    .await;
    assert_eq!(
        places,
        [
            "old-1 1 raw_ops.webhook_inbox_archive_y2026m01",
            "old-2 9 raw_ops.webhook_inbox_archive_y2026m01",
            "old-3 0 raw_ops.webhook_inbox_archive_y2026m01",
            "old-4 1 raw_ops.webhook_inbox_archive_y2026m01",
            "other-1 1 raw_ops.webhook_inbox_archive_other",
        ]
    );
    assert_eq!(count(&client, "webhook_inbox").await, 0);
}

#[tokio::test]
async fn an_owners_own_partitions_are_used() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "CREATE TABLE raw_ops.archive_2025 PARTITION OF raw_ops.webhook_inbox_archive
             FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')",
    )
    .await;
    done(&client, "old", "success", 48, "2026-01-01 12:00+00").await;
    for expected in [30, 18, 0] {
        let said = archive(&client, "'90 days', 30").await;
        assert_eq!(said["archived"], expected);
    }
    assert_eq!(count(&client, "archive_2025").await, 35);
    assert_eq!(count(&client, "webhook_inbox_archive_y2026m01").await, 13);
    // A month that was detached stays detached.
    run(
        &client,
        "ALTER TABLE raw_ops.webhook_inbox_archive DETACH PARTITION raw_ops.webhook_inbox_archive_y2026m01",
    )
    .await;
    done(&client, "late", "success", 1, "2026-01-02 12:00+00").await;
    assert_eq!(archive(&client, "").await["archived"], 1);
    assert_eq!(count(&client, "webhook_inbox_archive_other").await, 1);
}

#[tokio::test]
async fn a_late_repeat_of_an_archived_webhook_is_taken_for_new_and_changes_nothing() {
    let (_stack, client) = set_up().await;
    let order = Generator::new(32).order(0);
    let first = receive(&client, "orders/create", "event", &order.bytes).await;
    let newer = order.updated(3_600, &[Change::Note("newer".to_owned())]);
    receive(&client, "orders/updated", "newer", &newer.bytes).await;
    assert_eq!(drain(&client, 10).await, [2, 2, 0, 0]);
    assert_eq!(archive(&client, "'0 seconds'").await["archived"], 2);
    let before = tables(&client).await;

    let again = receive(&client, "orders/create", "event", &order.bytes).await;
    assert_ne!(again, first);
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    assert_eq!(tables(&client).await, before, "the newer payload stands");
    assert_eq!(archive(&client, "'0 seconds'").await["archived"], 1);
    let both: i64 = one(
        &client,
        "SELECT count(*) FROM raw_ops.webhook_inbox_archive WHERE provider = 'shopify' AND event_id = 'event'",
    )
    .await;
    assert_eq!(both, 2);
}

#[tokio::test]
async fn the_monthly_job_goes_on_until_nothing_is_left_a_commit_a_batch() {
    let (_stack, client) = set_up().await;
    done(&client, "old", "success", 12_000, "2026-05-01 12:00+00").await;
    run(&client, "CALL raw_ops.archive_inbox()").await;
    assert_eq!(count(&client, "webhook_inbox").await, 0);
    assert_eq!(count(&client, "webhook_inbox_archive").await, 12_000);
    let batches = "SELECT (event_payload->>'archived')::bigint FROM raw_ops.ops_events ORDER BY id";
    assert_eq!(column::<i64>(&client, batches).await, [5_000, 5_000, 2_000]);
    let transactions: i64 = one(
        &client,
        "SELECT count(DISTINCT xmin::text) FROM raw_ops.ops_events",
    )
    .await;
    assert_eq!(transactions, 3);
}
