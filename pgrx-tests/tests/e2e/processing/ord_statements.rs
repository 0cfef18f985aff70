//! Every SQL statement that SOP-ORD-01 v5.1 prints, verbatim and in its order, with the line of the document it begins
//! on. Only placeholders are filled in; of the one that posts to a hosted URL the beginning stands here.

use crate::support::*;
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::{Stack, StackOptions};
use tokio_postgres::{Client, SimpleQueryMessage};

/// What a statement must do.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Defines an index of this name: it is there, exactly so.
    Index(&'static str),
    /// Returns so many rows.
    Returns(usize),
    /// Returns rows, however many.
    ReturnsSome,
    /// Inserts or deletes so many rows.
    Affects(u64),
    /// Runs.
    Runs,
    /// Schedules a job that is there already: the same one.
    Schedules(&'static str),
    /// Resolves a dead letter.
    Resolves,
    /// Posts to a hosted URL. The job of this name calls the function directly instead.
    CallsDirectly(&'static str),
}

use Does::*;

const STATEMENTS: &[(u32, &str, Does)] = &[
    (
        117,
        "CREATE INDEX idx_webhook_inbox_retry_queue
ON raw_ops.webhook_inbox (received_at DESC)
WHERE processing_status IN ('pending', 'failed', 'retrying');",
        Index("idx_webhook_inbox_retry_queue"),
    ),
    (
        121,
        "CREATE INDEX idx_webhook_inbox_status
ON raw_ops.webhook_inbox (processing_status, created_at DESC);",
        Index("idx_webhook_inbox_status"),
    ),
    (
        124,
        "CREATE INDEX idx_webhook_inbox_shopify_order
ON raw_ops.webhook_inbox (shopify_order_id)
WHERE shopify_order_id IS NOT NULL;",
        Index("idx_webhook_inbox_shopify_order"),
    ),
    (
        128,
        "CREATE INDEX idx_order_items_order_id
ON raw_ops.order_items (order_id);",
        Index("idx_order_items_order_id"),
    ),
    (
        131,
        "CREATE INDEX idx_order_items_product
ON raw_ops.order_items (product_id)
WHERE product_id IS NOT NULL;",
        Index("idx_order_items_product"),
    ),
    (
        177,
        "SELECT * FROM raw_ops.webhook_inbox
WHERE processing_status IN ('pending', 'failed', 'retrying')
ORDER BY received_at DESC
LIMIT 100
FOR UPDATE SKIP LOCKED;",
        Returns(3),
    ),
    (
        185,
        "SELECT cron.schedule(
'retry-failed-webhooks',
'*/5 * * * *',
$$
SELECT net.http_post(",
        CallsDirectly("retry-failed-webhooks"),
    ),
    (
        202,
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(
p_webhook_id := 'uuid-here',
p_resolution_note := 'Duplicate order, original processed successfully as order #1234'
);",
        Resolves,
    ),
    (
        235,
        "CREATE INDEX IF NOT EXISTS idx_ops_events_order_info
ON raw_ops.ops_events(kind, created_at DESC)
WHERE kind = 'INFO' AND entity_type = 'order';",
        Index("idx_ops_events_order_info"),
    ),
    (
        238,
        "CREATE INDEX IF NOT EXISTS idx_orders_shopify_order_id
ON raw_ops.orders(shopify_order_id);",
        Index("idx_orders_shopify_order_id"),
    ),
    (
        241,
        "SELECT cron.schedule(
'monitor-order-ingestion-slo',
'*/2 * * * *',
$$ SELECT raw_ops.fn_invoke_monitor('order_ingestion_slo'); $$
);",
        Schedules("monitor-order-ingestion-slo"),
    ),
    (
        258,
        "SELECT cron.schedule(
'monitor-webhook-health',
'*/5 * * * *',
$$ SELECT raw_ops.fn_invoke_monitor('webhook_health'); $$
);",
        Schedules("monitor-webhook-health"),
    ),
    (
        269,
        "SELECT cron.schedule(
'monitor-webhook-daily-digest',
'0 9 * * *',
$$ SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest'); $$
);",
        Schedules("monitor-webhook-daily-digest"),
    ),
    (
        325,
        "SELECT routine_name, routine_type
FROM information_schema.routines
WHERE routine_schema = 'raw_ops'
AND routine_name LIKE '%webhook%'
ORDER BY routine_name;",
        ReturnsSome,
    ),
    (336, "SELECT * FROM raw_ops.retry_queue_depth;", Returns(1)),
    (
        342,
        "SELECT * FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq' ORDER BY last_error_at DESC LIMIT 5;",
        Returns(1),
    ),
    (
        346,
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(
'webhook-uuid-here',
'Description of what was wrong and how it was resolved'
);",
        Resolves,
    ),
    (
        355,
        "SELECT id, shopify_order_id, processing_status, attempts, created_at
FROM raw_ops.webhook_inbox
WHERE processing_status IN ('failed', 'dlq', 'pending')
ORDER BY created_at DESC
LIMIT 20;",
        Returns(2),
    ),
    (
        360,
        "SELECT * FROM cron.job_run_details
WHERE jobid = (SELECT jobid FROM cron.job WHERE jobname = 'retry-failed-webhooks')
ORDER BY start_time DESC LIMIT 5;",
        Returns(1),
    ),
    (
        363,
        "SELECT * FROM raw_ops.check_order_ingestion_slo();",
        Returns(1),
    ),
    (
        370,
        "SELECT * FROM pg_stat_activity WHERE state = 'active';",
        ReturnsSome,
    ),
    (
        371,
        "SELECT * FROM pg_stat_user_indexes WHERE schemaname = 'raw_ops';",
        ReturnsSome,
    ),
    (372, "VACUUM ANALYZE", Runs),
    (373, "VACUUM ANALYZE raw_ops.webhook_inbox;", Runs),
    (373, "ANALYZE", Runs),
    (
        378,
        "CREATE TABLE IF NOT EXISTS raw_ops.webhook_inbox_archive (
LIKE raw_ops.webhook_inbox INCLUDING ALL
);",
        Runs,
    ),
    (
        382,
        "INSERT INTO raw_ops.webhook_inbox_archive
SELECT * FROM raw_ops.webhook_inbox
WHERE processing_status IN ('success', 'resolved_manual')
AND created_at < NOW() - INTERVAL '90 days';",
        Affects(20),
    ),
    (
        386,
        "DELETE FROM raw_ops.webhook_inbox
WHERE processing_status IN ('success', 'resolved_manual')
AND created_at < NOW() - INTERVAL '90 days';",
        Affects(20),
    ),
    (389, "VACUUM ANALYZE raw_ops.webhook_inbox;", Runs),
    (
        417,
        "SELECT * FROM pg_stat_user_indexes WHERE schemaname = 'raw_ops';",
        ReturnsSome,
    ),
    (
        499,
        "SELECT * FROM raw_ops.monitoring_runs WHERE check_name LIKE 'webhook%' ORDER BY run_at DESC LIMIT 20;",
        Returns(2),
    ),
];

