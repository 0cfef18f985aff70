//! Metrics: what `fn_metrics_v1()` says, and that its counters never go down.

mod prometheus;
mod shops;

use std::collections::BTreeMap;

use crate::support::*;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::{Stack, StackOptions, Stop};
use tokio_postgres::Client;

async fn text(client: &Client) -> String {
    one(client, "SELECT raw_ops.fn_metrics_v1()").await
}

/// Every sample by name and labels.
async fn samples(client: &Client) -> BTreeMap<String, f64> {
    let text = text(client).await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (
                name.to_owned(),
                value.parse().unwrap_or_else(|_| panic!("{line}")),
            )
        })
        .collect()
}

/// The samples of the families of counters.
async fn counters(client: &Client) -> BTreeMap<String, f64> {
    let all = samples(client).await.into_iter();
    all.filter(|(name, _)| {
        let name = name.split('{').next().unwrap();
        name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count")
    })
    .collect()
}

/// Nobody works and nobody sends: what is queued stays queued.
fn nobody_sends(options: StackOptions) -> StackOptions {
    options.setting("shared_preload_libraries", "pg_cron")
}

/// Some of everything: processed, failed, dead, pending, repeated; runs, alerts, requests.
async fn fill(client: &Client, orders: &[Order]) {
    receive_orders(client, orders).await;
    for _ in 0..3 {
        receive(
            client,
            "orders/create",
            &format!("create-{}", orders[0].number),
            &orders[0].bytes,
        )
        .await;
    }
    receive(client, "orders/create", "bad", b"{").await;
    assert_eq!(
        drain(client, 1_000).await,
        [orders.len() as i64 + 1, orders.len() as i64, 1, 0]
    );
    run(
        client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, received_at)
         VALUES ('stripe', 'checkout.session.completed', 'waits', '{}', 'pending', now() - interval '10 minutes'),
                ('clerk', 'user.created', 'dead', '{}', 'dlq', now());
         INSERT INTO raw_ops.monitors (check_name, description) VALUES (E'odd \"name\"\\\\ with\\na line', 'a test');
         INSERT INTO raw_ops.monitoring_runs (check_name, status, run_at) VALUES
             ('webhook_health', 'ok', now() - interval '1 hour'), ('webhook_health', 'ok', now() - interval '2 minutes'),
             (E'odd \"name\"\\\\ with\\na line', 'ok', now());
         INSERT INTO raw_ops.alerts (check_name, condition, severity, channel, title) VALUES
             ('webhook_health', 'oldest_pending', 'warning', '#ops-alerts', 'A webhook waits');
         INSERT INTO raw_ops.alert_messages (alert_id, kind, severity, channel, title, body, delivery)
         SELECT id, 'opened', severity, channel, title, '{}', 'undelivered' FROM raw_ops.alerts;
         INSERT INTO raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, state, completed_at, created_at)
         SELECT 'alert', raw_ops.fn_uuid_v7(), 'slack_url_ops_alerts', '{}', 'ended-' || i,
                (array['succeeded', 'failed', 'abandoned'])[1 + i % 3], now() - interval '40 days', now() - interval '41 days'
           FROM generate_series(0, 9) AS i;
         INSERT INTO raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, send_after) VALUES
             ('courier', raw_ops.fn_uuid_v7(), 'customerio', '{}', 'queued', now() - interval '1 minute')",
    )
    .await;
}

/// The figures that do not depend on time.
const BUSY: &[(&str, f64)] = &[
    ("webhook_events_processed_total{provider=\"shopify\"}", 50.0),
    ("webhook_events_failed_total{provider=\"shopify\"}", 1.0),
    ("webhook_events_duplicate_total{provider=\"shopify\"}", 3.0),
    ("webhook_events_processed_total{provider=\"stripe\"}", 0.0),
    ("raw_ops_webhook_queue_depth{status=\"pending\"}", 1.0),
    ("raw_ops_webhook_queue_depth{status=\"failed\"}", 1.0),
    ("raw_ops_webhook_queue_depth{status=\"retrying\"}", 0.0),
    ("raw_ops_webhook_dead_letters", 1.0),
    ("raw_ops_webhook_processing_seconds_count", 51.0),
    ("raw_ops_alerts_open{severity=\"critical\"}", 0.0),
    ("raw_ops_alerts_open{severity=\"warning\"}", 1.0),
    ("raw_ops_alerts_open{severity=\"info\"}", 0.0),
    ("raw_ops_alerts_undelivered", 1.0),
    ("raw_ops_outbox_depth{state=\"queued\"}", 1.0),
    ("raw_ops_outbox_depth{state=\"sending\"}", 0.0),
    (
        "raw_ops_http_requests_total{purpose=\"alert\",outcome=\"succeeded\"}",
        4.0,
    ),
    (
        "raw_ops_http_requests_total{purpose=\"alert\",outcome=\"failed\"}",
        3.0,
    ),
    (
        "raw_ops_http_requests_total{purpose=\"alert\",outcome=\"abandoned\"}",
        3.0,
    ),
    (
        "raw_ops_http_requests_total{purpose=\"outbound\",outcome=\"succeeded\"}",
        0.0,
    ),
];

