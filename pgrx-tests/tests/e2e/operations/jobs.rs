//! Without `raw_ops` in `shared_preload_libraries`: everything works by calls, and pg_cron makes them every minute.

use std::time::Duration;

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, StackOptions, wait_for};
use serde_json::{Value, json};

fn not_preloaded() -> StackOptions {
    StackOptions::for_tests().setting("shared_preload_libraries", "pg_cron")
}

#[tokio::test]
async fn capture_processing_retry_and_resolution_need_no_preloaded_library() {
    let stack = Stack::start(not_preloaded()).await.unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let superuser = stack.connect_as_superuser().await.unwrap();
    assert_eq!(
        one::<String>(&superuser, "SHOW shared_preload_libraries").await,
        "pg_cron"
    );
    let order = Generator::new(11).order(0);
    let cancelled = order.updated(60, &[Change::Cancelled("inventory")]);
    let bad = Delivery::new("orders/create", "{");
    for delivery in [
        &cancelled.delivery("orders/cancelled"),
        &order.delivery("orders/create"),
        &bad,
    ] {
        assert!(sender.send(delivery).await.accepted());
    }
    let workers: i64 = one(
        &superuser,
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'raw_ops worker'",
    )
    .await;
    assert_eq!(workers, 0);
    assert_eq!(drain(&client, 100).await, [3, 1, 2, 0]);
    let due = "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'";
    run(&client, due).await;
    assert_eq!(retry(&client).await, [2, 1, 1, 0]);
    for _ in 0..3 {
        run(&client, due).await;
        run(&client, "CALL raw_ops.drain_inbox()").await;
    }
    assert_eq!(states(&client).await, in_states([("dlq", 1), ("success", 2)]));
    let resolved: Value = one(
        &client,
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'a test') FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq'",
    )
    .await;
    assert_eq!(resolved["new_status"], "resolved_manual");
    let reason: String = one(&client, "SELECT cancel_reason FROM raw_ops.orders").await;
    assert_eq!(reason, "inventory");
}

#[tokio::test]
async fn jobs_are_scheduled_once_however_often_and_unscheduled_likewise() {
    let stack = Stack::start(not_preloaded().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(
        &client,
        "SELECT cron.schedule('somebody else''s', '0 0 1 1 *', 'SELECT 1')",
    )
    .await;
    let jobs = "SELECT concat_ws(' | ', jobname, schedule, command, database, username, active) FROM cron.job
                 WHERE jobname <> 'somebody else''s' ORDER BY jobname";
    let expected = [
        "dlv-01-retry-notifications | */5 * * * * | SELECT raw_ops.fn_retry_courier_notifications_v1(); | shop | shop_owner | t",
        "monitor-dlv-01-watchdog-health | */15 * * * * | SELECT raw_ops.fn_invoke_monitor('courier_watchdog_health'); | shop | shop_owner | t",
        "monitor-heartbeat | */15 * * * * | SELECT raw_ops.fn_invoke_monitor('monitoring_heartbeat'); | shop | shop_owner | t",
        "monitor-order-ingestion-slo | */2 * * * * | SELECT raw_ops.fn_invoke_monitor('order_ingestion_slo'); | shop | shop_owner | t",
        "monitor-webhook-daily-digest | 0 9 * * * | SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest'); | shop | shop_owner | t",
        "monitor-webhook-health | */5 * * * * | SELECT raw_ops.fn_invoke_monitor('webhook_health'); | shop | shop_owner | t",
        "monitor-webhook-silence | */15 * * * * | SELECT raw_ops.fn_invoke_monitor('webhook_silence'); | shop | shop_owner | t",
        "raw-ops-archive | 17 3 1 * * | CALL raw_ops.archive_inbox(); | shop | shop_owner | t",
        "raw-ops-deliver | * * * * * | CALL raw_ops.deliver_outbox(); | shop | shop_owner | t",
        "raw-ops-drain | * * * * * | CALL raw_ops.drain_inbox(); | shop | shop_owner | t",
        "raw-ops-housekeeping | 47 2 * * * | CALL raw_ops.run_housekeeping(); | shop | shop_owner | t",
        "retry-failed-webhooks | */5 * * * * | SELECT raw_ops.retry_failed_webhooks(); | shop | shop_owner | t",
    ];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let said: Value = one(&client, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
        assert_eq!(
            said["scheduled"].as_array().map(Vec::len),
            Some(expected.len()),
            "{said}"
        );
        assert_eq!(column::<String>(&client, jobs).await, expected);
        ids.push(column::<i64>(&client, "SELECT jobid FROM cron.job ORDER BY 1").await);
    }
    assert_eq!(ids[0], ids[1], "the second time they are the same jobs");
    let said: Value = one(&client, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    let done = said["scheduled"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["done"]);
    assert!(done.into_iter().all(|done| done == "unchanged"), "{said}");
    for removed in [expected.len(), 0] {
        let said: Value = one(&client, "SELECT raw_ops.fn_unschedule_jobs_v1()").await;
        assert_eq!(
            said["unscheduled"].as_array().map(Vec::len),
            Some(removed),
            "{said}"
        );
        assert!(column::<String>(&client, jobs).await.is_empty());
    }
    assert_eq!(
        one::<i64>(&client, "SELECT count(*) FROM cron.job").await,
        1,
        "nobody else's is touched"
    );
}

#[tokio::test]
async fn without_pg_cron_scheduling_says_how_to_get_it() {
    let stack = Stack::start(not_preloaded().without_shim()).await.unwrap();
    stack.cluster.create_database("bare").await.unwrap();
    let client = stack.cluster.connect("bare").await.unwrap();
    run(&client, "CREATE EXTENSION raw_ops").await;
    for function in ["fn_schedule_jobs_v1", "fn_unschedule_jobs_v1"] {
        let refusal = refused(&client, &format!("SELECT raw_ops.{function}()")).await;
        assert!(refusal.message.contains("pg_cron"), "{}", refusal.message);
        assert!(
            refusal.hint.contains("CREATE EXTENSION pg_cron"),
            "{}",
            refusal.hint
        );
    }
}

#[tokio::test]
async fn pg_cron_turns_a_webhook_into_an_order_at_its_next_minute() {
    let stack = Stack::start(StackOptions {
        schedule_jobs: true,
        ..not_preloaded()
    })
    .await
    .unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(11).orders(0..3).collect();
    let deliveries = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    let outcomes = stack.sender().unwrap().send_all(deliveries, 3).await;
    assert!(outcomes.iter().all(|outcome| outcome.accepted()));
    stack.wait_drained(Duration::from_secs(130)).await.unwrap();
    assert_tables_hold(&client, &orders).await;
    // pg_cron writes its own record after the work.
    let record = "SELECT to_jsonb(d) FROM cron.job_run_details d JOIN cron.job USING (jobid)
                   WHERE jobname = 'raw-ops-drain' AND d.status NOT IN ('starting', 'running', 'sending', 'connecting')";
    let run: Value = wait_for(LIMIT, "the job's record", async || {
        Some(client.query(record, &[]).await.unwrap().first()?.get(0))
    })
    .await
    .unwrap();
    assert_eq!(run["status"], json!("succeeded"), "{run}");
}
