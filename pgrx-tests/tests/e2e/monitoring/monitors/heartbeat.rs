//! Checks that fail and monitors that do not run are told by the heartbeat.

use super::Watched;
use crate::support::*;
use serde_json::Value;

#[tokio::test]
async fn a_check_that_fails_is_written_down_and_the_heartbeat_tells() {
    let watched = Watched::start().await;
    run(
        &watched.client,
        "ALTER TABLE raw_ops.orders RENAME COLUMN shopify_order_id TO gone",
    )
    .await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.ops_events (kind, entity_type, message, event_payload, created_at)
         VALUES ('INFO', 'order', 'order.created', '{\"shopify_order_id\": 1}', now() - interval '6 minutes')",
    )
    .await;
    let failed = watched.invoke("order_ingestion_slo").await;
    assert_eq!(failed["status"], "error");
    assert!(
        failed["error"].as_str().unwrap().contains("shopify_order_id"),
        "{failed}"
    );
    let logged: String = one(
        &watched.client,
        "SELECT error FROM raw_ops.monitoring_runs WHERE status = 'error'",
    )
    .await;
    assert_eq!(failed["error"], logged);
    run(
        &watched.client,
        "UPDATE raw_ops.monitors SET scheduled_at = now()",
    )
    .await;
    let heartbeat = watched.invoke("monitoring_heartbeat").await;
    let conditions = heartbeat["result_summary"]["conditions"].as_array().unwrap();
    let titles: Vec<&Value> = conditions.iter().map(|one| &one["title"]).collect();
    // The column that the check misses keeps orders from being written, too.
    assert_eq!(
        titles,
        ["Monitors Fail", "Webhooks Cannot Be Stored Or Processed"],
        "{heartbeat}"
    );
}

#[tokio::test]
async fn the_heartbeat_misses_monitors_that_do_not_run() {
    let watched = Watched::start().await;
    let silent = async || {
        let heartbeat = watched.invoke("monitoring_heartbeat").await;
        let silent = heartbeat["result_summary"]["silent_monitors"].clone();
        serde_json::from_value::<Vec<String>>(silent).unwrap()
    };
    assert!(
        silent().await.contains(&"webhook_health".to_owned()),
        "nobody has scheduled them"
    );
    run(&watched.client, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    assert_eq!(
        silent().await,
        Vec::<String>::new(),
        "they have an hour for their first run"
    );
    run(&watched.client, "SELECT raw_ops.fn_unschedule_jobs_v1(); UPDATE raw_ops.monitors SET scheduled_at = now() - interval '2 days'").await;
    for check in [
        "order_ingestion_slo",
        "webhook_health",
        "webhook_silence",
        "webhook_daily_digest",
        "courier_watchdog_health",
    ] {
        watched.invoke(check).await;
    }
    let age = |minutes: i32| {
        format!(
            "UPDATE raw_ops.monitoring_runs SET run_at = now() - interval '{minutes} minutes' WHERE check_name = 'webhook_health'"
        )
    };
    run(&watched.client, &age(59)).await;
    assert_eq!(silent().await, Vec::<String>::new());
    run(&watched.client, &age(61)).await;
    assert_eq!(silent().await, ["webhook_health"]);
}
