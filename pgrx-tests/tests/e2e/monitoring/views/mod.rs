//! The views of SPEC §7: their figures on a small known database. Each test is one transaction, so that now() stands still and "exactly 30 minutes" means it.

mod anew;
mod by_shop;
mod limits;

use crate::support::*;
use raw_ops_e2e::Stack;
use tokio_postgres::Client;

/// Every view, and how many rows it has in an empty database; the queue has 169 full hours and now.
const VIEWS: &[(&str, &str)] = &[
    ("webhook_health", "1"),
    ("retry_queue_depth", "1"),
    ("webhook_processing_by_hour", "168"),
    ("error_summary", "0"),
    ("alert_retry_queue_backup", "0"),
    ("alert_slow_processing", "0"),
    ("dashboard_success_rate", "21"),
    ("dashboard_queue_depth", "170"),
    ("dashboard_dlq_by_day", "30"),
    ("dashboard_p95_latency", "14"),
    ("dashboard_error_categories", "0"),
    ("dashboard_retry_resolution", "3"),
    ("dashboard_oldest_pending", "1"),
    ("dashboard_daily_volume", "21"),
    ("health_indicators", "5"),
    ("undelivered_alerts", "0"),
    ("missing_orders", "0"),
    ("webhook_elements_left", "0"),
    ("courier_exceptions_by_type", "0"),
    ("courier_exceptions_by_day", "30"),
    ("courier_notification_success", "1"),
    ("courier_time_to_notify", "1"),
    ("courier_failed_notifications", "0"),
    ("courier_open_tasks", "0"),
    ("courier_manual_interventions", "1"),
    ("courier_delivery_after_exception", "1"),
    ("courier_delivery_attempts", "1"),
    ("courier_kpis", "9"),
    ("webhook_health_by_shop", "0"),
    ("retry_queue_depth_by_shop", "0"),
    ("dashboard_success_rate_by_shop", "0"),
    ("dashboard_dlq_by_day_by_shop", "0"),
    ("dashboard_p95_latency_by_shop", "0"),
    ("dashboard_daily_volume_by_shop", "0"),
];

/// `put(how many, state, received at)`: webhooks of one kind. Failed ones died, or failed last, when they were received.
const PUT: &str = "
    create function pg_temp.put(webhooks integer, status text, at timestamptz, ms integer default 50, attempts integer default 1,
                                category text default null, left_at timestamptz default null) returns void language sql as $$
        insert into raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts,
                                           processing_duration_ms, error_category, last_error, last_error_at, received_at,
                                           created_at, processed_at, next_retry_at)
        select 'shopify', 'orders/create', gen_random_uuid()::text, '{}', status, attempts,
               case when status <> 'pending' then ms end, category, 'error of ' || category,
               case when status in ('failed', 'dlq', 'resolved_manual') then coalesce(left_at, at) end, at, at,
               case when status = 'success' then coalesce(left_at, at) end,
               case when status = 'failed' then now() + interval '5 minutes' end
          from generate_series(1, webhooks)
    $$;";

async fn begin() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, PUT).await;
    run(&client, "BEGIN").await;
    (stack, client)
}

/// Rows as text, their columns parted by blanks, nulls as a dash.
async fn rows(client: &Client, columns: &str, from: &str) -> Vec<String> {
    let columns: Vec<String> = columns
        .split(", ")
        .map(|column| format!("coalesce(({column})::text, '-')"))
        .collect();
    let sql = format!("SELECT concat_ws(' ', {}) FROM {from}", columns.join(", "));
    column(client, &sql).await
}