/// A shop with something for every statement to find.
async fn fill(client: &Client) {
    receive_orders(client, &Generator::new(51).orders(0..20).collect::<Vec<_>>()).await;
    assert_eq!(drain(client, 100).await, [20, 20, 0, 0]);
    run(
        client,
        "UPDATE raw_ops.webhook_inbox SET created_at = created_at - interval '91 days';
         INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts, last_error_at)
         SELECT 'shopify', 'orders/create', status || i, '{}', status, 1, now()
           FROM unnest(array['pending', 'failed', 'retrying', 'dlq', 'dlq']) WITH ORDINALITY AS s (status, i);
         -- An order that has not come: announced ten minutes ago.
         INSERT INTO raw_ops.ops_events (kind, entity_type, message, event_payload, created_at)
         VALUES ('INFO', 'order', 'order.created', '{\"shopify_order_id\": 99, \"webhook_id\": null}', now() - interval '10 minutes');
         SELECT raw_ops.fn_invoke_monitor('webhook_health'), raw_ops.fn_invoke_monitor('webhook_daily_digest'),
                raw_ops.fn_invoke_monitor('order_ingestion_slo')",
    )
    .await;
}

/// Rows returned, rows affected, first column of the first row.
async fn outcome(client: &Client, sql: &str) -> (usize, u64, String) {
    let messages = client
        .simple_query(sql)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
    let (mut rows, mut affected, mut first) = (0, 0, String::new());
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows += 1;
                if rows == 1 {
                    first = row.get(0).unwrap_or_default().to_owned();
                }
            }
            SimpleQueryMessage::CommandComplete(count) => affected = count,
            _ => {}
        }
    }
    (rows, affected, first)
}

