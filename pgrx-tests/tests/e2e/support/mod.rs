//! What several of the end-to-end tests need: short ways to ask the database, a load that retries as Shopify does, and
//! the comparison of the tables with the truth.

#![allow(dead_code, reason = "each test program uses a part of it")]

mod load;

use std::collections::BTreeMap;
use std::time::Duration;

pub use load::Load;
use raw_ops_e2e::orders::Order;
use raw_ops_e2e::truth::Truth;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::FromSqlOwned;

/// How long anything that must happen may take; it only decides when a failing test gives up.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A stack where nothing happens by itself: no worker, no jobs.
pub fn by_hand() -> StackOptions {
    StackOptions::for_tests().setting("raw_ops.workers", 0)
}

/// What survives a crash is asked of it, so everything is durable; a worker, no jobs.
pub fn durable() -> StackOptions {
    StackOptions {
        schedule_jobs: false,
        ..StackOptions::default()
    }
}

/// The one value that a query returns.
pub async fn one<T: FromSqlOwned>(client: &Client, sql: &str) -> T {
    match client.query_one(sql, &[]).await {
        Ok(row) => row.get(0),
        Err(error) => panic!("{error:?}\nin: {sql}"),
    }
}

/// The first column of every row.
pub async fn column<T: FromSqlOwned>(client: &Client, sql: &str) -> Vec<T> {
    match client.query(sql, &[]).await {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
        Err(error) => panic!("{error:?}\nin: {sql}"),
    }
}

/// Runs statements.
pub async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{error:?}\nin: {sql}");
    }
}

/// Runs statements as the superuser: roles, settings of the server, other roles' sessions, pg_cron's own tables.
pub async fn as_superuser(stack: &Stack, sql: &str) {
    run(&stack.connect_as_superuser().await.unwrap(), sql).await;
}

/// Asks (as a superuser) whether the sender has gone to rest since the moment in this temporary table.
pub async fn sender_has_looked_since(client: &Client, table: &str) -> String {
    let at: String = one(client, &format!("SELECT at::text FROM {table}")).await;
    format!(
        "SELECT count(*) FROM pg_stat_activity
          WHERE backend_type = 'raw_ops sender' AND state = 'idle' AND state_change > '{at}'"
    )
}

/// Ends another session and waits until it has; only a superuser sees and ends those of other roles.
pub async fn terminate(stack: &Stack, pid: i32) {
    let superuser = stack.connect_as_superuser().await.unwrap();
    let ended = format!("SELECT pg_terminate_backend({pid}, 30000)");
    assert!(one::<bool>(&superuser, &ended).await, "process {pid} did not end");
}

/// How PostgreSQL refused a statement.
#[derive(Debug)]
pub struct Refusal {
    pub sqlstate: String,
    pub message: String,
    pub hint: String,
}

/// The error of a statement that must fail.
pub async fn refused(client: &Client, sql: &str) -> Refusal {
    let error = match client.batch_execute(sql).await {
        Ok(()) => panic!("not refused: {sql}"),
        Err(error) => error,
    };
    let Some(error) = error.as_db_error() else {
        panic!("{error:?}\nin: {sql}");
    };
    Refusal {
        sqlstate: error.code().code().to_owned(),
        message: error.message().to_owned(),
        hint: error.hint().unwrap_or_default().to_owned(),
    }
}

/// What a drain or a retry says it did: claimed, succeeded, failed, dead-lettered.
pub type Tally = [i64; 4];

/// `process_pending_webhooks(limit)`
pub async fn drain(client: &Client, limit: i32) -> Tally {
    tally(
        client,
        &format!("SELECT raw_ops.process_pending_webhooks({limit})"),
    )
    .await
}

/// `retry_failed_webhooks()`
pub async fn retry(client: &Client) -> Tally {
    tally(client, "SELECT raw_ops.retry_failed_webhooks()").await
}

async fn tally(client: &Client, sql: &str) -> Tally {
    let said: Value = one(client, sql).await;
    ["claimed", "succeeded", "failed", "dead_lettered"]
        .map(|member| said[member].as_i64().unwrap_or_else(|| panic!("{said}")))
}

/// Stores a webhook without the shim; returns its id.
pub async fn receive(client: &Client, topic: &str, event_id: &str, body: &[u8]) -> String {
    let sql = "SELECT raw_ops.receive_webhook('shopify', $1, $2, '{}', $3)->>'webhook_id'";
    match client.query_one(sql, &[&topic, &event_id, &body]).await {
        Ok(row) => row.get(0),
        Err(error) => panic!("{error:?}"),
    }
}

/// Stores these orders as `orders/create`, named by their number, in one call.
pub async fn receive_orders(client: &Client, orders: &[Order]) {
    let names: Vec<String> = orders
        .iter()
        .map(|order| format!("create-{}", order.number))
        .collect();
    let bodies: Vec<&[u8]> = orders.iter().map(|order| order.bytes.as_ref()).collect();
    let sql = "SELECT count(*) FROM raw_ops.receive_webhooks(
                   array_fill('shopify'::text, array[cardinality($1::text[])]),
                   array_fill('orders/create'::text, array[cardinality($1::text[])]),
                   $1::text[], array_fill('{}'::jsonb, array[cardinality($1::text[])]), $2::bytea[])
                WHERE NOT duplicate";
    let stored: i64 = client.query_one(sql, &[&names, &bodies]).await.unwrap().get(0);
    assert_eq!(stored, orders.len() as i64);
}

/// How many webhooks are in each state.
pub async fn states(client: &Client) -> BTreeMap<String, i64> {
    let rows = client
        .query(
            "SELECT processing_status, count(*) FROM raw_ops.webhook_inbox GROUP BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The expected answer of [`states`].
pub fn in_states<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected
        .into_iter()
        .map(|(state, count)| (state.to_owned(), count))
        .collect()
}

/// Customers, orders and items as they are, without ids, own times, and which payload wrote what last.
pub async fn tables(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT row::text FROM (
             SELECT 'order' AS what, to_jsonb(o) - '{id,customer_id,created_at,updated_at,shopify_triggered_at,payload_hash,field_versions,
                                           guest_email_key}'::text[]
                    || jsonb_build_object('customer', c.shopify_customer_id, 'customer_email', c.email) AS row
               FROM raw_ops.orders o LEFT JOIN raw_ops.customers c ON c.id = o.customer_id
             UNION ALL
             SELECT 'item', to_jsonb(i) - '{id,order_id,created_at,updated_at,field_versions}'::text[]
                    || jsonb_build_object('order', o.shopify_order_id)
               FROM raw_ops.order_items i JOIN raw_ops.orders o ON o.id = i.order_id
             UNION ALL
             SELECT 'customer', to_jsonb(c) - '{id,created_at,updated_at,shopify_updated_at,shopify_triggered_at,payload_hash,field_versions}'::text[]
               FROM raw_ops.customers c
         ) all_rows ORDER BY what, row::text",
    )
    .await
}

/// Asserts that the tables hold these orders, their customers and items, and nothing else.
pub async fn assert_tables_hold(client: &Client, orders: &[Order]) {
    let truth = Truth::of(orders).unwrap();
    let differences = truth.differences(client).await.unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
