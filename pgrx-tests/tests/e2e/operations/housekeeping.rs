//! Housekeeping: every log is bounded, and nothing that is still open goes.

use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// No worker and no sender, so that what is queued stays queued.
async fn set_up() -> (Stack, Client) {
    let options = StackOptions::for_tests()
        .without_shim()
        .setting("shared_preload_libraries", "pg_cron");
    let stack = Stack::start(options).await.unwrap();
    let client = stack.connect().await.unwrap();
    (stack, client)
}

async fn housekeeping(client: &Client) -> Value {
    one(client, "SELECT raw_ops.fn_housekeeping_v1()").await
}

/// Of every log something old, something new, and something old that is not over.
const OLD_AND_NEW: &str = "INSERT INTO raw_ops.monitoring_runs (check_name, status, run_at) VALUES
             ('webhook_health', 'ok', now() - interval '31 days'), ('webhook_health', 'ok', now() - interval '30 days 1 minute'),
             ('webhook_health', 'ok', now() - interval '29 days'), ('order_ingestion_slo', 'ok', now() - interval '50 days'),
             ('order_ingestion_slo', 'ok', now() - interval '40 days');
         INSERT INTO raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, state, created_at, send_after,
                                            completed_at, lease_until)
         SELECT purpose, raw_ops.fn_uuid_v7(), 'slack_url_ops_alerts', '{}', state || created, state, now() - created::interval,
                now() - created::interval + interval '1 year',
                CASE WHEN state NOT IN ('queued', 'sending') THEN now() - completed::interval END,
                CASE WHEN state = 'sending' THEN now() + interval '1 hour' END
           FROM unnest(array['queued', 'sending', 'succeeded', 'failed', 'abandoned'], array['alert', 'alert', 'alert', 'outbound', 'outbound'])
                  AS s (state, purpose),
                (VALUES ('31 days', '31 days'), ('32 days', '29 days'), ('1 day', '1 day')) AS t (created, completed);
         INSERT INTO raw_ops.alerts (check_name, condition, state, severity, channel, title, opened_at, last_seen_at, resolved_at)
         SELECT 'webhook_health', name, state, 'warning', '#ops-alerts', name, now() - age::interval, now() - age::interval,
                CASE WHEN state = 'resolved' THEN now() - age::interval END
           FROM (VALUES ('open, old', 'open', '800 days'), ('resolved, old', 'resolved', '366 days'), ('resolved, new', 'resolved', '364 days'),
                        ('info, old', 'info', '366 days'), ('its end is on its way', 'resolved', '366 days')) AS a (name, state, age);
         INSERT INTO raw_ops.alert_messages (alert_id, kind, severity, channel, title, body, delivery, delivered_at)
         SELECT id, 'opened', severity, channel, title, '{}', m.delivery, CASE m.delivery WHEN 'delivered' THEN now() END
           FROM raw_ops.alerts, LATERAL (SELECT CASE title WHEN 'its end is on its way' THEN 'pending' WHEN 'info, old' THEN 'undelivered'
                                                           ELSE 'delivered' END AS delivery) AS m;
        ";

#[tokio::test]
async fn what_is_old_and_over_goes_and_the_rest_stays() {
    let (stack, client) = set_up().await;
    run(&client, OLD_AND_NEW).await;
    as_superuser(
        &stack,
        "INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, start_time, end_time)
         SELECT 1, 1000 + i, 'shop', 'shop_owner', 'SELECT 1', 'succeeded', now() - i * interval '1 day', now() - i * interval '1 day'
           FROM generate_series(6, 9) AS i",
    )
    .await;
    receive(&client, "orders/create", "bad", b"{").await;
    drain(&client, 10).await;

    assert_eq!(
        housekeeping(&client).await,
        json!({"monitoring_runs": 3, "http_requests": 3, "alerts": 2, "webhook_elements": 0, "cron.job_run_details": 3, "webhook_tallies": 1, "remaining": false})
    );
    let runs = "SELECT concat_ws(' ', check_name, run_at > now() - interval '41 days') FROM raw_ops.monitoring_runs ORDER BY 1";
    assert_eq!(
        column::<String>(&client, runs).await,
        ["order_ingestion_slo t", "webhook_health t"],
        "the last run of every check stays, however old"
    );
    let requests =
        "SELECT concat_ws(' ', state, count(*)) FROM raw_ops.http_requests GROUP BY state ORDER BY 1";
    assert_eq!(
        column::<String>(&client, requests).await,
        ["abandoned 2", "failed 2", "queued 3", "sending 3", "succeeded 2"]
    );
    let totals = "SELECT concat_ws(' ', purpose, succeeded, failed, abandoned) FROM raw_ops.http_request_totals ORDER BY 1";
    assert_eq!(
        column::<String>(&client, totals).await,
        ["alert 1 0 0", "outbound 0 1 1"]
    );
    let alerts = "SELECT concat_ws(' | ', a.title, count(m.id)) FROM raw_ops.alerts a LEFT JOIN raw_ops.alert_messages m ON m.alert_id = a.id
                   GROUP BY a.title ORDER BY 1";
    assert_eq!(
        column::<String>(&client, alerts).await,
        ["its end is on its way | 1", "open, old | 1", "resolved, new | 1"]
    );
    assert_eq!(
        one::<i64>(&client, "SELECT count(*) FROM raw_ops.alert_messages").await,
        3
    );
    assert_eq!(
        one::<i64>(
            &client,
            "SELECT count(*) FROM cron.job_run_details WHERE runid > 1000"
        )
        .await,
        1
    );
    assert_eq!(
        housekeeping(&client).await,
        json!({"monitoring_runs": 0, "http_requests": 0, "alerts": 0, "webhook_elements": 0, "cron.job_run_details": 0, "webhook_tallies": 0, "remaining": false})
    );
}

