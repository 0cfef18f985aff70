//! A source that goes quiet against its own rhythm.

use super::{Watched, messages, webhooks};
use crate::support::*;

#[tokio::test]
async fn a_source_that_stops_against_its_own_rhythm_is_told() {
    let watched = Watched::start().await;
    // Every five minutes for ten days, and nothing for the last two hours.
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, received_at, created_at)
         SELECT 'shopify', 'orders/create', n::text, '{}', 'success', at, at
           FROM generate_series(24, 2880) n, LATERAL (SELECT now() - n * interval '5 minutes' AS at) t",
    )
    .await;
    let told = watched.invoke("webhook_silence").await;
    assert_eq!(told["status"], "warning", "{told}");
    assert_eq!(told["alert_config"]["title"], "A Source Has Gone Quiet");
    let usual = told["result_summary"]["sources"][0]["usual_webhooks"]
        .as_f64()
        .unwrap();
    assert!((20.0..=28.0).contains(&usual), "{usual}");
    webhooks(&watched.client, 1, "success", "1 minute").await;
    assert_eq!(watched.invoke("webhook_silence").await["status"], "ok");
    assert_eq!(
        watched.arrived().await,
        messages([
            ("ops-alerts", "A Source Has Gone Quiet"),
            ("ops-alerts", "Resolved: A Source Has Gone Quiet")
        ])
    );
}

#[tokio::test]
async fn a_source_that_stays_silent_for_weeks_is_not_resolved_by_that() {
    let watched = Watched::start().await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, received_at, created_at)
         SELECT 'stripe', 'charge.succeeded', n::text, '{}', 'success', at, at
           FROM generate_series(60, 14400, 5) n, LATERAL (SELECT now() - n * interval '1 minute' AS at) t",
    )
    .await;
    assert_eq!(watched.invoke("webhook_silence").await["status"], "warning");
    for days in [3, 8, 20] {
        run(
            &watched.client,
            &format!("UPDATE raw_ops.webhook_inbox SET created_at = received_at - interval '{days} days'"),
        )
        .await;
        watched.invoke("webhook_silence").await;
    }
    let titles: Vec<String> = watched
        .arrived()
        .await
        .into_iter()
        .map(|(_, title)| title)
        .collect();
    assert!(
        !titles.iter().any(|title| title.starts_with("Resolved")),
        "{titles:?}"
    );
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload) VALUES ('stripe', 't', 'back', '{}')",
    )
    .await;
    watched.invoke("webhook_silence").await;
    let (_, last) = watched.arrived().await.pop().unwrap();
    assert_eq!(last, "Resolved: A Source Has Gone Quiet");
}

#[tokio::test]
async fn the_silence_of_one_shop_is_told_while_another_speaks() {
    let watched = Watched::start().await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.webhook_inbox (shop_domain, provider, topic, event_id, payload, processing_status, received_at, created_at)
         SELECT shop, 'shopify', 'orders/create', n::text, '{}', 'success', at, at
           FROM generate_series(0, 2880) n, LATERAL (SELECT now() - n * interval '5 minutes' AS at) t,
                unnest(ARRAY['uk.example', 'eu.example']) AS shop
          WHERE shop = 'uk.example' OR n >= 24",
    )
    .await;
    let told = watched.invoke("webhook_silence").await;
    assert_eq!(told["status"], "warning", "{told}");
    let fields = told["alert_config"]["fields"].to_string();
    assert!(
        fields.contains("eu.example") && !fields.contains("uk.example"),
        "{fields}"
    );
}
