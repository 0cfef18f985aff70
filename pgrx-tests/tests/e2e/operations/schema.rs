//! What `CREATE EXTENSION` and `setup()` leave in a database.

use std::sync::Arc;

use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions, schema_dump};
use serde_json::Value;
use tokio::sync::Barrier;
use tokio_postgres::Client;

/// Everything in the schema and what is said of it, but no rows.
const CATALOG: &str = "
    SELECT concat_ws(' ', c.relkind, c.relname, c.relrowsecurity, c.relacl, c.reloptions, pg_get_indexdef(i.indexrelid),
                     obj_description(c.oid, 'pg_class'))
      FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'raw_ops'::regnamespace
    UNION ALL
    SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                     pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'raw_ops'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    UNION ALL
    SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'raw_ops'::regnamespace
    UNION ALL
    SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'raw_ops'::regnamespace AND NOT t.tgisinternal
    UNION ALL
    SELECT concat_ws(' ', oid::regprocedure, prosecdef, proacl, proconfig, obj_description(oid, 'pg_proc'))
      FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace
    ORDER BY 1";

async fn set_up() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    (stack, client)
}

/// A database where the extension is and nothing else.
async fn bare() -> (Stack, Client) {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    stack.cluster.create_database("bare").await.unwrap();
    let client = stack.cluster.connect("bare").await.unwrap();
    run(&client, "CREATE EXTENSION raw_ops").await;
    (stack, client)
}

#[tokio::test]
async fn every_table_has_row_level_security_no_policies_and_nothing_for_the_public() {
    let (_stack, client) = set_up().await;
    let tables: Vec<String> = column(
        &client,
        "SELECT relname::text FROM pg_class
          WHERE relnamespace = 'raw_ops'::regnamespace AND relkind IN ('r', 'p') AND relrowsecurity ORDER BY 1",
    )
    .await;
    for core in [
        "webhook_inbox",
        "customers",
        "orders",
        "order_items",
        "ops_events",
        "retry_schedule",
        "schema_migrations",
    ] {
        assert!(
            tables.iter().any(|table| table == core),
            "{core} is not among {tables:?}"
        );
    }
    for (what, query) in [
        (
            "without row level security",
            "SELECT relname::text FROM pg_class
              WHERE relnamespace = 'raw_ops'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity",
        ),
        ("policies", "SELECT policyname::text FROM pg_policies WHERE schemaname = 'raw_ops'"),
        (
            "relations open to the public",
            "SELECT c.relname::text FROM pg_class c,
                    aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner))) a
              WHERE c.relnamespace = 'raw_ops'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND a.grantee = 0",
        ),
        (
            "functions open to the public",
            "SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
              WHERE p.pronamespace = 'raw_ops'::regnamespace AND a.grantee = 0",
        ),
        (
            "the schema open to the public",
            "SELECT n.nspname::text FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
              WHERE n.nspname = 'raw_ops' AND a.grantee = 0",
        ),
        (
            "functions with their owner's rights and the caller's search_path",
            "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'raw_ops'::regnamespace AND p.prosecdef
                AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%pg_temp')",
        ),
    ] {
        assert_eq!(column::<String>(&client, query).await, Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
async fn every_table_function_and_setting_says_what_it_is() {
    // One setting, the path of the key, shows to a superuser only.
    let (stack, _client) = set_up().await;
    let client = stack.connect_as_superuser().await.unwrap();
    let mute: Vec<String> = column(
        &client,
        "SELECT c.oid::regclass::text FROM pg_class c
          WHERE c.relnamespace = 'raw_ops'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
            AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''
         UNION ALL
         SELECT p.oid::regprocedure::text FROM pg_proc p
          WHERE p.pronamespace = 'raw_ops'::regnamespace AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
         UNION ALL
         SELECT name FROM pg_settings WHERE name LIKE 'raw_ops.%' AND coalesce(short_desc, '') = ''",
    )
    .await;
    assert_eq!(mute, Vec::<String>::new());
    assert_eq!(
        one::<i64>(
            &client,
            "SELECT count(*) FROM pg_settings WHERE name LIKE 'raw\\_ops.%'"
        )
        .await,
        9
    );
}

#[tokio::test]
async fn the_extension_owns_functions_and_setup_everything_that_holds_data() {
    let (_stack, client) = set_up().await;
    let members: Vec<String> = column(
        &client,
        "SELECT DISTINCT classid::regclass::text FROM pg_depend
          WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
            AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'raw_ops')",
    )
    .await;
    assert_eq!(members, ["pg_proc"]);
    let ids: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a
           JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND NOT c.relispartition AND c.relnamespace = 'raw_ops'::regnamespace
           LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          WHERE a.attname = 'id'",
    )
    .await;
    assert_eq!(ids, ["uuid raw_ops.fn_uuid_v7()"]);
    let compression: Vec<String> = column(
        &client,
        "SELECT DISTINCT attcompression::text FROM pg_attribute WHERE attrelid = 'raw_ops.webhook_inbox'::regclass
            AND attname IN ('payload', 'raw_body', 'headers')",
    )
    .await;
    assert_eq!(compression, ["l"], "lz4");
}

