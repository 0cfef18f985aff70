//! Webhooks that do not become orders.

use super::*;
use raw_ops_e2e::orders::{Generator, Order};

const REFUSE: &str =
    "ALTER TABLE raw_ops.orders ADD CONSTRAINT no_orders CHECK (shopify_order_id < 0) NOT VALID";
const ALLOW: &str = "ALTER TABLE raw_ops.orders DROP CONSTRAINT no_orders";
const WAITING: &str = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'failed' AND last_error IS NOT NULL";

fn orders(count: u64) -> Vec<Order> {
    Generator::new(5).orders(0..count).collect()
}

/// Orders that a constraint of somebody's refuses, until each has failed.
async fn refused_orders(drill: &Drill, count: u64) -> Client {
    let owner = drill.owner().await;
    run(&owner, REFUSE).await;
    receive_orders(&owner, &orders(count)).await;
    wait_until(LIMIT, "every order to be refused", async || {
        one::<i64>(&owner, WAITING).await == i64::try_from(count).unwrap()
    })
    .await
    .unwrap();
    owner
}

/// The same, until no attempt is left.
async fn dead_letters(drill: &Drill, count: u64) -> Client {
    let owner = drill.owner().await;
    run(
        &owner,
        "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose = 'webhooks'",
    )
    .await;
    run(&owner, REFUSE).await;
    receive_orders(&owner, &orders(count)).await;
    died(&owner, count).await;
    owner
}

async fn died(owner: &Client, count: u64) {
    let dead = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq'";
    let again = "SELECT raw_ops.retry_failed_webhooks()";
    wait_until(LIMIT, "no attempt to be left", async || {
        run(owner, again).await;
        one::<i64>(owner, dead).await == i64::try_from(count).unwrap()
    })
    .await
    .unwrap();
}

/// What a person does about the constraint: drops it, by the statement in the comment where one is.
async fn allow(stack: &Stack, note: &str) {
    let statement = note.split_once("? ").map_or(ALLOW, |(_, statement)| statement);
    run(&stack.connect().await.unwrap(), statement).await;
}

async fn ingested(owner: &Client) -> i64 {
    one(owner, "SELECT count(*) FROM raw_ops.orders").await
}