#[tokio::test]
async fn every_figure_is_there_also_when_it_is_nought() {
    let stack = Stack::start(nobody_sends(by_hand().without_shim()))
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let empty = samples(&client).await;
    for provider in ["shopify", "clerk", "stripe", "mitto", "dpd"] {
        for counter in ["processed", "failed", "duplicate"] {
            let name = format!("webhook_events_{counter}_total{{provider=\"{provider}\"}}");
            assert_eq!(empty.get(&name), Some(&0.0), "{name}");
        }
    }
    let orders: Vec<Order> = Generator::new(41).orders(0..50).collect();
    fill(&client, &orders).await;
    let busy = samples(&client).await;
    for (name, expected) in BUSY {
        assert_eq!(busy.get(*name), Some(expected), "{name}");
    }
    let between = |name: &str, low: f64, high: f64| {
        let value = busy.get(name).copied().unwrap_or(f64::NAN);
        assert!((low..high).contains(&value), "{name} is {value}");
    };
    between("raw_ops_webhook_oldest_pending_age_seconds", 600.0, 700.0);
    between("raw_ops_outbox_oldest_due_age_seconds", 60.0, 160.0);
    between(
        "raw_ops_monitor_last_run_age_seconds{check=\"webhook_health\"}",
        120.0,
        220.0,
    );
    between(
        "raw_ops_monitor_last_run_age_seconds{check=\"odd \\\"name\\\"\\\\ with\\na line\"}",
        0.0,
        100.0,
    );
    for quantile in ["0.5", "0.95", "1"] {
        let name = format!("raw_ops_webhook_processing_seconds{{quantile=\"{quantile}\"}}");
        between(&name, 0.001, 60.0);
    }
    between("raw_ops_webhook_processing_seconds_sum", 0.05, 3_060.0);
    let never: Vec<_> = busy
        .keys()
        .filter(|name| name.contains("monitoring_heartbeat"))
        .collect();
    assert!(never.is_empty(), "neither run nor scheduled: {never:?}");
}

#[tokio::test]
async fn counters_never_go_down() {
    let mut stack = Stack::start(nobody_sends(durable().without_shim()))
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(41).orders(0..50).collect();
    fill(&client, &orders).await;
    let before = counters(&client).await;
    assert!(
        before.values().filter(|value| **value > 0.0).count() >= 7,
        "{before:?}"
    );
    for (what, statement) in [
        ("fold", "SELECT raw_ops.fold_webhook_tallies()"),
        ("archive", "CALL raw_ops.archive_inbox(60, '0 seconds')"),
        ("housekeeping", "CALL raw_ops.run_housekeeping()"),
        (
            "by hand",
            "DELETE FROM raw_ops.webhook_inbox WHERE processing_status = 'failed'",
        ),
    ] {
        run(&client, statement).await;
        assert_eq!(counters(&client).await, before, "{what}");
    }
    let left: i64 = one(
        &client,
        "SELECT (SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'success')
              + (SELECT count(*) FROM raw_ops.http_requests WHERE state <> 'queued')
              + (SELECT count(*) FROM raw_ops.webhook_tallies)",
    )
    .await;
    assert_eq!(left, 0, "what was counted is gone");
    stack.cluster.restart(Stop::Immediate).await.unwrap();
    let client = stack.connect().await.unwrap();
    assert_eq!(counters(&client).await, before, "a crash");

    let dump = stack
        .cluster
        .pg_dump(
            &stack.db,
            &["--exclude-extension=pg_cron", "--exclude-schema=cron"],
        )
        .await;
    let dump = match dump {
        Ok(dump) => dump,
        // Before PostgreSQL 17 there is no such option: without pg_cron's own it restores elsewhere, too.
        Err(_) => {
            as_superuser(&stack, "DROP EXTENSION pg_cron").await;
            stack.cluster.pg_dump(&stack.db, &[]).await.unwrap()
        }
    };
    stack.cluster.create_database("copy").await.unwrap();
    stack.cluster.pg_restore("copy", &dump, &[]).await.unwrap();
    let copy = stack.cluster.connect("copy").await.unwrap();
    assert_eq!(counters(&copy).await, before, "a restore");
}

