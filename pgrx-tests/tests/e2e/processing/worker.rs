//! The background worker: it needs nobody, and it comes back.

use std::time::Duration;

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, StackOptions, wait_for};

/// Pids of the workers.
const WORKERS: &str = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'raw_ops worker'";

async fn worker(stack: &Stack) -> i32 {
    wait_for(LIMIT, "a worker", async || {
        let client = stack.connect_as_superuser().await.ok()?;
        Some(client.query_opt(WORKERS, &[]).await.ok()??.get(0))
    })
    .await
    .unwrap()
}

async fn send(stack: &Stack, orders: &[Order]) {
    let deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    let outcomes = stack.sender().unwrap().send_all(deliveries, 8).await;
    assert!(outcomes.iter().all(|outcome| outcome.accepted()), "{outcomes:?}");
}

#[tokio::test]
async fn a_webhook_becomes_an_order_without_anybody_calling_anything() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    worker(&stack).await;
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(10).orders(0..5).collect();
    for order in &orders {
        // One at a time: each must wake it anew.
        send(&stack, std::slice::from_ref(order)).await;
        let query = format!("SELECT FROM raw_ops.orders WHERE shopify_order_id = {}", order.id);
        let found = async || client.query_opt(&query, &[]).await.unwrap();
        wait_for(LIMIT, "the order", found).await.unwrap();
    }
    assert_tables_hold(&client, &orders).await;
    let jobs: i64 = one(&client, "SELECT count(*) FROM cron.job").await;
    assert_eq!(jobs, 0, "no job helped");
}

#[tokio::test]
async fn what_was_stored_by_sql_in_one_transaction_wakes_it_at_commit() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    worker(&stack).await;
    let orders: Vec<Order> = Generator::new(10).orders(0..50).collect();
    run(&client, "BEGIN").await;
    receive_orders(&client, &orders).await;
    let unseen: i64 = one(
        &stack.connect().await.unwrap(),
        "SELECT count(*) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(unseen, 0, "before the commit nobody sees them");
    run(&client, "COMMIT").await;
    stack.wait_drained(LIMIT).await.unwrap();
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn a_worker_that_is_terminated_comes_back_and_drains_the_queue() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(10).orders(0..400).collect();
    send(&stack, &orders[..200]).await;
    let first = worker(&stack).await;
    terminate(&stack, first).await;
    send(&stack, &orders[200..]).await;
    assert_ne!(worker(&stack).await, first);
    stack.wait_drained(LIMIT).await.unwrap();
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn a_worker_killed_outright_comes_back_and_drains_the_queue() {
    let mut stack = Stack::start(durable()).await.unwrap();
    let first = worker(&stack).await;
    let load = Load::start(&stack.sender().unwrap());
    load.wait_for_more(100).await;
    stack.cluster.kill_backend(first).await.unwrap();
    load.wait_for_more(100).await;
    stack.cluster.wait_ready().await.unwrap();
    let sent = load.finish().await;
    assert_ne!(worker(&stack).await, first);
    sent.assert_ingested(&stack).await;
}

#[tokio::test]
async fn a_failed_webhook_is_tried_again_by_the_worker_when_it_is_due() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    // As an operator may: the second attempt soon, the third not while this test runs.
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 second' WHERE attempt = 2;
         UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE attempt = 3",
    )
    .await;
    let order = Generator::new(10).order(7);
    let cancelled = order.updated(60, &[Change::Cancelled("customer")]);
    let sender = stack.sender().unwrap();
    assert!(
        sender
            .send(&cancelled.delivery("orders/cancelled"))
            .await
            .accepted()
    );
    let found = async |what: &str, query: &str| {
        wait_for(LIMIT, what, async || client.query_opt(query, &[]).await.unwrap())
            .await
            .unwrap();
    };
    found(
        "a second attempt",
        "SELECT FROM raw_ops.webhook_inbox WHERE attempts = 2",
    )
    .await;
    assert!(sender.send(&order.delivery("orders/create")).await.accepted());
    found("the order", "SELECT FROM raw_ops.orders").await;
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
    )
    .await;
    found(
        "the cancellation",
        "SELECT FROM raw_ops.orders WHERE cancel_reason = 'customer'",
    )
    .await;
    assert_eq!(states(&client).await, in_states([("success", 2)]));
}

#[tokio::test]
async fn what_a_crash_left_as_retrying_is_taken_up_by_the_worker_without_any_job() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let order = Generator::new(10).order(8);
    let sql = "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts)
               VALUES ('shopify', 'orders/create', 'left', $1, 'retrying', 1)";
    client.execute(sql, &[&order.json]).await.unwrap();
    let done = async || (states(&client).await == in_states([("success", 1)])).then_some(());
    // Three times as long as the worker ever sleeps.
    wait_for(Duration::from_secs(30), "the webhook to be tried again", done)
        .await
        .unwrap();
    assert_tables_hold(&client, &[order]).await;
}

#[tokio::test]
async fn a_server_without_the_tables_yet_has_a_worker_that_waits_for_them() {
    let cluster = raw_ops_e2e::Cluster::builder()
        .for_raw_ops("shop")
        .fast()
        .start()
        .await
        .unwrap();
    let client = cluster.connect("shop").await.unwrap();
    let pid: i32 = wait_for(LIMIT, "a worker", async || {
        Some(client.query_opt(WORKERS, &[]).await.ok()??.get(0))
    })
    .await
    .unwrap();
    run(&client, "CREATE EXTENSION raw_ops").await;
    run(&client, "SELECT raw_ops.setup()").await;
    let order = Generator::new(10).order(0);
    receive(&client, "orders/create", "first", &order.bytes).await;
    let stored = async || client.query_opt("SELECT FROM raw_ops.orders", &[]).await.unwrap();
    wait_for(LIMIT, "the order", stored).await.unwrap();
    assert_tables_hold(&client, &[order]).await;
    assert_eq!(
        column::<i32>(&client, WORKERS).await,
        [pid],
        "it never died of it"
    );
}

#[tokio::test]
async fn an_error_in_the_owners_own_trigger_costs_the_worker_only_that_webhook() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let pid = worker(&stack).await;
    let orders: Vec<Order> = Generator::new(10).orders(0..20).collect();
    run(
        &client,
        &format!(
            "CREATE FUNCTION raw_ops.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF NEW.shopify_order_id = {} THEN RAISE EXCEPTION 'not this one'; END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION raw_ops.refuse()",
            orders[11].id
        ),
    )
    .await;
    send(&stack, &orders).await;
    stack.wait_drained(LIMIT).await.unwrap();
    assert_eq!(states(&client).await, in_states([("failed", 1), ("success", 19)]));
    let error: String = one(
        &client,
        "SELECT last_error FROM raw_ops.webhook_inbox WHERE processing_status = 'failed'",
    )
    .await;
    assert_eq!(error, "not this one");
    let others: Vec<Order> = orders
        .iter()
        .filter(|order| order.id != orders[11].id)
        .cloned()
        .collect();
    assert_tables_hold(&client, &others).await;
    assert_eq!(worker(&stack).await, pid);
}
