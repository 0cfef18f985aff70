//! Where the light and the alert views change: just under and just over.

use super::{begin, rows};
use crate::support::*;
use tokio_postgres::Client;

async fn empty_inbox(client: &Client) {
    run(client, "DELETE FROM raw_ops.webhook_inbox").await;
}

/// ORD, "Health Indicators": the indicator, what is in the inbox, its state.
const LIGHTS: &[(&str, &str, &str)] = &[
    (
        "success_rate",
        "put(991, 'success', now()), pg_temp.put(9, 'resolved_manual', now() - interval '25 hours')",
        "healthy",
    ),
    (
        "success_rate",
        "put(991, 'success', now()), pg_temp.put(9, 'failed', now())",
        "healthy",
    ),
    (
        "success_rate",
        "put(990, 'success', now()), pg_temp.put(10, 'failed', now())",
        "warning",
    ),
    (
        "success_rate",
        "put(950, 'success', now()), pg_temp.put(50, 'failed', now())",
        "warning",
    ),
    (
        "success_rate",
        "put(949, 'success', now()), pg_temp.put(51, 'failed', now())",
        "critical",
    ),
    // What has had no outcome yet does not count.
    (
        "success_rate",
        "put(100, 'success', now()), pg_temp.put(50, 'pending', now())",
        "healthy",
    ),
    ("success_rate", "put(50, 'pending', now())", "healthy"),
    ("queue_depth", "put(10, 'pending', now())", "healthy"),
    (
        "queue_depth",
        "put(5, 'pending', now()), pg_temp.put(6, 'failed', now())",
        "warning",
    ),
    ("queue_depth", "put(50, 'pending', now())", "warning"),
    ("queue_depth", "put(51, 'retrying', now())", "critical"),
    ("p95_latency", "put(20, 'success', now(), 999)", "healthy"),
    ("p95_latency", "put(20, 'success', now(), 1000)", "warning"),
    ("p95_latency", "put(20, 'success', now(), 3000)", "warning"),
    ("p95_latency", "put(20, 'success', now(), 3001)", "critical"),
    // One in twenty-five is not one in twenty.
    (
        "p95_latency",
        "put(24, 'success', now(), 50), pg_temp.put(1, 'success', now(), 90000)",
        "healthy",
    ),
    (
        "dlq_per_day",
        "put(1, 'dlq', now() - interval '24 hours 1 second')",
        "healthy",
    ),
    (
        "dlq_per_day",
        "put(1, 'dlq', now() - interval '24 hours')",
        "warning",
    ),
    (
        "dlq_per_day",
        "put(1, 'dlq', now()), pg_temp.put(1, 'resolved_manual', now())",
        "warning",
    ),
    (
        "dlq_per_day",
        "put(3, 'dlq', now() - interval '2 days', left_at => now() - interval '1 hour')",
        "critical",
    ),
];

#[tokio::test]
async fn the_light_changes_where_ord_says() {
    let (_stack, client) = begin().await;
    for (indicator, puts, expected) in LIGHTS {
        empty_inbox(&client).await;
        run(&client, &format!("SELECT pg_temp.{puts}")).await;
        let state = format!("SELECT state FROM raw_ops.health_indicators WHERE indicator = '{indicator}'");
        assert_eq!(
            one::<String>(&client, &state).await,
            *expected,
            "{indicator}: {puts}"
        );
        let agrees: bool = one(
            &client,
            "SELECT max(array_position(ARRAY['healthy', 'warning', 'critical'], state)) FILTER (WHERE indicator <> 'overall')
                  = max(array_position(ARRAY['healthy', 'warning', 'critical'], state)) FILTER (WHERE indicator = 'overall')
               FROM raw_ops.health_indicators",
        )
        .await;
        assert!(agrees, "overall is not the worst: {puts}");
    }
}

const BACKUP: &str = "alert_retry_queue_backup";
const SLOW: &str = "alert_slow_processing";

/// ORD, "Returns rows only if …": the view, what is in the inbox, its rows.
const ALERTS: &[(&str, &str, &[&str])] = &[
    (BACKUP, "put(100, 'pending', now())", &[]),
    (
        BACKUP,
        "put(60, 'pending', now()), pg_temp.put(41, 'failed', now())",
        &["retry_queue_depth 101 100 webhooks"],
    ),
    (BACKUP, "put(1, 'pending', now() - interval '30 minutes')", &[]),
    (
        BACKUP,
        "put(1, 'failed', now() - interval '30 minutes 3 seconds')",
        &["oldest_pending 30.05 30 minutes"],
    ),
    (
        BACKUP,
        "put(101, 'pending', now() - interval '31 minutes')",
        &[
            "oldest_pending 31 30 minutes",
            "retry_queue_depth 101 100 webhooks",
        ],
    ),
    (SLOW, "put(20, 'success', now(), 5000)", &[]),
    (
        SLOW,
        "put(20, 'success', now(), 5001)",
        &["p95_latency 5001 5000 milliseconds"],
    ),
    (
        SLOW,
        "put(99, 'success', now(), 50), pg_temp.put(1, 'success', now(), 10000)",
        &[],
    ),
    (
        SLOW,
        "put(99, 'success', now(), 50), pg_temp.put(1, 'failed', now(), 10001)",
        &["max_latency 10001 10000 milliseconds"],
    ),
    (
        SLOW,
        "put(20, 'success', now() - interval '1 hour', 20000)",
        &[
            "max_latency 20000 10000 milliseconds",
            "p95_latency 20000 5000 milliseconds",
        ],
    ),
    (
        SLOW,
        "put(20, 'success', now() - interval '1 hour 1 second', 20000)",
        &[],
    ),
];

#[tokio::test]
async fn the_alert_views_are_empty_up_to_their_thresholds() {
    let (_stack, client) = begin().await;
    let columns = "condition, value::float8, threshold, unit";
    for (view, puts, expected) in ALERTS {
        empty_inbox(&client).await;
        run(&client, &format!("SELECT pg_temp.{puts}")).await;
        let from = format!("raw_ops.{view} ORDER BY condition");
        assert_eq!(rows(&client, columns, &from).await, *expected, "{view}: {puts}");
    }
    // An operator's own thresholds.
    empty_inbox(&client).await;
    run(
        &client,
        "SELECT pg_temp.put(6, 'pending', now()), pg_temp.put(6, 'success', now(), 800);
         UPDATE raw_ops.monitor_thresholds SET threshold = 5 WHERE condition = 'retry_queue_depth';
         UPDATE raw_ops.monitor_thresholds SET threshold = 799 WHERE condition = 'p95_latency'",
    )
    .await;
    let both = format!(
        "(SELECT {columns} FROM raw_ops.{BACKUP} UNION ALL SELECT {columns} FROM raw_ops.{SLOW}) AS both_views"
    );
    let conditions = rows(&client, "condition", &both).await;
    assert_eq!(conditions, ["retry_queue_depth", "p95_latency"]);
    run(&client, "UPDATE raw_ops.monitor_thresholds SET enabled = false").await;
    assert_eq!(rows(&client, "condition", &both).await, [""; 0]);
}