#[tokio::test]
async fn a_constraint_of_somebodys_refuses_every_order() {
    let mut drill = Drill::begin(1, StackOptions::for_tests().without_shim()).await;
    let owner = refused_orders(&drill, 130).await;
    let posted = drill.alarmed("webhook_health", "Retry Queue Backup").await;
    assert!(
        posted.contains("no_orders"),
        "the alert names the constraint: {posted}"
    );
    assert!(
        posted.contains("database shop on "),
        "and says where it is from: {posted}"
    );
    let named = drill.named().await;
    assert!(named.problem().contains("no_orders"), "{named:?}");
    assert_eq!(named.faults[0]["count"], 130);
    drill.paste(&named, allow).await;
    drill.mended().await;
    assert_eq!(ingested(&owner).await, 130, "at once, not by and by");
    run(&owner, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await;
    let resolved = drill.posted("Resolved: Retry Queue Backup").await;
    assert!(
        resolved.contains("Retry Queue Depth: 0"),
        "as it is now: {resolved}"
    );
    assert!(resolved.contains("lasted"), "{resolved}");
}

#[tokio::test]
async fn dead_letters_are_applied_before_they_are_settled() {
    let mut drill = Drill::begin(4, StackOptions::for_tests().without_shim()).await;
    let owner = dead_letters(&drill, 3).await;
    let named = drill.named().await;
    assert_eq!(named.faults[0]["count"], 3);
    // Before the cause is mended: an error, and nothing is lost.
    let apply = named
        .next()
        .into_iter()
        .find(|step| step.contains("process_order_webhook_txn"))
        .unwrap();
    let error = drill.stack.psql(apply).await.unwrap_err();
    assert!(format!("{error:?}").contains("no_orders"), "{error:?}");
    drill.paste(&named, allow).await;
    drill.mended().await;
    assert_eq!(ingested(&owner).await, 3);
    let without: i64 = one(
        &owner,
        "SELECT count(*) FROM raw_ops.ops_events WHERE message = 'webhook.resolved_manually'
            AND (event_payload->>'settled_without_order')::boolean",
    )
    .await;
    assert_eq!(without, 0);
}

#[tokio::test]
async fn a_dead_letter_that_nobody_can_read_is_corrected_by_a_person() {
    let mut drill = Drill::begin(4, StackOptions::for_tests().without_shim()).await;
    let owner = drill.owner().await;
    run(
        &owner,
        "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose = 'webhooks'",
    )
    .await;
    receive(
        &owner,
        "orders/create",
        "bad",
        br#"{"id": 77, "total_price": "abc"}"#,
    )
    .await;
    died(&owner, 1).await;
    let named = drill.named().await;
    let correct = async |stack: &Stack, note: &str| {
        let (_, statement) = note.split_once("paste: ").unwrap();
        let statement = statement.replace("<value as JSON>", "\"18.00\"").replace(
            "<what was wrong, how you know>",
            "price read from the page of the shop",
        );
        run(&stack.connect().await.unwrap(), &statement).await;
    };
    let printed = drill.paste(&named, correct).await;
    assert!(
        printed[1].contains("resolved_manual") && printed[1].contains("18.00"),
        "{printed:?}"
    );
    drill.mended().await;
}

#[tokio::test]
async fn a_dead_letter_settled_without_its_order_is_told_and_counted() {
    let drill = Drill::begin(4, StackOptions::for_tests().without_shim()).await;
    let owner = dead_letters(&drill, 1).await;
    run(&owner, ALLOW).await;
    let settle =
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'too late at night') FROM raw_ops.webhook_inbox";
    let answer: Value = one(&owner, settle).await;
    assert_eq!(answer["success"], true);
    assert!(
        answer["warning"].as_str().unwrap().contains("without an order"),
        "{answer}"
    );
    let digest: Value = one(
        &owner,
        "SELECT raw_ops.fn_check_webhook_daily_digest_v2()->'result_summary'",
    )
    .await;
    assert_eq!(digest["settled_without_order"], 1, "{digest}");
    let page: String = one(&owner, "SELECT raw_ops.fn_dashboard_html_v1()").await;
    assert!(page.contains("1 without an order"), "the page counts it");
    run(&owner, answer["next"].as_str().unwrap()).await;
    assert_eq!(ingested(&owner).await, 1, "its payload is still there");
}