#[tokio::test]
async fn setup_again_changes_nothing() {
    let (_stack, client) = set_up().await;
    receive(&client, "orders/create", "kept", b"{}").await;
    drain(&client, 10).await;
    run(&client, "DELETE FROM raw_ops.retry_schedule WHERE attempt > 3").await;
    let rows = "SELECT to_jsonb(w)::text FROM raw_ops.webhook_inbox w UNION ALL SELECT to_jsonb(e)::text FROM raw_ops.ops_events e
                UNION ALL SELECT to_jsonb(r)::text FROM raw_ops.retry_schedule r
                UNION ALL SELECT to_jsonb(m)::text FROM raw_ops.schema_migrations m ORDER BY 1";
    let (catalog, data) = (
        column::<String>(&client, CATALOG).await,
        column::<String>(&client, rows).await,
    );
    assert!(catalog.len() > 100);
    let said: Value = one(&client, "SELECT raw_ops.setup()").await;
    assert_eq!(said["applied"], serde_json::json!([]));
    assert_eq!(said["previous_version"], said["schema_version"]);
    assert_eq!(column::<String>(&client, CATALOG).await, catalog);
    assert_eq!(
        column::<String>(&client, rows).await,
        data,
        "what an operator changed stays, too"
    );
}

#[tokio::test]
async fn the_committed_dump_is_what_a_fresh_setup_makes() {
    let (stack, client) = bare().await;
    let version: i32 = one(
        &client,
        "SELECT current_setting('server_version_num')::int / 10000",
    )
    .await;
    if version.cast_unsigned() != schema_dump::PRINTED_BY {
        return;
    }
    let made = schema_dump::of_fresh_setup(&stack.cluster).await.unwrap();
    let committed = std::fs::read_to_string(schema_dump::FILE).unwrap();
    let differs = made
        .lines()
        .zip(committed.lines())
        .find(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "sql/schema.sql is not what setup() makes (first at {differs:?}): run make schema, and commit it"
    );
}

#[tokio::test]
async fn setups_at_the_same_time_come_to_one_schema() {
    let (stack, client) = bare().await;
    let (mut sessions, begin) = (tokio::task::JoinSet::new(), Arc::new(Barrier::new(5)));
    for _ in 0..5 {
        let (session, begin) = (stack.cluster.connect("bare").await.unwrap(), Arc::clone(&begin));
        sessions.spawn(async move {
            begin.wait().await;
            one::<Value>(&session, "SELECT raw_ops.setup()").await["applied"]
                .as_array()
                .unwrap()
                .len() as i64
        });
    }
    let applied = sessions.join_all().await;
    let migrations: i64 = one(&client, "SELECT count(*) FROM raw_ops.schema_migrations").await;
    assert!(migrations > 0);
    assert_eq!(applied.iter().sum::<i64>(), migrations, "{applied:?}");
    assert_eq!(
        applied.iter().filter(|count| **count > 0).count(),
        1,
        "one did it all: {applied:?}"
    );
    stack.cluster.create_database("alone").await.unwrap();
    let alone = stack.cluster.connect("alone").await.unwrap();
    run(&alone, "CREATE EXTENSION raw_ops").await;
    run(&alone, "SELECT raw_ops.setup()").await;
    assert_eq!(
        column::<String>(&client, CATALOG).await,
        column::<String>(&alone, CATALOG).await
    );
}

