//! Several shops in one database: each has its own alerts, as if it were alone; of a single one nobody reads.

use super::{Watched, messages};
use crate::support::*;
use serde_json::Value;
use tokio_postgres::Client;

/// Shops that have sent webhooks before.
async fn shops(client: &Client, domains: &[&str]) {
    let sql = "INSERT INTO raw_ops.shops (shop_domain) SELECT unnest($1::text[])";
    client.execute(sql, &[&domains]).await.unwrap();
}

/// New dead letters of a shop.
async fn dead_letters(client: &Client, shop: &str, count: i32) {
    let sql = "INSERT INTO raw_ops.webhook_inbox
                      (shop_domain, provider, topic, event_id, payload, processing_status, processing_attempts, last_error, last_error_at)
               SELECT $1, 'shopify', 'orders/create', 'dead ' || n, '{}', 'dlq', 5, 'broken', now() FROM generate_series(1, $2) n";
    client.execute(sql, &[&shop, &count]).await.unwrap();
}

/// Condition, shop, state and what its message says of the shop, of each alert.
async fn alerts(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' | ', condition, shop_domain, state, (SELECT field->>'value' FROM jsonb_array_elements(fields) field
                                                                  WHERE field->>'title' = 'Shop'))
           FROM raw_ops.alerts ORDER BY condition, shop_domain, opened_at",
    )
    .await
}

fn field<'a>(alert: &'a Value, title: &str) -> Option<&'a str> {
    let fields = alert["fields"].as_array().unwrap();
    fields.iter().find(|field| field["title"] == title)?["value"].as_str()
}

#[tokio::test]
async fn each_shop_has_an_alert_of_its_own_and_its_own_end() {
    let watched = Watched::start().await;
    shops(&watched.client, &["eu.example", "uk.example"]).await;
    run(
        &watched.client,
        "UPDATE raw_ops.shops SET name = 'Great Britain' WHERE shop_domain = 'uk.example'",
    )
    .await;
    dead_letters(&watched.client, "uk.example", 2).await;
    dead_letters(&watched.client, "eu.example", 1).await;
    watched.invoke("webhook_health").await;
    watched.invoke("webhook_health").await;
    assert_eq!(
        alerts(&watched.client).await,
        [
            "new_dead_letters | eu.example | open | eu.example",
            "new_dead_letters | uk.example | open | Great Britain (uk.example)",
        ]
    );
    let text = watched.world.requests()[1].json().unwrap()["text"].to_string();
    assert!(text.contains("Shop: Great Britain (uk.example)"), "{text}");
    assert!(
        text.contains("AND shop_domain = 'uk.example'"),
        "the next step is narrowed: {text}"
    );
    run(
        &watched.client,
        "UPDATE raw_ops.webhook_inbox SET last_error_at = now() - interval '1 hour' WHERE shop_domain = 'eu.example'",
    )
    .await;
    watched.invoke("webhook_health").await;
    let twice = [("ops-urgent", "DLQ Critical"), ("ops-urgent", "DLQ Critical")];
    assert_eq!(watched.arrived().await, messages(twice), "it still waits");
    run(
        &watched.client,
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'a test') FROM raw_ops.webhook_inbox WHERE shop_domain = 'eu.example'",
    )
    .await;
    watched.invoke("webhook_health").await;
    assert_eq!(
        watched.arrived().await,
        messages([twice[0], twice[1], ("ops-urgent", "Resolved: DLQ Critical")])
    );
    let open = "SELECT shop_domain FROM raw_ops.alerts WHERE state = 'open'";
    assert_eq!(one::<String>(&watched.client, open).await, "uk.example");
}

