//! The operational queries that DLV prints, word for word.

use super::dlv_statements::{a_day, rows};
use crate::courier::Courier;
use tokio_postgres::Client;

#[tokio::test]
async fn the_operational_queries_answer_as_dlv_says() {
    let courier = Courier::start().await;
    let waiting = a_day(&courier).await;
    let client = &courier.client;

    assert_mapping_and_unprocessed(client).await;

    assert_the_reports_answer(client).await;

    // Lines 390-393.
    let last = rows(
        client,
        "SELECT id, notification_status, notification_attempts, notification_last_error, processed_at
FROM raw_ops.ops_events
WHERE customer_event_type = 'courier_exception'
ORDER BY created_at DESC LIMIT 5;",
    )
    .await;
    assert_eq!(last.len(), 4);
    assert_eq!(last[1].get::<_, uuid::Uuid>(0).to_string(), waiting);
    assert_eq!(last[1].get::<_, &str>("notification_last_error"), "HTTP 500");
}

/// What is asked every day.
async fn assert_mapping_and_unprocessed(client: &Client) {
    // Lines 82-84.
    let mapping = rows(
        client,
        "SELECT event_code, event_type, notification_template_id, requires_customer_notification, priority
    FROM raw_ops.courier_event_mapping
    ORDER BY event_code;",
    )
    .await;
    let codes: Vec<&str> = mapping.iter().map(|row| row.get(0)).collect();
    assert_eq!(codes, ["01", "02", "03", "05", "08", "09", "12"]);

    // Lines 316-330.
    let unprocessed = rows(
        client,
        "SELECT
      id,
      customer_event_type,
      message,
      notification_status,
      notification_attempts,
      notification_last_error,
      notification_next_retry_at,
      created_at,
      event_payload->>'email' AS email
    FROM raw_ops.ops_events
    WHERE processed_at IS NULL
      AND kind = 'CUSTOMER_EVENT'
      AND customer_event_type = 'courier_exception'
    ORDER BY created_at DESC;",
    )
    .await;
    let states: Vec<&str> = unprocessed
        .iter()
        .map(|row| row.get("notification_status"))
        .collect();
    assert_eq!(states, ["skipped", "pending", "failed"]);
    assert_eq!(unprocessed[1].get::<_, &str>("email"), "alice@example.com");
}

/// What is asked about a week and a month.
async fn assert_the_reports_answer(client: &Client) {
    // Lines 334-346.
    let recent = rows(
        client,
        "SELECT
      ce.event_code,
      ce.event_type,
      ce.event_text,
      ce.event_time,
      s.tracking_no,
      c.email
    FROM raw_ops.courier_events ce
    JOIN raw_ops.shipments s ON ce.shipment_id = s.id
    JOIN raw_ops.orders o ON s.order_id = o.id
    JOIN raw_ops.customers c ON o.customer_id = c.id
    WHERE ce.created_at > NOW() - INTERVAL '7 days'
    ORDER BY ce.event_time DESC;",
    )
    .await;
    let codes: Vec<&str> = recent.iter().map(|row| row.get(0)).collect();
    assert_eq!(codes, ["77", "12", "01", "09", "01"]);

    // Lines 350-357.
    let summary = rows(
        client,
        "SELECT
      event_type,
      COUNT(*) AS total_events,
      COUNT(*) FILTER (WHERE requires_customer_notification) AS notified
    FROM raw_ops.courier_events
    WHERE created_at > NOW() - INTERVAL '30 days'
    GROUP BY event_type
    ORDER BY total_events DESC;",
    )
    .await;
    let first: (Option<&str>, i64, i64) = (summary[0].get(0), summary[0].get(1), summary[0].get(2));
    assert_eq!(first, (Some("customer_not_home"), 2, 2));

    assert_the_rates_answer(client).await;
}

/// What is asked about notifications.
async fn assert_the_rates_answer(client: &Client) {
    // Lines 361-370.
    let rates = rows(
        client,
        "SELECT
      notification_status,
      COUNT(*) AS count,
      ROUND(COUNT(*) * 100.0 / SUM(COUNT(*)) OVER (), 1) AS pct
    FROM raw_ops.ops_events
    WHERE kind = 'CUSTOMER_EVENT'
      AND customer_event_type = 'courier_exception'
      AND created_at > NOW() - INTERVAL '30 days'
    GROUP BY notification_status
    ORDER BY count DESC;",
    )
    .await;
    let mut states: Vec<(&str, i64)> = rates.iter().map(|row| (row.get(0), row.get(1))).collect();
    states.sort_unstable();
    assert_eq!(
        states,
        [("failed", 1), ("pending", 1), ("sent", 1), ("skipped", 1)]
    );

    // Lines 374-382.
    let speed = rows(
        client,
        "SELECT
      ROUND(AVG(EXTRACT(EPOCH FROM (processed_at - created_at))), 1) AS avg_seconds,
      ROUND(MAX(EXTRACT(EPOCH FROM (processed_at - created_at))), 1) AS max_seconds,
      COUNT(*) AS sample_size
    FROM raw_ops.ops_events
    WHERE kind = 'CUSTOMER_EVENT'
      AND customer_event_type = 'courier_exception'
      AND notification_status = 'sent'
      AND created_at > NOW() - INTERVAL '30 days';",
    )
    .await;
    assert_eq!(speed[0].get::<_, i64>("sample_size"), 1);
}
