//! Thresholds are data: changed, switched off, refused where they make no sense.

use super::{Watched, messages, webhooks};
use crate::support::*;

#[tokio::test]
async fn a_threshold_is_data_and_holds_from_the_next_run_on() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 3, "pending", "1 minute").await;
    run(
        &watched.client,
        "UPDATE raw_ops.monitor_thresholds SET threshold = 2, channel = '#ops-urgent', severity = 'critical'
          WHERE check_name = 'webhook_health' AND condition = 'retry_queue_depth'",
    )
    .await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "critical");
    assert_eq!(
        watched.arrived().await,
        messages([("ops-urgent", "Retry Queue Backup")])
    );
    run(
        &watched.client,
        "UPDATE raw_ops.monitor_thresholds SET enabled = false WHERE condition = 'retry_queue_depth'",
    )
    .await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "ok");
}

#[tokio::test]
async fn a_check_whose_thresholds_are_switched_off_is_ok_and_odd_ones_are_refused() {
    let watched = Watched::start().await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.ops_events (kind, entity_type, message, event_payload, created_at)
         VALUES ('INFO', 'order', 'order.created', '{\"shopify_order_id\": 1}', now() - interval '16 minutes');
         UPDATE raw_ops.monitor_thresholds SET enabled = false WHERE check_name = 'order_ingestion_slo'",
    )
    .await;
    assert_eq!(watched.invoke("order_ingestion_slo").await["status"], "ok");
    run(
        &watched.client,
        "SELECT * FROM raw_ops.check_order_ingestion_slo()",
    )
    .await;
    for odd in [
        "threshold = 1e300",
        "threshold = -1",
        "lookback = '1000000 years'",
    ] {
        let sql = format!("UPDATE raw_ops.monitor_thresholds SET {odd}");
        assert_eq!(refused(&watched.client, &sql).await.sqlstate, "23514", "{odd}");
    }
    for odd in ["received_at", "created_at"] {
        let sql = format!(
            "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, {odd}) VALUES ('shopify', 't', 'e', '{{}}', '-infinity')"
        );
        assert_eq!(refused(&watched.client, &sql).await.sqlstate, "23514", "{odd}");
    }
}