/// A call of each function.
const CALLS: &[&str] = &[
    "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'e', '{}', '{}')",
    "SELECT raw_ops.receive_webhooks(array['shopify'], array['t'], array['e'], array['{}']::jsonb[], array['{}']::bytea[])",
    "SELECT raw_ops.process_order_webhook_txn('{\"id\": 1}')",
    "SELECT raw_ops.process_webhook('00000000-0000-0000-0000-000000000000')",
    "SELECT raw_ops.process_pending_webhooks()",
    "SELECT raw_ops.retry_failed_webhooks()",
    "CALL raw_ops.drain_inbox()",
    "SELECT raw_ops.fn_resolve_webhook_manually_v1('00000000-0000-0000-0000-000000000000', 'note')",
    "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', 'https://hooks.example/services')",
    "SELECT raw_ops.fn_resume_delivery_v1()",
    "SELECT raw_ops.fn_deliver_outbox_v1()",
    "CALL raw_ops.deliver_outbox()",
    "SELECT raw_ops.fn_invoke_monitor('webhook_health')",
    "SELECT raw_ops.fn_check_order_ingestion_slo_v2()",
    "SELECT raw_ops.check_order_ingestion_slo()",
    "SELECT raw_ops.fn_check_webhook_health_v2()",
    "SELECT raw_ops.fn_check_webhook_daily_digest_v2()",
    "SELECT raw_ops.fn_check_monitoring_heartbeat_v2()",
    "SELECT raw_ops.fn_check_webhook_silence_v1()",
    "SELECT raw_ops.fn_resend_alerts_v1()",
    "SELECT raw_ops.process_courier_event('00000000-0000-0000-0000-000000000000', 'DPD', '01', '', now(), '{}')",
    "SELECT raw_ops.fn_retry_courier_notifications_v1()",
    "SELECT raw_ops.fn_complete_courier_task_v1('00000000-0000-0000-0000-000000000000', 'note')",
    "SELECT raw_ops.fn_check_courier_watchdog_health_v2()",
    "SELECT raw_ops.fn_dashboard_html_v1()",
    "SELECT raw_ops.fn_metrics_v1()",
    "SELECT raw_ops.fn_archive_webhooks_v1()",
    "CALL raw_ops.archive_inbox()",
    "SELECT raw_ops.fold_webhook_tallies()",
    "SELECT raw_ops.fn_housekeeping_v1()",
    "CALL raw_ops.run_housekeeping()",
];

#[tokio::test]
async fn before_setup_or_on_an_older_schema_every_function_says_what_to_run() {
    let (stack, client) = bare().await;
    let known: Vec<String> = column(
        &client,
        "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace AND prorettype <> 'trigger'::regtype
            AND proname NOT IN ('setup', 'fn_uuid_v7', 'fn_schedule_jobs_v1', 'fn_unschedule_jobs_v1', 'delivery_fingerprint',
                                'fn_health_v1') ORDER BY 1",
    )
    .await;
    for function in &known {
        assert!(
            CALLS
                .iter()
                .any(|call| call.contains(&format!("raw_ops.{function}("))),
            "{function} is not tried here"
        );
    }
    let all_refuse = async |client: &Client, message: &str| {
        for call in CALLS {
            let refusal = refused(client, call).await;
            assert_eq!(
                refusal.hint, "Run: SELECT raw_ops.setup();",
                "{call}: {refusal:?}"
            );
            assert!(refusal.message.contains(message), "{call}: {refusal:?}");
        }
    };
    all_refuse(&client, "raw_ops is not set up in this database").await;
    // The one that is asked what is wrong answers.
    let health: Value = one(&client, "SELECT raw_ops.fn_health_v1()").await;
    assert_eq!(health["status"], "critical");
    assert_eq!(
        health["faults"][0]["next"],
        serde_json::json!(["SELECT raw_ops.setup();"])
    );

    // A library that was upgraded finds the schema of the version before.
    run(&client, "SELECT raw_ops.setup()").await;
    run(&client, "DELETE FROM raw_ops.schema_migrations WHERE version = (SELECT max(version) FROM raw_ops.schema_migrations)").await;
    let upgraded = stack.cluster.connect("bare").await.unwrap();
    all_refuse(&upgraded, "the raw_ops schema is at version ").await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_unicode_is_refused_with_the_way_out() {
    let (stack, client) = bare().await;
    run(
        &client,
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    )
    .await;
    let client = stack.cluster.connect("latin").await.unwrap();
    run(&client, "CREATE EXTENSION raw_ops").await;
    let refusal = refused(&client, "SELECT raw_ops.setup()").await;
    assert!(refusal.message.contains("LATIN1"), "{refusal:?}");
    assert!(refusal.hint.contains("ENCODING 'UTF8'"), "{refusal:?}");
    assert_eq!(
        one::<Option<String>>(&client, "SELECT to_regclass('raw_ops.orders')::text").await,
        None
    );
}