#[tokio::test]
async fn how_long_is_the_operators_to_say() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "INSERT INTO raw_ops.monitoring_runs (check_name, status, run_at)
         SELECT 'webhook_health', 'ok', now() - i * interval '1 day' FROM generate_series(0, 9) AS i",
    )
    .await;
    run(&client, "DELETE FROM raw_ops.log_retention").await;
    assert_eq!(
        housekeeping(&client).await["monitoring_runs"],
        0,
        "without a row for good"
    );
    run(
        &client,
        "INSERT INTO raw_ops.log_retention VALUES ('monitoring_runs', '4 days 12 hours')",
    )
    .await;
    assert_eq!(housekeeping(&client).await["monitoring_runs"], 5);
    for wrong in ["('monitoring_runs', '1 hour')", "('ops_events', '1 year')"] {
        let refusal = refused(
            &client,
            &format!("INSERT INTO raw_ops.log_retention VALUES {wrong}"),
        )
        .await;
        assert_eq!(refusal.sqlstate, "23514", "{wrong}");
    }
}

#[tokio::test]
async fn a_long_log_is_trimmed_round_by_round() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "INSERT INTO raw_ops.monitoring_runs (check_name, status, run_at)
         SELECT 'webhook_health', 'ok', now() - interval '40 days' - i * interval '1 minute' FROM generate_series(1, 25000) AS i;
         INSERT INTO raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, state, created_at, completed_at)
         SELECT 'courier', raw_ops.fn_uuid_v7(), 'customerio', '{}', i::text, 'succeeded', now() - interval '40 days', now() - interval '40 days'
           FROM generate_series(1, 12000) AS i",
    )
    .await;
    let said = housekeeping(&client).await;
    assert_eq!(
        (
            &said["monitoring_runs"],
            &said["http_requests"],
            &said["remaining"]
        ),
        (&json!(10_000), &json!(10_000), &json!(true))
    );
    run(&client, "CALL raw_ops.run_housekeeping()").await;
    let left = "SELECT (SELECT count(*) FROM raw_ops.monitoring_runs) + (SELECT count(*) FROM raw_ops.http_requests)";
    assert_eq!(one::<i64>(&client, left).await, 1, "the last run");
    let counted = "SELECT succeeded FROM raw_ops.http_request_totals WHERE purpose = 'courier'";
    assert_eq!(one::<i64>(&client, counted).await, 12_000);
}

#[tokio::test]
async fn pg_crons_log_is_trimmed_as_far_as_the_owner_may() {
    let (stack, client) = set_up().await;
    as_superuser(
        &stack,
        "REVOKE USAGE ON SCHEMA cron FROM shop_owner;
         INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, start_time)
         SELECT 1, 1000 + i, 'shop', (array['postgres', 'shop_owner'])[1 + i % 2], 'SELECT 1', 'failed', now() - interval '8 days'
           FROM generate_series(1, 6) AS i",
    )
    .await;
    assert_eq!(
        housekeeping(&client).await["cron.job_run_details"],
        json!(null),
        "may not look into the schema"
    );
    as_superuser(&stack, "GRANT USAGE ON SCHEMA cron TO shop_owner").await;
    assert_eq!(
        housekeeping(&client).await["cron.job_run_details"],
        json!(3),
        "their own"
    );
    // Whoever may call it does so with the owner's rights.
    let superuser = stack.connect_as_superuser().await.unwrap();
    assert_eq!(housekeeping(&superuser).await["cron.job_run_details"], json!(0));

    stack.cluster.create_database("bare").await.unwrap();
    let bare = stack.cluster.connect("bare").await.unwrap();
    run(&bare, "CREATE EXTENSION raw_ops").await;
    run(&bare, "SELECT raw_ops.setup()").await;
    assert_eq!(
        housekeeping(&bare).await["cron.job_run_details"],
        json!(null),
        "no pg_cron here"
    );
    run(&bare, "CALL raw_ops.run_housekeeping()").await;
}
