//! Metrics of several shops: a bounded label `shop`, and nothing of it with one.

use std::collections::{BTreeMap, BTreeSet};

use super::{counters, fill, nobody_sends, samples};
use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Generator, Order};
use tokio_postgres::Client;

const LABELLED: &[&str] = &[
    "webhook_events_processed_total",
    "webhook_events_failed_total",
    "webhook_events_duplicate_total",
    "raw_ops_webhook_queue_depth",
    "raw_ops_webhook_oldest_pending_age_seconds",
    "raw_ops_webhook_dead_letters",
    "raw_ops_http_requests_total",
];

async fn begin() -> (Stack, Client) {
    let stack = Stack::start(nobody_sends(by_hand().without_shim()))
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(41).orders(0..20).collect();
    fill(&client, &orders).await;
    (stack, client)
}

/// The value of a label in a sample's name.
fn label<'a>(sample: &'a str, label: &str) -> Option<&'a str> {
    let value = sample.split_once(&format!("{label}=\""))?.1;
    value.split('"').next()
}

/// Every sample without its shop: the sum over the shops, of ages the greatest.
fn over_shops(samples: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for (name, value) in samples {
        let without = match label(name, "shop") {
            Some(shop) => name
                .replace(&format!(",shop=\"{shop}\""), "")
                .replace(&format!("{{shop=\"{shop}\"}}"), ""),
            None => name.clone(),
        };
        let so_far = all.entry(without.clone()).or_insert(0.0);
        *so_far = if without.contains("age_seconds") {
            value.max(*so_far)
        } else {
            *so_far + value
        };
    }
    all
}

#[tokio::test]
async fn with_one_shop_or_none_there_is_no_label() {
    let (_stack, client) = begin().await;
    run(&client, "DELETE FROM raw_ops.shops").await;
    let names = async || samples(&client).await.into_keys().collect::<Vec<_>>();
    let none = names().await;
    assert!(none.iter().all(|name| label(name, "shop").is_none()), "{none:?}");
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example')",
    )
    .await;
    assert_eq!(names().await, none);
}

