//! Every statement that DLV prints, word for word, with what its prose says comes of it. Line numbers are the seed's
//! (002_eb234eed46395185.txt). Placeholders are filled and nothing else is changed.

use std::time::Duration;

use crate::courier::{Courier, by_hand_event, notification_of};
use crate::support::*;
use raw_ops_e2e::{Reply, wait_for, wait_until};
use serde_json::Value;
use tokio_postgres::{Client, Row};

pub(super) async fn rows(client: &Client, sql: &str) -> Vec<Row> {
    match client.query(sql, &[]).await {
        Ok(rows) => rows,
        Err(error) => panic!("{error:?}\nin: {sql}"),
    }
}

/// Lines 444-464, the test event.
fn test_event(shipment: &str) -> String {
    "INSERT INTO raw_ops.ops_events (
  kind, entity_type, entity_id, customer_event_type,
  message, event_payload, created_at, processed_at
) VALUES (
  'CUSTOMER_EVENT', 'shipment',
  '[SHIPMENT_ID]'::uuid,
  'courier_exception',
  'TEST: Direct notification path',
  jsonb_build_object(
    'email', 'test@example.com',
    'first_name', 'Test',
    'notification_template_id', 'missed_delivery_retry',
    'event_type', 'customer_not_home',
    'event_description', 'Testing direct Customer.io path',
    'shipment', jsonb_build_object(
      'tracking_no', 'TEST123456789GB',
      'tracking_url', 'https://track.dpd.co.uk/test'
    )
  ),
  NOW(), NULL
);"
    .replace("[SHIPMENT_ID]", shipment)
}

/// Lines 412-418, the manual re-trigger.
fn retrigger(event: &str) -> String {
    "UPDATE raw_ops.ops_events
SET
  notification_status = 'pending',
  notification_attempts = 0,
  notification_last_error = NULL,
  notification_next_retry_at = NULL
WHERE id = '[EVENT_ID]';"
        .replace("[EVENT_ID]", event)
}

#[tokio::test]
async fn the_test_event_is_sent_verified_and_cleaned_up() {
    let courier = Courier::start().await;
    courier
        .shipment("TEST123456789GB", Some("alice@example.com"))
        .await;
    // Line 441.
    let shipments = rows(&courier.client, "SELECT id FROM raw_ops.shipments LIMIT 1;").await;
    let shipment = shipments[0].get::<_, uuid::Uuid>(0).to_string();
    run(&courier.client, &test_event(&shipment)).await;
    // Lines 468-471: processed within 10 seconds, sent, one attempt.
    let done = "SELECT notification_status = 'sent' AND notification_attempts = 1 FROM raw_ops.ops_events WHERE processed_at IS NOT NULL AND kind = 'CUSTOMER_EVENT'";
    let is_sent = wait_for(Duration::from_secs(10), "processed_at", async || {
        courier
            .client
            .query_opt(done, &[])
            .await
            .unwrap()
            .map(|row| row.get::<_, bool>(0))
    });
    assert!(is_sent.await.unwrap());
    let told = courier.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].path, "/api/v1/customers/test%40example.com/events");
    let data = told[0].json().unwrap()["data"].clone();
    assert_eq!(
        data,
        serde_json::json!({
            "notification_template_id": "missed_delivery_retry", "event_type": "customer_not_home",
            "event_description": "Testing direct Customer.io path", "first_name": "Test",
            "tracking_number": "TEST123456789GB", "tracking_url": "https://track.dpd.co.uk/test",
        })
    );
    // Lines 475-476.
    let cleanup = "DELETE FROM raw_ops.ops_events