#[tokio::test]
async fn every_statement_the_procedure_prints_runs_as_printed() {
    // No worker, no sender; and the jobs are there, but pg_cron starts none in the middle of the test.
    let options = StackOptions::for_tests()
        .without_shim()
        .setting("shared_preload_libraries", "pg_cron");
    let stack = Stack::start(options).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    as_superuser(
        &stack,
        "UPDATE cron.job SET active = false;
         INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, start_time, end_time)
         SELECT jobid, 1, database, username, command, 'succeeded', now(), now() FROM cron.job WHERE jobname = 'retry-failed-webhooks'",
    )
    .await;
    fill(&client).await;
    for (line, sql, does) in STATEMENTS {
        check(&client, sql, *does)
            .await
            .unwrap_or_else(|problem| panic!("line {line}: {problem}\n{sql}"));
    }
}

async fn check(client: &Client, sql: &str, does: Does) -> Result<(), String> {
    let same = |found: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
        (found == expected)
            .then_some(())
            .ok_or(format!("{found}, not {expected}"))
    };
    match does {
        Index(name) => {
            let definition = format!("SELECT pg_get_indexdef('raw_ops.{name}'::regclass)");
            let ours: String = one(client, &definition).await;
            // PostgreSQL itself writes the statement in its own way.
            run(client, &format!("BEGIN; DROP INDEX raw_ops.{name}; {sql}")).await;
            let printed: String = one(client, &definition).await;
            run(client, "ROLLBACK").await;
            let valid =
                format!("SELECT indisvalid FROM pg_index WHERE indexrelid = 'raw_ops.{name}'::regclass");
            assert!(one::<bool>(client, &valid).await, "{name}");
            if sql.contains("IF NOT EXISTS") {
                run(client, sql).await;
            }
            // A unique one that begins with the same columns serves whatever that one serves.
            let columns = printed.trim_end_matches(')');
            let serves = ours.contains("UNIQUE") && ours.replace("UNIQUE ", "").starts_with(columns);
            if serves { Ok(()) } else { same(&ours, &printed) }
        }
        Returns(rows) => same(&outcome(client, sql).await.0, &rows),
        ReturnsSome => same(&(outcome(client, sql).await.0 > 0), &true),
        Affects(rows) => same(&outcome(client, sql).await.1, &rows),
        Runs => {
            outcome(client, sql).await;
            Ok(())
        }
        Schedules(name) => {
            let jobs = format!(
                "SELECT concat_ws(' ', jobid, schedule, btrim(command)) FROM cron.job WHERE jobname = '{name}'"
            );
            let before: Vec<String> = column(client, &jobs).await;
            outcome(client, sql).await;
            same(&column::<String>(client, &jobs).await, &before)
        }
        Resolves => {
            let dead = "SELECT id::text FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq' LIMIT 1";
            let id: String = one(client, dead).await;
            let sql = sql.replace("webhook-uuid-here", &id).replace("uuid-here", &id);
            let said: serde_json::Value =
                serde_json::from_str(&outcome(client, &sql).await.2).map_err(|error| error.to_string())?;
            same(&said["success"], &serde_json::Value::Bool(true))
        }
        CallsDirectly(name) => {
            let job = format!("SELECT schedule || ' ' || command FROM cron.job WHERE jobname = '{name}'");
            same(
                &column::<String>(client, &job).await,
                &["*/5 * * * * SELECT raw_ops.retry_failed_webhooks();"],
            )
        }
    }
}