/// Samples once the shops are there.
const FIGURES: &[(&str, f64)] = &[
    (
        r#"webhook_events_processed_total{provider="shopify",shop="uk.example"}"#,
        20.0,
    ),
    // Before its first, for each shop and each provider.
    (
        r#"webhook_events_processed_total{provider="shopify",shop="eu.example"}"#,
        0.0,
    ),
    (
        r#"webhook_events_processed_total{provider="stripe",shop="none"}"#,
        0.0,
    ),
    (
        r#"webhook_events_duplicate_total{provider="shopify",shop="none"}"#,
        3.0,
    ),
    (
        r#"raw_ops_webhook_queue_depth{status="pending",shop="eu.example"}"#,
        1.0,
    ),
    (
        r#"raw_ops_webhook_queue_depth{status="pending",shop="uk.example"}"#,
        0.0,
    ),
    (r#"raw_ops_webhook_queue_depth{status="failed",shop="none"}"#, 1.0),
    (
        r#"raw_ops_webhook_oldest_pending_age_seconds{shop="uk.example"}"#,
        0.0,
    ),
    (r#"raw_ops_webhook_dead_letters{shop="eu.example"}"#, 1.0),
    (r#"raw_ops_webhook_dead_letters{shop="none"}"#, 0.0),
    (
        r#"raw_ops_http_requests_total{purpose="alert",outcome="succeeded",shop="eu.example"}"#,
        4.0,
    ),
    (
        r#"raw_ops_http_requests_total{purpose="courier",outcome="failed",shop="uk.example"}"#,
        0.0,
    ),
];

#[tokio::test]
async fn what_belongs_to_a_shop_carries_its_label_and_adds_up_to_what_was_there_before() {
    let (_stack, client) = begin().await;
    run(&client, "DELETE FROM raw_ops.shops").await;
    let before = samples(&client).await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain, name) VALUES ('uk.example', 'UK'), ('eu.example', 'EU');
         UPDATE raw_ops.webhook_tallies SET shop_domain = CASE WHEN processed > 0 THEN 'uk.example' ELSE '' END;
         UPDATE raw_ops.webhook_inbox
            SET shop_domain = CASE WHEN processing_status IN ('pending', 'dlq') THEN 'eu.example' ELSE '' END;
         UPDATE raw_ops.http_requests SET shop_domain = 'eu.example' WHERE state = 'succeeded'",
    )
    .await;
    let seen = samples(&client).await;
    for (name, expected) in FIGURES {
        assert_eq!(seen.get(*name), Some(expected), "{name}");
    }
    for name in seen.keys() {
        let family = name.split('{').next().unwrap();
        assert_eq!(
            LABELLED.contains(&family),
            label(name, "shop").is_some(),
            "{name}"
        );
    }
    let summed = over_shops(&seen);
    assert_eq!(
        summed.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    for (name, value) in before.iter().filter(|(name, _)| !name.contains("age_seconds")) {
        assert_eq!(summed[name].to_bits(), value.to_bits(), "{name}");
    }
    let oldest = summed["raw_ops_webhook_oldest_pending_age_seconds"];
    assert!((600.0..700.0).contains(&oldest), "{oldest}");
}

/// `count` shops that came one after the other, each with what it processed.
async fn add_shops(client: &Client, count: i64) {
    let sql = format!(
        "INSERT INTO raw_ops.shops (shop_domain, created_at)
         SELECT 'shop-' || n, now() - interval '1 year' + n * interval '1 hour' FROM generate_series(1, {count}) AS n;
         INSERT INTO raw_ops.webhook_totals (provider, shop_domain, processed)
         SELECT 'shopify', 'shop-' || n, n FROM generate_series(1, {count}) AS n"
    );
    run(client, &sql).await;
}

#[tokio::test]
async fn the_label_is_bounded_and_later_shops_share_one() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "DELETE FROM raw_ops.shops; UPDATE raw_ops.webhook_tallies SET shop_domain = ''",
    )
    .await;
    add_shops(&client, 53).await;
    let seen = samples(&client).await;
    for family in LABELLED {
        let of_family = seen.keys().filter(|name| name.split('{').next() == Some(family));
        let shops: BTreeSet<_> = of_family.filter_map(|name| label(name, "shop")).collect();
        assert_eq!(shops.len(), 52, "fifty shops, the others, and none: {family}");
        assert!(shops.contains("other") && shops.contains("none"), "{family}");
        assert!(
            shops.contains("shop-50") && !shops.contains("shop-51"),
            "{family}"
        );
    }
    let processed =
        |shop: &str| seen[&format!("webhook_events_processed_total{{provider=\"shopify\",shop=\"{shop}\"}}")];
    assert_eq!(processed("shop-50").to_bits(), 50_f64.to_bits());
    assert_eq!(processed("other").to_bits(), (51.0 + 52.0 + 53.0_f64).to_bits());
}

#[tokio::test]
async fn counters_of_a_shop_never_go_down() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "DELETE FROM raw_ops.shops;
         UPDATE raw_ops.webhook_tallies SET shop_domain = 'shop-1';
         UPDATE raw_ops.http_requests SET shop_domain = 'shop-' || 1 + substr(idempotency_key, 7)::int % 2 WHERE state <> 'queued'",
    )
    .await;
    add_shops(&client, 51).await;
    let before = counters(&client).await;
    for (what, statement) in [
        ("fold", "SELECT raw_ops.fold_webhook_tallies()"),
        ("housekeeping", "CALL raw_ops.run_housekeeping()"),
        ("archive", "CALL raw_ops.archive_inbox(60, '0 seconds')"),
        (
            "another name",
            "UPDATE raw_ops.shops SET name = 'A' WHERE shop_domain = 'shop-51'",
        ),
        (
            "a shop less",
            "UPDATE raw_ops.shops SET active = false WHERE shop_domain = 'shop-1'",
        ),
        (
            "a shop more",
            "INSERT INTO raw_ops.shops (shop_domain) VALUES ('a')",
        ),
    ] {
        run(&client, statement).await;
        assert_eq!(counters(&client).await, before, "{what}");
    }
    let kept = "SELECT concat_ws(' ', purpose, shop_domain, succeeded, failed, abandoned) FROM raw_ops.http_request_totals ORDER BY 1";
    assert_eq!(
        column::<String>(&client, kept).await,
        ["alert shop-1 2 1 2", "alert shop-2 2 2 1"],
        "housekeeping deletes requests and keeps their count by shop"
    );
}