#[tokio::test]
async fn an_empty_database_is_healthy_and_every_view_answers() {
    let (_stack, client) = begin().await;
    for (view, expected) in VIEWS {
        let count: String = one(&client, &format!("SELECT count(*)::text FROM raw_ops.{view}")).await;
        assert_eq!(count, *expected, "{view}");
    }
    assert_eq!(
        rows(&client, "indicator, value, state", "raw_ops.health_indicators").await,
        [
            "success_rate - healthy",
            "queue_depth 0 healthy",
            "p95_latency - healthy",
            "dlq_per_day 0 healthy",
            "overall - healthy"
        ]
    );
    let totals = "SELECT sum(received_count)::bigint FROM raw_ops.";
    assert_eq!(
        one::<i64>(&client, &format!("{totals}webhook_processing_by_hour")).await,
        0
    );
    assert_eq!(
        one::<i64>(&client, &format!("{totals}dashboard_daily_volume")).await,
        0
    );
    assert_eq!(
        rows(
            &client,
            "oldest_age_minutes, webhook_id",
            "raw_ops.dashboard_oldest_pending"
        )
        .await,
        ["0 -"]
    );
}

#[tokio::test]
async fn every_view_is_explained_and_granted_to_nobody() {
    let (stack, client) = begin().await;
    run(&client, "ROLLBACK").await;
    as_superuser(
        &stack,
        "CREATE ROLE stranger LOGIN; CREATE ROLE analyst LOGIN; GRANT USAGE ON SCHEMA raw_ops TO stranger, analyst",
    )
    .await;
    let silent: Vec<String> = column(
        &client,
        "SELECT relname::text FROM pg_class
          WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'v' AND obj_description(oid, 'pg_class') IS NULL",
    )
    .await;
    assert!(silent.is_empty(), "without a comment: {silent:?}");
    let found: i64 = one(
        &client,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'v'",
    )
    .await;
    assert_eq!(found, VIEWS.len() as i64, "a view this test does not know");
    let stranger = stack.connect_as("stranger").await.unwrap();
    let analyst = stack.connect_as("analyst").await.unwrap();
    run(&client, "SELECT pg_temp.put(3, 'success', now())").await;
    for (view, _) in VIEWS {
        let read = format!("SELECT FROM raw_ops.{view}");
        assert_eq!(refused(&stranger, &read).await.sqlstate, "42501", "{view}");
        run(&client, &format!("GRANT SELECT ON raw_ops.{view} TO analyst")).await;
        run(&analyst, &read).await;
    }
    // With the owner's rights, for one who may not read the table itself.
    let counted = "SELECT received_count FROM raw_ops.webhook_health";
    assert_eq!(one::<i64>(&analyst, counted).await, 3);
    let table = "SELECT FROM raw_ops.webhook_inbox";
    assert_eq!(refused(&analyst, table).await.sqlstate, "42501");
}

/// A stack with what came on two days: ten webhooks that did well ten days ago, and three days ago twelve with every outcome.
async fn two_days() -> (Stack, Client) {
    let (stack, client) = begin().await;
    run(
        &client,
        "create function pg_temp.noon(days_ago integer) returns timestamptz language sql
             as $$ select (current_date - days_ago)::timestamptz + interval '12 hours' $$;
         select pg_temp.put(10, 'success', pg_temp.noon(10));
         select pg_temp.put(1, 'success', pg_temp.noon(3), ms => 10 * n) from generate_series(1, 6) as n;
         select pg_temp.put(2, 'success', pg_temp.noon(3), 70, attempts => 2, category => 'timeout');
         select pg_temp.put(1, 'dlq', pg_temp.noon(3), 90, 5, 'malformed_payload');
         select pg_temp.put(1, 'resolved_manual', pg_temp.noon(3), 100, 5, 'malformed_payload', left_at => pg_temp.noon(2));
         select pg_temp.put(1, 'pending', pg_temp.noon(3));
         select pg_temp.put(1, 'failed', pg_temp.noon(3), 20, 2, 'timeout');",
    )
    .await;
    (stack, client)
}

/// These columns of a view, of the days that are so long ago.
async fn of_days(client: &Client, view: &str, days_ago: &str, columns: &str) -> Vec<String> {
    let from = format!("raw_ops.{view} WHERE current_date - day IN ({days_ago}) ORDER BY day");
    rows(client, columns, &from).await
}