#[tokio::test]
async fn dead_letters_that_wait_are_never_resolved() {
    let mut drill = Drill::begin(5, StackOptions::for_tests().without_shim()).await;
    let owner = dead_letters(&drill, 4).await;
    drill.alarmed("webhook_health", "DLQ Critical").await;
    run(
        &owner,
        "UPDATE raw_ops.webhook_inbox SET last_error_at = now() - interval '20 minutes';
         UPDATE raw_ops.alerts SET last_notified_at = now() - interval '1 day'",
    )
    .await;
    let told: Value = one(&owner, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await;
    assert_eq!(told["messages"], serde_json::json!(["repeated"]), "{told}");
    assert_eq!(told["status"], "ok", "ORD's answer is about new ones: {told}");
    let named = drill.named().await;
    drill.paste(&named, allow).await;
    drill.mended().await;
    run(&owner, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await;
    let resolved = drill.posted("Resolved: DLQ Critical").await;
    assert!(resolved.contains("DLQ Total: 0"), "{resolved}");
    assert_eq!(ingested(&owner).await, 4);
}

/// Orders announced so many minutes ago.
async fn age(owner: &Client, minutes: u32) {
    let ago = format!(
        "UPDATE raw_ops.ops_events SET created_at = now() - interval '{minutes} minutes' WHERE message = 'order.created'"
    );
    run(owner, &ago).await;
}

#[tokio::test]
async fn orders_that_miss_the_slo_are_a_warning_then_critical() {
    let mut drill = Drill::begin(6, StackOptions::for_tests().without_shim()).await;
    let owner = refused_orders(&drill, 2).await;
    age(&owner, 6).await;
    let posted = drill
        .alarmed("order_ingestion_slo", "Order Ingestion SLO Breach")
        .await;
    assert!(posted.starts_with(":warning:"), "{posted}");
    age(&owner, 16).await;
    let posted = drill
        .alarmed(
            "order_ingestion_slo",
            ":rotating_light: Order Ingestion SLO Breach",
        )
        .await;
    assert!(posted.contains("raw_ops.missing_orders"), "{posted}");
    let named = drill.named().await;
    assert_eq!(named.faults[0]["severity"], "critical");
    assert!(named.problem().contains("no_orders"), "{named:?}");
    drill.paste(&named, allow).await;
    drill.mended().await;
    assert_eq!(ingested(&owner).await, 2);
}

#[tokio::test]
async fn orders_missing_for_longer_than_the_slo_looks_back_are_still_shown() {
    let mut drill = Drill::begin(7, StackOptions::for_tests().without_shim()).await;
    let owner = refused_orders(&drill, 2).await;
    age(&owner, 16).await;
    drill
        .alarmed("order_ingestion_slo", "Order Ingestion SLO Breach")
        .await;
    age(&owner, 25).await;
    let told: Value = one(&owner, "SELECT raw_ops.fn_invoke_monitor('order_ingestion_slo')").await;
    assert_eq!(
        (&told["status"], &told["messages"]),
        (&"ok".into(), &Value::Array(vec![])),
        "{told}"
    );
    let named = drill.named().await;
    let printed = drill.paste(&named, allow).await;
    assert!(
        printed[0].contains("no_orders"),
        "the statement shows them: {printed:?}"
    );
    drill.mended().await;
    assert_eq!(ingested(&owner).await, 2);
}

#[tokio::test]
async fn a_slow_trigger_of_somebodys_is_found() {
    let mut drill = Drill::begin(8, StackOptions::for_tests().without_shim()).await;
    let owner = drill.owner().await;
    as_superuser(
        &drill.stack,
        "CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN new; END';
         ALTER TABLE raw_ops.orders DISABLE TRIGGER USER;
         ALTER TABLE raw_ops.orders ENABLE TRIGGER USER",
    )
    .await;
    run(
        &owner,
        "CREATE TRIGGER dawdle BEFORE INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION public.dawdle()",
    )
    .await;
    receive_orders(&owner, &orders(15)).await;
    drill.stack.wait_drained(LIMIT).await.unwrap();
    drill.alarmed("webhook_health", "Slow Processing").await;
    let named = drill.named().await;
    let disable = async |stack: &Stack, note: &str| {
        assert!(note.contains("DISABLE TRIGGER <trigger>"), "{note}");
        let disable = "ALTER TABLE raw_ops.orders DISABLE TRIGGER dawdle";
        run(&stack.connect().await.unwrap(), disable).await;
    };
    let printed = drill.paste(&named, disable).await;
    assert!(printed[0].contains("dawdle"), "{printed:?}");
    // An hour later.
    run(
        &owner,
        "UPDATE raw_ops.webhook_inbox SET created_at = created_at - interval '61 minutes'",
    )
    .await;
    drill.mended().await;
    assert_eq!(ingested(&owner).await, 15);
}

#[tokio::test]
async fn a_source_has_gone_quiet() {
    let mut drill = Drill::begin(9, StackOptions::for_tests()).await;
    let owner = drill.owner().await;
    // Every five minutes for ten days, and nothing for the last three hours.
    run(
        &owner,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, received_at, created_at)
         SELECT 'shopify', 'orders/create', n::text, '{}', 'success', at, at
           FROM generate_series(36, 2880) n, LATERAL (SELECT now() - n * interval '5 minutes' AS at) t",
    )
    .await;
    let posted = drill.alarmed("webhook_silence", "A Source Has Gone Quiet").await;
    assert!(posted.contains("/readyz"), "{posted}");
    let named = drill.named().await;
    let sender = drill.stack.sender().unwrap();
    let order = orders(1).remove(0);
    let printed = drill.paste(&named, nobody).await;
    assert!(printed[0].contains("orders/create"), "{printed:?}");
    assert!(sender.send(&order.delivery("orders/create")).await.accepted());
    drill.mended().await;
}