#[tokio::test]
async fn a_single_shop_reads_nothing_of_shops() {
    let watched = Watched::start().await;
    shops(&watched.client, &["uk.example"]).await;
    dead_letters(&watched.client, "uk.example", 1).await;
    dead_letters(&watched.client, "", 1).await;
    let told = watched.invoke("webhook_health").await;
    assert_eq!(
        field(&told["alert_config"], "New DLQ Entries"),
        Some("2"),
        "{told}"
    );
    assert_eq!(told["result_summary"].get("shops"), None);
    watched.invoke("webhook_daily_digest").await;
    for request in watched.world.requests() {
        let message = request.json().unwrap().to_string();
        assert!(!message.to_lowercase().contains("shop_domain ="), "{message}");
        assert!(
            !message.contains("uk.example") && !message.contains("Shop:"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_shop_made_by_mistake_is_out_of_sight_once_it_is_switched_off() {
    let watched = Watched::start().await;
    shops(&watched.client, &["check.example", "uk.example"]).await;
    run(
        &watched.client,
        "UPDATE raw_ops.shops SET active = false WHERE shop_domain = 'check.example'",
    )
    .await;
    dead_letters(&watched.client, "uk.example", 1).await;
    let told = watched.invoke("webhook_health").await;
    assert_eq!(field(&told["alert_config"], "Shop"), None, "{told}");
    let digest = watched.invoke("webhook_daily_digest").await;
    assert_eq!(digest["result_summary"].get("shops"), None, "{digest}");
    for shown in ["fn_metrics_v1", "fn_dashboard_html_v1"] {
        let text: String = one(&watched.client, &format!("SELECT raw_ops.{shown}()")).await;
        assert!(
            !text.contains("check.example") && !text.contains("uk.example"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn an_alert_from_before_the_first_shop_was_named_goes_on_as_that_shops() {
    let watched = Watched::start().await;
    dead_letters(&watched.client, "", 1).await;
    watched.invoke("webhook_health").await;
    shops(&watched.client, &["uk.example"]).await;
    watched.invoke("webhook_health").await;
    assert_eq!(
        alerts(&watched.client).await,
        ["new_dead_letters | uk.example | open"]
    );
    assert_eq!(
        watched.arrived().await,
        messages([("ops-urgent", "DLQ Critical")])
    );
}

#[tokio::test]
async fn the_orders_that_one_shop_misses_are_its_own_breach() {
    let watched = Watched::start().await;
    shops(&watched.client, &["eu.example", "uk.example"]).await;
    // The same order id, in one shop an order by now.
    run(
        &watched.client,
        "INSERT INTO raw_ops.ops_events (id, kind, entity_type, message, shop_domain, event_payload, created_at)
         SELECT raw_ops.fn_uuid_v7(), 'INFO', 'order', 'order.created', shop, '{\"shopify_order_id\": 1001}', now() - interval '6 minutes'
           FROM unnest(ARRAY['eu.example', 'uk.example']) shop",
    )
    .await;
    run(
        &watched.client,
        "SELECT raw_ops.process_order_webhook_txn('{\"id\": 1001, \"currency\": \"EUR\", \"total_price\": \"1.00\", \"line_items\": []}',
                                                  'eu.example')",
    )
    .await;
    let told = watched.invoke("order_ingestion_slo").await;
    assert_eq!(field(&told["alert_config"], "Shop"), Some("uk.example"), "{told}");
    assert_eq!(
        alerts(&watched.client).await,
        ["orders_not_ingested | uk.example | open | uk.example"]
    );
    let offending = "SELECT shopify_order_id || ' ' || shop_domain FROM raw_ops.check_order_ingestion_slo()";
    assert_eq!(one::<String>(&watched.client, offending).await, "1001 uk.example");
    // Missed for longer than is looked back: not over, in this shop only.
    run(
        &watched.client,
        "UPDATE raw_ops.ops_events SET created_at = now() - interval '2 hours'",
    )
    .await;
    let told = watched.invoke("order_ingestion_slo").await;
    assert_eq!(told["result_summary"]["missing_beyond_lookback"], 1, "{told}");
    assert_eq!(
        watched.arrived().await,
        messages([("ops-alerts", "Order Ingestion SLO Breach")])
    );
}

#[tokio::test]
async fn the_digest_has_a_line_for_each_shop() {
    let watched = Watched::start().await;
    shops(&watched.client, &["eu.example", "it.example", "uk.example"]).await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (shop_domain, provider, topic, event_id, payload, processing_status, processing_duration_ms)
         SELECT shop, 'shopify', 'orders/create', 'e' || n, '{}', 'success', 20
           FROM (VALUES ('uk.example', 3), ('eu.example', 1)) t (shop, many), generate_series(1, many) n",
    )
    .await;
    dead_letters(&watched.client, "uk.example", 1).await;
    let told = watched.invoke("webhook_daily_digest").await;
    let of = |shop: &str| field(&told["alert_config"], shop);
    assert_eq!(of("Success"), Some("4"));
    assert_eq!(
        of("uk.example"),
        Some("4 received, 75.00 % succeeded, 1 in the DLQ, P95 20 ms")
    );
    assert_eq!(
        of("eu.example"),
        Some("1 received, 100.00 % succeeded, P95 20 ms")
    );
    assert_eq!(of("it.example"), Some("nothing received"));
}

#[tokio::test]
async fn notifications_that_fail_are_told_shop_by_shop() {
    let watched = Watched::start().await;
    shops(&watched.client, &["eu.example", "uk.example"]).await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.ops_events (id, kind, entity_type, entity_id, customer_event_type, message, shop_domain, event_payload,
                                         notification_status, notification_attempts, notification_last_error)
         SELECT raw_ops.fn_uuid_v7(), 'CUSTOMER_EVENT', 'shipment', raw_ops.fn_uuid_v7(), 'courier_exception', 'courier.exception', shop,
                '{}', 'failed', 5, 'HTTP 500'
           FROM (VALUES ('uk.example', 3), ('eu.example', 1)) t (shop, many), generate_series(1, many) n",
    )
    .await;
    let told = watched.invoke("courier_watchdog_health").await;
    assert_eq!(told["result_summary"]["failed_24h"], 4);
    assert_eq!(
        watched.arrived().await,
        messages([
            ("ops-alerts", "Courier Notifications Failed"),
            ("ops-urgent", "Courier Notifications Failed"),
        ])
    );
    let worst = field(&told["alert_config"], "Shop");
    assert_eq!(worst, Some("uk.example"), "{told}");
    let failed = "SELECT count(*) FROM raw_ops.courier_failed_notifications WHERE shop_domain = 'uk.example'";
    assert_eq!(one::<i64>(&watched.client, failed).await, 3);
}

#[tokio::test]
async fn a_shop_that_is_switched_off_may_fall_silent() {
    let watched = Watched::start().await;
    shops(&watched.client, &["eu.example", "uk.example"]).await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (shop_domain, provider, topic, event_id, payload, processing_status, received_at, created_at)
         SELECT shop, 'shopify', 'orders/create', n::text, '{}', 'success', at, at
           FROM generate_series(24, 2880) n, LATERAL (SELECT now() - n * interval '5 minutes' AS at) t,
                unnest(ARRAY['uk.example', 'eu.example']) AS shop",
    )
    .await;
    watched.invoke("webhook_silence").await;
    assert_eq!(alerts(&watched.client).await.len(), 2);
    run(
        &watched.client,
        "UPDATE raw_ops.shops SET active = false WHERE shop_domain = 'eu.example'",
    )
    .await;
    watched.invoke("webhook_silence").await;
    assert_eq!(
        alerts(&watched.client).await,
        [
            "quiet_source:shopify | eu.example | resolved | eu.example",
            // The only one that is left is not named any more.
            "quiet_source:shopify | uk.example | open",
        ]
    );
}