WHERE event_payload->>'email' = 'test@example.com';";
    assert_eq!(courier.client.execute(cleanup, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn the_test_event_is_of_the_shop_whose_shipment_it_is_about() {
    let courier = Courier::start().await;
    run(
        &courier.client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('eu.example'), ('uk.example');
         SELECT raw_ops.fn_set_secret_v1('customerio_site_id', 'uk-site', 'uk.example');
         SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'uk-key', 'uk.example')",
    )
    .await;
    // A shipment may name no shop itself: its order does.
    let shipment: uuid::Uuid = one(
        &courier.client,
        "WITH sold AS (INSERT INTO raw_ops.orders (shopify_order_id, shop_domain) VALUES (1001, 'uk.example') RETURNING id)
         INSERT INTO raw_ops.shipments (order_id, courier_name, tracking_no) SELECT id, 'dpd', 'TEST123456789GB' FROM sold RETURNING id",
    )
    .await;
    run(&courier.client, &test_event(&shipment.to_string())).await;
    let of_shop = "SELECT shop_domain FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT'";
    assert_eq!(one::<String>(&courier.client, of_shop).await, "uk.example");
    wait_until(LIMIT, "it to be sent", async || courier.told().len() == 1)
        .await
        .unwrap();
    let sent_as = courier.told()[0].basic_auth();
    assert_eq!(sent_as, Some(("uk-site".to_owned(), "uk-key".to_owned())));
}

#[tokio::test]
async fn the_manual_retrigger_sends_a_failed_notification_again() {
    let courier = Courier::start().await;
    courier.world.next("/api/v1/customers/*", [Reply::status(401)]);
    let event: String = one(&courier.client, &by_hand_event("a@example.com")).await;
    courier.notification_in(&event, "failed").await;
    run(&courier.client, &retrigger(&event)).await;
    let row = courier.notification_in(&event, "sent").await;
    assert_eq!(row["notification_attempts"], 1);
    // "The retry processor will pick it up within 5 minutes": also where the trigger is not there to be faster.
    run(
        &courier.client,
        "DROP TRIGGER trigger_renotify_courier_exception ON raw_ops.ops_events",
    )
    .await;
    courier.world.next("/api/v1/customers/*", [Reply::status(401)]);
    let event: String = one(&courier.client, &by_hand_event("b@example.com")).await;
    courier.notification_in(&event, "failed").await;
    run(&courier.client, &retrigger(&event)).await;
    let picked: Value = one(
        &courier.client,
        "SELECT raw_ops.fn_retry_courier_notifications_v1()",
    )
    .await;
    assert_eq!(picked["queued"], 1, "{picked}");
    courier.notification_in(&event, "sent").await;
}

/// One sent, one failed, one skipped, one that waits; of these shipments.
pub(super) async fn a_day(courier: &Courier) -> String {
    let shipment = courier.shipment("DPD1", Some("alice@example.com")).await;
    let sent = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.notification_in(&sent, "sent").await;
    courier.world.next("/api/v1/customers/*", [Reply::status(400)]);
    let failed = notification_of(&courier.report(&shipment, "09", 1).await);
    courier.notification_in(&failed, "failed").await;
    courier.world.next("/api/v1/customers/*", [Reply::status(500)]);
    let waiting = notification_of(&courier.report(&shipment, "01", 2).await);
    courier.attempted(&waiting, 1).await;
    let nobody = courier.shipment("DPD2", None).await;
    courier.report(&nobody, "12", 3).await;
    courier.report(&shipment, "77", 4).await;
    waiting
}

#[tokio::test]
async fn a_wrong_template_is_found_and_corrected() {
    let courier = Courier::start().await;
    // Lines 428-434.
    let found = rows(
        &courier.client,
        "SELECT * FROM raw_ops.courier_event_mapping
WHERE event_code = '09';",
    )
    .await;
    assert_eq!(
        found[0].get::<_, &str>("notification_template_id"),
        "weather_delay"
    );
    run(
        &courier.client,
        "-- Fix:
UPDATE raw_ops.courier_event_mapping
SET notification_template_id = 'weather_delay_v2'
WHERE event_code = '09';",
    )
    .await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let answer = courier.report(&shipment, "09", 0).await;
    assert_eq!(answer["notification_template_id"], "weather_delay_v2");
}

#[tokio::test]
async fn jobs_and_runs_are_seen_as_dlv_looks_at_them() {
    let courier = Courier::start().await;
    run(&courier.client, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    // Lines 307-310.
    let jobs = rows(
        &courier.client,
        "SELECT jobid, jobname, schedule, active
FROM cron.job
WHERE jobname LIKE 'dlv-01%' OR jobname LIKE 'monitor-dlv-01%'
ORDER BY jobname;",
    )
    .await;
    let jobs: Vec<(&str, &str, bool)> = jobs
        .iter()
        .map(|row| (row.get(1), row.get(2), row.get(3)))
        .collect();
    assert_eq!(
        jobs,
        [
            ("dlv-01-retry-notifications", "*/5 * * * *", true),
            ("monitor-dlv-01-watchdog-health", "*/15 * * * *", true)
        ]
    );
    // Lines 401-404.
    rows(
        &courier.client,
        "SELECT *
FROM cron.job_run_details
WHERE jobid = (SELECT jobid FROM cron.job WHERE jobname = 'dlv-01-retry-notifications')
ORDER BY start_time DESC LIMIT 5;",
    )
    .await;
    // What the two jobs run.
    for job in ["dlv-01-retry-notifications", "monitor-dlv-01-watchdog-health"] {
        let command: String = one(
            &courier.client,
            &format!("SELECT command FROM cron.job WHERE jobname = '{job}'"),
        )
        .await;
        run(&courier.client, &command).await;
    }
    // Lines 293-297.
    let runs = "SELECT check_name, status, duration_ms, result_summary, run_at
FROM raw_ops.monitoring_runs
WHERE check_name = 'courier_watchdog_health'
ORDER BY run_at DESC
LIMIT 5;";
    wait_until(LIMIT, "a run", async || {
        !rows(&courier.client, runs).await.is_empty()
    })
    .await
    .unwrap();
    let found = rows(&courier.client, runs).await;
    assert_eq!(
        (found[0].get::<_, &str>(0), found[0].get::<_, &str>(1)),
        ("courier_watchdog_health", "ok")
    );
}

#[tokio::test]
async fn every_index_and_every_lock_of_dlv_is_there() {
    let courier = Courier::start().await;
    // Lines 195-215, as PostgreSQL writes them.
    let expected = [
        "CREATE INDEX idx_courier_event_mapping_code ON raw_ops.courier_event_mapping USING btree (courier_name, event_code)",
        "CREATE INDEX idx_courier_events_created_at ON raw_ops.courier_events USING btree (created_at DESC)",
        "CREATE UNIQUE INDEX idx_courier_events_idempotency ON raw_ops.courier_events USING btree (shipment_id, event_code, event_time)",
        "CREATE INDEX idx_courier_events_shipment_id ON raw_ops.courier_events USING btree (shipment_id)",
        "CREATE INDEX idx_ops_events_courier_unprocessed ON raw_ops.ops_events USING btree (created_at DESC) WHERE ((processed_at IS NULL) AND (kind = 'CUSTOMER_EVENT'::text) AND (customer_event_type = 'courier_exception'::text))",
    ];
    let found: Vec<String> = column(
        &courier.client,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'raw_ops'
            AND indexname IN ('idx_courier_event_mapping_code', 'idx_courier_events_created_at', 'idx_courier_events_idempotency',
                              'idx_courier_events_shipment_id', 'idx_ops_events_courier_unprocessed') ORDER BY indexname",
    )
    .await;
    assert_eq!(found, expected);
    // Lines 217-225.
    let locked: i64 = one(
        &courier.client,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relrowsecurity
            AND relname IN ('courier_events', 'courier_event_mapping', 'shipments', 'ops_events')",
    )
    .await;
    assert_eq!(locked, 4);
    let refusal = refused(
        &courier.client,
        "UPDATE raw_ops.ops_events SET notification_status = 'lost'; INSERT INTO raw_ops.ops_events (kind, entity_type, notification_status) VALUES ('INFO', 'x', 'lost')",
    )
    .await;
    assert!(
        refusal.message.contains("ops_events_notification_status_check"),
        "{refusal:?}"
    );
}