#[tokio::test]
async fn days_count_what_was_received_and_what_became_of_it() {
    let (_stack, client) = two_days().await;
    let columns = "received_count, success_count, waiting_count, dead_lettered_count";
    assert_eq!(
        of_days(&client, "dashboard_daily_volume", "10, 3, 2", columns).await,
        ["10 10 0 0", "12 8 2 2", "0 0 0 0"]
    );
    // Ten days ago is within the seven days that end four days ago, and not in those that end three days ago.
    let columns = "success_count, outcome_count, success_rate_percent, rolling_7_day_success_rate_percent";
    assert_eq!(
        of_days(&client, "dashboard_success_rate", "11, 10, 4, 3, 2, 0", columns).await,
        [
            "0 0 - -",
            "10 10 100.00 100.00",
            "0 0 - 100.00",
            "8 11 72.72 72.72",
            "0 0 - 72.72",
            "0 0 - 72.72"
        ]
    );
    let columns = "dlq_count, open_count, resolved_manual_count";
    assert_eq!(
        of_days(&client, "dashboard_dlq_by_day", "4, 3, 2", columns).await,
        ["0 0 0", "1 1 0", "1 0 1"]
    );
    // 10, 20, 20, 30, 40, 50, 60, 70, 70, 90, 100: half way between the last two.
    let columns = "processed_count, p50_processing_ms, p95_processing_ms, max_processing_ms";
    assert_eq!(
        of_days(&client, "dashboard_p95_latency", "3, 2", columns).await,
        ["11 50.0 95.0 100", "0 - - -"]
    );
}

#[tokio::test]
async fn errors_and_retries_are_told_by_category_and_by_outcome() {
    let (_stack, client) = two_days().await;
    let columns = "error_category, webhook_count, share_percent, waiting_count, recovered_count, dlq_count, \
                   resolved_manual_count, topics, sample_error";
    assert_eq!(
        rows(&client, columns, "raw_ops.error_summary").await,
        [
            "timeout 3 60.0 1 2 0 0 orders/create error of timeout",
            "malformed_payload 2 40.0 0 0 1 1 orders/create error of malformed_payload"
        ]
    );
    let columns = "error_category, webhook_count, share_percent";
    assert_eq!(
        rows(&client, columns, "raw_ops.dashboard_error_categories").await,
        ["timeout 3 60.0", "malformed_payload 2 40.0"]
    );
    let columns = "outcome, webhook_count, share_percent";
    assert_eq!(
        rows(&client, columns, "raw_ops.dashboard_retry_resolution").await,
        ["success 2 40.0", "dlq 2 40.0", "waiting 1 20.0"]
    );
}

#[tokio::test]
async fn days_are_those_of_the_readers_time_zone() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "SELECT pg_temp.put(1, 'success', now() - interval '5 days')",
    )
    .await;
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata", "UTC"] {
        run(&client, &format!("SET LOCAL TimeZone = '{zone}'")).await;
        let agrees: bool = one(
            &client,
            "SELECT (SELECT day FROM raw_ops.dashboard_daily_volume WHERE received_count = 1)
                  = (SELECT created_at::date FROM raw_ops.webhook_inbox)
                AND (SELECT hour FROM raw_ops.webhook_processing_by_hour WHERE received_count = 1)
                  = (SELECT date_trunc('hour', created_at) FROM raw_ops.webhook_inbox)",
        )
        .await;
        assert!(agrees, "{zone}");
    }
}