#[tokio::test]
async fn whoever_adds_up_while_tallies_are_folded_sees_each_count_once() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let orders: Vec<Order> = Generator::new(42).orders(0..400).collect();
    let client = stack.connect().await.unwrap();
    receive_orders(&client, &orders).await;
    let mut sessions = tokio::task::JoinSet::new();
    for statement in [
        "SELECT raw_ops.process_pending_webhooks(3)",
        "SELECT raw_ops.process_pending_webhooks(2)",
        "SELECT raw_ops.fold_webhook_tallies()",
        "SELECT raw_ops.fold_webhook_tallies()",
    ] {
        let session = stack.connect().await.unwrap();
        run(&session, "SET lock_timeout = '60s'").await;
        sessions.spawn(async move {
            let pending =
                "SELECT EXISTS (SELECT FROM raw_ops.webhook_inbox WHERE processing_status = 'pending')";
            while one::<bool>(&session, pending).await {
                run(&session, statement).await;
            }
        });
    }
    // Counted and done are one transaction: seen in one statement they are always equal.
    let both = "SELECT (SELECT sum(processed) FROM (SELECT processed FROM raw_ops.webhook_totals
                                                    UNION ALL SELECT processed FROM raw_ops.webhook_tallies) c)::bigint,
                       (SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'success')";
    let mut last = 0;
    while last < 400 {
        let row = client.query_one(both, &[]).await.unwrap();
        let (counted, done): (Option<i64>, i64) = (row.get(0), row.get(1));
        assert_eq!(counted.unwrap_or(0), done);
        assert!(done >= last);
        last = done;
    }
    sessions.join_all().await;
    let processed = samples(&client).await["webhook_events_processed_total{provider=\"shopify\"}"];
    assert!((processed - 400.0).abs() < 0.5);
}

#[tokio::test]
async fn failed_counts_attempts_and_a_dead_letter_is_one_of_them() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    receive(&client, "orders/create", "bad", b"{}").await;
    let id: String = one(&client, "SELECT id::text FROM raw_ops.webhook_inbox").await;
    for _ in 0..5 {
        run(&client, &format!("SELECT raw_ops.process_webhook('{id}')")).await;
    }
    assert_eq!(states(&client).await, in_states([("dlq", 1)]));
    // A dead letter is not processed, resolved by hand it was not processed either.
    run(
        &client,
        &format!(
            "SELECT raw_ops.process_webhook('{id}'), raw_ops.fn_resolve_webhook_manually_v1('{id}', 'a test')"
        ),
    )
    .await;
    let seen = samples(&client).await;
    assert_eq!(seen["webhook_events_failed_total{provider=\"shopify\"}"], 5.0);
    assert_eq!(seen["webhook_events_processed_total{provider=\"shopify\"}"], 0.0);
    let rows: i64 = one(&client, "SELECT count(*) FROM raw_ops.webhook_tallies").await;
    assert_eq!(rows, 5, "nothing to count, nothing written");
}

#[tokio::test]
async fn reading_takes_no_transaction_id_and_no_right_on_a_table() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE raw_ops_metrics LOGIN; GRANT USAGE ON SCHEMA raw_ops TO raw_ops_metrics;
         GRANT EXECUTE ON FUNCTION raw_ops.fn_metrics_v1() TO raw_ops_metrics",
    )
    .await;
    receive(&client, "orders/create", "waits", b"{}").await;
    let reader = stack.connect_as("raw_ops_metrics").await.unwrap();
    run(&reader, "BEGIN READ ONLY").await;
    let seen = samples(&reader).await;
    assert_eq!(
        seen["raw_ops_webhook_queue_depth{status=\"pending\"}"], 1.0,
        "row security hides nothing from it"
    );
    let id: Option<String> = one(&reader, "SELECT pg_current_xact_id_if_assigned()::text").await;
    assert_eq!(id, None);
    run(&reader, "COMMIT").await;
    assert_eq!(
        refused(&reader, "SELECT * FROM raw_ops.webhook_totals")
            .await
            .sqlstate,
        "42501"
    );
    // And so it does on a replica.
    let replica = stack.cluster.replica().await.unwrap();
    let there = replica.connect_as(&stack.db, "raw_ops_metrics").await.unwrap();
    assert!(one::<bool>(&there, "SELECT pg_is_in_recovery()").await);
    assert_eq!(counters(&there).await, counters(&client).await);
    let volatility: String = one(
        &client,
        "SELECT provolatile::text FROM pg_proc WHERE proname = 'fn_metrics_v1'",
    )
    .await;
    assert_eq!(volatility, "s");
}
