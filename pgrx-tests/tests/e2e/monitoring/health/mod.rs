//! `fn_health_v1()`: what is there, what is missing, and the statements that mend it.

mod definitions;
mod drills;
mod exposure;
mod functions;
mod grants;
mod jobs;
mod keys;
mod locks;
mod server;
mod sight;

use crate::support::*;
use raw_ops_e2e::receiver::slack;
use raw_ops_e2e::stack::{OWNER_ROLE, SHIM_ROLE};
use raw_ops_e2e::{Receiver, Stack, StackOptions, wait_for, wait_until};
use serde_json::Value;
use tokio_postgres::Client;

async fn health(client: &Client) -> Value {
    one(client, "SELECT raw_ops.fn_health_v1()").await
}

/// The faults of this name.
fn all_faults<'a>(health: &'a Value, what: &str) -> Vec<&'a Value> {
    let faults = health["faults"].as_array().unwrap();
    faults.iter().filter(|fault| fault["what"] == what).collect()
}

/// The first of them.
fn fault<'a>(health: &'a Value, what: &str) -> Option<&'a Value> {
    all_faults(health, what).first().copied()
}

fn names(health: &Value) -> Vec<String> {
    let faults = health["faults"].as_array().unwrap();
    faults
        .iter()
        .map(|fault| fault["what"].as_str().unwrap().to_owned())
        .collect()
}

/// Pastes what these faults print, statement by statement, as it stands; returns the statements.
async fn paste(client: &Client, faults: &[&Value]) -> Vec<String> {
    let mut pasted = Vec::new();
    for statement in faults.iter().flat_map(|fault| fault["next"].as_array().unwrap()) {
        let statement = statement.as_str().unwrap();
        run(client, statement).await;
        pasted.push(statement.to_owned());
    }
    pasted
}

#[tokio::test]
async fn a_whole_stack_is_ok_and_says_what_runs() {
    let options = StackOptions {
        schedule_jobs: true,
        ..StackOptions::for_tests()
    };
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let world = Receiver::start().unwrap();
    stack.post_alerts_to(&world).await.unwrap();
    let client = stack.connect().await.unwrap();
    wait_until(LIMIT, "the workers", async || {
        health(&client).await["sender"] == true
    })
    .await
    .unwrap();
    // This machine's disk may be nearly full.
    run(
        &client,
        "UPDATE raw_ops.monitor_thresholds SET enabled = false WHERE condition = 'disk_used'",
    )
    .await;
    let health = health(&client).await;
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["workers"]["running"], 1);
    assert_eq!(health["carrier"], "builtin");
    assert_eq!(health["pg_cron"]["jobs"].as_array().map(Vec::len), Some(12));
    assert_eq!(health["extension_version"], env!("CARGO_PKG_VERSION"));
    assert!(health["schema_version"].as_i64().unwrap() >= 8);
}

#[tokio::test]
async fn without_the_preloaded_library_and_without_pg_net_all_but_sending_works_and_health_says_so() {
    let options = by_hand().setting("shared_preload_libraries", "pg_cron");
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(
        &client,
        "SELECT raw_ops.fn_set_secret_v1('slack_url_ops_urgent', 'http://127.0.0.1:9/x')",
    )
    .await;
    receive(&client, "orders/create", "bad", b"{").await;
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'dlq';
         SELECT raw_ops.fn_invoke_monitor('webhook_health')",
    )
    .await;
    let waiting: String = one(&client, "SELECT state FROM raw_ops.http_requests").await;
    assert_eq!(waiting, "queued", "kept until somebody sends");
    run(&client, "CALL raw_ops.deliver_outbox()").await;

    let health = health(&client).await;
    assert_eq!(health["status"], "critical");
    for (what, step) in [
        ("sending", "shared_preload_libraries"),
        ("sending", "CREATE EXTENSION pg_net"),
        ("preload", "raw_ops.database"),
        ("jobs", "fn_schedule_jobs_v1"),
        ("secrets", "fn_set_secret_v1"),
    ] {
        let next = fault(&health, what).unwrap_or(&Value::Null)["next"].to_string();
        assert!(next.contains(step), "{what}: {health}");
    }
    for view in [
        "webhook_health",
        "retry_queue_depth",
        "dashboard_daily_volume",
        "undelivered_alerts",
    ] {
        run(&client, &format!("SELECT * FROM raw_ops.{view}")).await;
    }
    let page: String = one(&client, "SELECT raw_ops.fn_dashboard_html_v1()").await;
    assert!(page.contains("Webhook Operations"));
}

#[tokio::test]
async fn without_pg_cron_it_says_how_to_get_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    stack.cluster.create_database("bare").await.unwrap();
    let client = stack.cluster.connect("bare").await.unwrap();
    run(&client, "CREATE EXTENSION raw_ops; SELECT raw_ops.setup()").await;
    let health = health(&client).await;
    // The workers serve another database.
    for (what, step) in [
        ("pg_cron", "CREATE EXTENSION pg_cron"),
        ("sending", "raw_ops.database = 'bare'"),
    ] {
        let next = fault(&health, what).unwrap_or(&Value::Null)["next"].to_string();
        assert!(next.contains(step), "{what}: {health}");
    }
}

#[tokio::test]
async fn who_holds_a_snapshot_is_named_and_an_alert_that_reached_nobody_is_a_fault() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let world = Receiver::start().unwrap();
    stack.post_alerts_to(&world).await.unwrap();
    for channel in ["/slack/ops-alerts", "/slack/ops-urgent", "/slack/daily-ops"] {
        world.always(channel, slack::no_service());
    }
    let client = stack.connect().await.unwrap();
    run(
        &client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload)
         SELECT 'shopify', 'orders/create', n::text, '{}' FROM generate_series(1, 101) n;
         SELECT raw_ops.fn_invoke_monitor('webhook_health')",
    )
    .await;
    wait_until(LIMIT, "the alert to be given up", async || {
        health(&client).await["undelivered_alerts"] == 1
    })
    .await
    .unwrap();
    let found = health(&client).await;
    assert!(names(&found).contains(&"alerts".to_owned()), "{found}");

    let holder = stack.connect().await.unwrap();
    run(
        &holder,
        "SET application_name = 'forgotten'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1",
    )
    .await;
    let found = health(&client).await;
    assert_eq!(found["oldest_snapshot"]["application"], "forgotten", "{found}");
}

#[tokio::test]
async fn a_channel_of_a_shops_own_does_not_stand_for_the_one_that_all_have() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example'), ('eu.example');
         SELECT raw_ops.fn_set_secret_v1('slack_url_' || channel, 'http://127.0.0.1:9/x')
           FROM unnest('{ops_urgent,daily_ops}'::text[]) AS channel;
         SELECT raw_ops.fn_set_secret_v1('slack_url_ops_alerts', 'http://127.0.0.1:9/x', shop_domain) FROM raw_ops.shops",
    )
    .await;
    // The heartbeat, for one, is no shop's.
    let found = health(&client).await;
    let problem = fault(&found, "secrets").unwrap()["problem"].to_string();
    assert!(problem.contains("not set: slack_url_ops_alerts"), "{problem}");
    run(
        &client,
        "SELECT raw_ops.fn_set_secret_v1('slack_url_ops_alerts', 'http://127.0.0.1:9/x')",
    )
    .await;
    assert!(fault(&health(&client).await, "secrets").is_none());
}