#[tokio::test]
async fn the_last_day_and_the_queue_of_now_are_one_row_each() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "select pg_temp.put(1, 'success', now() - interval '2 hours', ms => n) from generate_series(1, 95) as n;
         select pg_temp.put(5, 'success', now() - interval '24 hours 1 second', ms => 100000);
         select pg_temp.put(1, 'dlq', now() - interval '2 hours', 96, 5);
         select pg_temp.put(1, 'dlq', now() - interval '30 hours', 96, 5, left_at => now() - interval '23 hours');
         select pg_temp.put(1, 'dlq', now() - interval '30 hours', 96, 5, left_at => now() - interval '25 hours');
         select pg_temp.put(2, 'resolved_manual', now() - interval '2 hours', 97, 5);
         select pg_temp.put(1, 'failed', now() - interval '20 minutes', 99, 2);
         select pg_temp.put(2, 'pending', now() - interval '5 minutes');
         update raw_ops.webhook_inbox set duplicate_count = 3 where processing_status = 'pending';",
    )
    .await;
    assert_eq!(
        rows(
            &client,
            "received_count, pending_count, success_count, failed_count, retrying_count, dlq_count, resolved_manual_count, \
             success_rate_percent, p50_processing_ms, p95_processing_ms, max_processing_ms, duplicate_count, new_dlq_count",
            "raw_ops.webhook_health"
        )
        .await,
        ["101 2 95 1 0 1 2 95.95 50.0 94.1 99 6 4"]
    );
    assert_eq!(
        rows(
            &client,
            "queue_depth, pending_count, failed_count, retrying_count, due_count, most_attempts, oldest_age_minutes, \
             next_retry_at = now() + interval '5 minutes'",
            "raw_ops.retry_queue_depth"
        )
        .await,
        ["3 2 1 0 2 2 20.00 true"]
    );
    assert_eq!(
        rows(
            &client,
            "oldest_age, processing_status, topic, queue_depth",
            "raw_ops.dashboard_oldest_pending"
        )
        .await,
        ["00:20:00 failed orders/create 3"]
    );
    let hours = "raw_ops.webhook_processing_by_hour WHERE received_count > 90";
    assert_eq!(
        rows(
            &client,
            "received_count, success_count, dead_lettered_count, success_rate_percent, max_processing_ms",
            hours
        )
        .await,
        ["98 95 3 96.93 97"]
    );
}

#[tokio::test]
async fn the_queue_of_the_past_is_told_from_when_webhooks_came_and_left() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "create function pg_temp.hour(hours_ago numeric) returns timestamptz language sql
             as $$ select date_trunc('hour', now()) - hours_ago * interval '1 hour' $$;
         -- Through at once: never seen.
         select pg_temp.put(500, 'success', pg_temp.hour(6.5), left_at => pg_temp.hour(6.4));
         -- Waited over two full hours.
         select pg_temp.put(1, 'success', pg_temp.hour(2.8), left_at => pg_temp.hour(0.8));
         -- Came at a full hour and left at the next: in the queue at the first only.
         select pg_temp.put(2, 'success', pg_temp.hour(5), left_at => pg_temp.hour(4));
         -- A dead letter leaves the queue when it dies, not when somebody settles it.
         select pg_temp.put(4, 'dlq', pg_temp.hour(9.5), left_at => pg_temp.hour(8.5));
         select pg_temp.put(8, 'resolved_manual', pg_temp.hour(9.5), left_at => pg_temp.hour(8.5));
         update raw_ops.webhook_inbox set processed_at = now() where processing_status = 'resolved_manual';
         -- Older than the view looks back, and still here; and one that left six days ago.
         select pg_temp.put(1000, 'failed', now() - interval '20 days');
         select pg_temp.put(50, 'success', pg_temp.hour(7 * 24 + 12), left_at => pg_temp.hour(6 * 24));
         -- Rows brought over without the time they left never waited.
         select pg_temp.put(5, 'success', pg_temp.hour(3.5));
         update raw_ops.webhook_inbox set processed_at = null where created_at = pg_temp.hour(3.5);",
    )
    .await;
    let mut depths = Vec::new();
    for hours_ago in [168, 145, 144, 10, 9, 8, 6, 5, 4, 2, 1, 0] {
        let sql = format!(
            "SELECT queue_depth FROM raw_ops.dashboard_queue_depth WHERE measured_at = pg_temp.hour({hours_ago})"
        );
        depths.push((hours_ago, one::<i64>(&client, &sql).await));
    }
    assert_eq!(
        depths,
        [
            (168, 1050),
            (145, 1050),
            (144, 1000),
            (10, 1000),
            (9, 1012),
            (8, 1000),
            (6, 1000),
            (5, 1002),
            (4, 1000),
            (2, 1001),
            (1, 1001),
            (0, 1000)
        ]
    );
    let now = "SELECT queue_depth FROM raw_ops.dashboard_queue_depth WHERE measured_at = now()";
    assert_eq!(one::<i64>(&client, now).await, 1000);
}
