//! It cannot be blinded: whatever is locked, dropped, slow or cut off, who asks is answered and told what is missing.

mod cut_off;
mod hanging;
mod pg_cron;
mod surfaces;

use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions, wait_until};
use serde_json::Value;
use tokio_postgres::Client;

/// Nobody waits for ever; what decides is what is answered.
const PATIENCE: &str = "SET statement_timeout = '30s'";

/// A session that is answered within [`PATIENCE`] or not at all.
async fn asker(stack: &Stack) -> Client {
    let client = stack.connect().await.unwrap();
    run(&client, PATIENCE).await;
    client
}

async fn page(client: &Client) -> String {
    one(client, "SELECT raw_ops.fn_dashboard_html_v1()").await
}

async fn metrics(client: &Client) -> String {
    one(client, "SELECT raw_ops.fn_metrics_v1()").await
}

async fn health(client: &Client) -> Value {
    one(client, "SELECT raw_ops.fn_health_v1()").await
}

/// What the metrics say they could not read.
fn unread(metrics: &str) -> Vec<&str> {
    let lines = metrics.lines();
    let names = lines.filter_map(|line| line.strip_prefix("raw_ops_unread{what=\"")?.strip_suffix("\"} 1"));
    names.collect()
}

/// Every problem that health has under this name, in one text.
fn problems(health: &Value, what: &str) -> String {
    let faults = health["faults"].as_array().unwrap();
    let those = faults.iter().filter(|fault| fault["what"] == what);
    those.map(|fault| fault["problem"].to_string()).collect()
}

/// A session that somebody has forgotten, and its process.
async fn forgotten(stack: &Stack) -> (Client, i32) {
    let holder = stack.connect_as_superuser().await.unwrap();
    run(&holder, "SET application_name = 'forgotten'; BEGIN").await;
    let pid = one(&holder, "SELECT pg_backend_pid()").await;
    (holder, pid)
}

/// Makes a view one that never answers.
async fn put_to_sleep(client: &Client, view: &str) {
    let sql = format!(
        "DO $$ BEGIN EXECUTE format('CREATE OR REPLACE VIEW raw_ops.{view} AS SELECT v.* FROM pg_sleep(600) AS s LEFT JOIN (%s) v ON true',
                                    rtrim(pg_get_viewdef('raw_ops.{view}'::regclass), ';')); END $$"
    );
    run(client, &sql).await;
}
