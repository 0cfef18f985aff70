//! `setup()` makes the views anew where one of them is missing or another. What an owner has granted on one stays, what an
//! owner has built on one is never dropped.

use crate::support::*;
use raw_ops_e2e::{Cluster, Stack};
use serde_json::{Value, json};
use tokio_postgres::Client;

const SETUP: &str = "SELECT raw_ops.setup()";

/// What the views are, who may read them, and whether they are the same ones.
async fn views(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' ', relname, pg_get_viewdef(oid), array(SELECT entry::text FROM unnest(relacl) AS entry ORDER BY 1), reloptions,
                          array(SELECT concat(attname, attacl, col_description(attrelid, attnum)) FROM pg_attribute
                                 WHERE attrelid = pg_class.oid ORDER BY attnum),
                          obj_description(oid, 'pg_class'))
           FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'v' ORDER BY 1",
    )
    .await
}

async fn set_up() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE analyst LOGIN; CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO PUBLIC",
    )
    .await;
    run(
        &client,
        "GRANT SELECT ON raw_ops.error_summary, raw_ops.dashboard_error_categories TO analyst;
         GRANT SELECT ON raw_ops.error_summary TO PUBLIC;
         GRANT SELECT (queue_depth) ON raw_ops.retry_queue_depth TO analyst WITH GRANT OPTION;
         ALTER VIEW raw_ops.error_summary SET (security_barrier = true)",
    )
    .await;
    (stack, client)
}

#[tokio::test]
async fn while_all_views_stand_setup_waits_for_nobody_who_reads_them() {
    let (stack, client) = set_up().await;
    let identities = "SELECT concat_ws(' ', oid, xmin) FROM pg_class
                       WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'v' ORDER BY 1";
    let before: Vec<String> = column(&client, identities).await;
    let reader = stack.connect().await.unwrap();
    run(&reader, "BEGIN").await;
    for name in ["webhook_health", "courier_kpis"] {
        run(&reader, &format!("SELECT FROM raw_ops.{name}")).await;
    }
    run(
        &client,
        &format!("SET lock_timeout = '1s'; SET intervalstyle = 'iso_8601'; {SETUP}"),
    )
    .await;
    assert_eq!(column::<String>(&client, identities).await, before);
}

#[tokio::test]
async fn a_view_that_is_missing_or_another_is_made_anew_with_what_was_granted_on_it() {
    let (_stack, client) = set_up().await;
    let before = views(&client).await;
    for damage in [
        "DROP VIEW raw_ops.health_indicators",
        // Replaced by one with the same columns; by one with other columns, and another of ours reads it.
        "CREATE OR REPLACE VIEW raw_ops.dashboard_error_categories AS
             SELECT 'none'::text AS error_category, 1::bigint AS webhook_count, 2::numeric AS share_percent",
        "ALTER VIEW raw_ops.error_summary RENAME COLUMN topics TO themes",
        "DO $$ BEGIN
             EXECUTE 'CREATE OR REPLACE VIEW raw_ops.retry_queue_depth AS SELECT *, 1 AS more FROM ('
                     || rtrim(pg_get_viewdef('raw_ops.retry_queue_depth'::regclass), ';') || ') AS queue';
         END $$",
    ] {
        run(&client, damage).await;
        assert_ne!(views(&client).await, before, "{damage}");
        let said: Value = one(&client, SETUP).await;
        assert_eq!(said["applied"], json!([]), "{damage}");
        assert_eq!(views(&client).await, before, "{damage}");
    }
    let health: Value = one(&client, "SELECT raw_ops.fn_health_v1()").await;
    let of_views = |fault: &&Value| fault["what"] == "views";
    assert_eq!(
        health["faults"].as_array().unwrap().iter().find(of_views),
        None,
        "{health}"
    );
}

#[tokio::test]
async fn what_an_owner_has_built_on_a_view_stays_and_is_named_where_it_is_in_the_way() {
    let (_stack, client) = set_up().await;
    let before = views(&client).await;
    run(
        &client,
        "CREATE VIEW mine.worst AS SELECT error_category, themes.topics FROM raw_ops.error_summary AS themes LIMIT 3;
         CREATE FUNCTION mine.summary() RETURNS SETOF raw_ops.error_summary LANGUAGE sql AS 'SELECT * FROM raw_ops.error_summary'",
    )
    .await;
    // The same columns: it is replaced beneath them.
    run(&client, "DROP VIEW raw_ops.health_indicators").await;
    run(&client, SETUP).await;
    assert_eq!(views(&client).await, before);
    run(&client, "SELECT * FROM mine.worst; SELECT * FROM mine.summary()").await;

    // Other columns, as after an upgrade.
    run(
        &client,
        "ALTER VIEW raw_ops.error_summary RENAME COLUMN topics TO themes",
    )
    .await;
    let damaged = views(&client).await;
    let refusal = refused(&client, SETUP).await;
    for named in [
        "raw_ops.error_summary",
        "view mine.worst",
        "function mine.summary()",
    ] {
        assert!(refusal.message.contains(named), "{refusal:?}");
    }
    assert_eq!(views(&client).await, damaged, "nothing is half done");
    let statements = refusal.hint.split_once("run: ").unwrap().1;
    let statements = statements.split_once(" then").unwrap().0;
    assert!(
        statements.contains("DROP VIEW mine.worst;") && statements.ends_with(&format!("{SETUP};")),
        "{refusal:?}"
    );
    run(&client, statements).await;
    assert_eq!(views(&client).await, before);
}

#[tokio::test]
async fn something_else_in_the_place_of_a_view_is_named() {
    let (_stack, client) = set_up().await;
    let before = views(&client).await;
    run(
        &client,
        "DROP VIEW raw_ops.courier_kpis; CREATE MATERIALIZED VIEW raw_ops.courier_kpis AS SELECT 1 AS kpi",
    )
    .await;
    let refusal = refused(&client, SETUP).await;
    assert!(refusal.message.contains("raw_ops.courier_kpis"), "{refusal:?}");
    run(&client, refusal.hint.split_once(": ").unwrap().1).await;
    run(&client, "DROP MATERIALIZED VIEW raw_ops.my_courier_kpis").await;
    assert_eq!(views(&client).await, before);
}

#[tokio::test]
async fn views_of_another_version_are_told_by_health_until_setup_has_run() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "UPDATE raw_ops.schema_objects SET definition = 'of another version'
          WHERE (kind, table_name, name) = ('view', 'webhook_health', 'script')",
    )
    .await;
    let told = "SELECT fault->>'problem' || ': ' || (fault->'next'->>0)
                  FROM jsonb_array_elements(raw_ops.fn_health_v1()->'faults') AS fault WHERE fault->>'what' = 'views'";
    assert_eq!(
        column::<String>(&client, told).await,
        ["views are another version's: webhook_health: SELECT raw_ops.setup();"]
    );
    run(&client, SETUP).await;
    assert_eq!(column::<String>(&client, told).await, [""; 0]);
}

#[tokio::test]
async fn a_restored_database_has_the_views_and_their_grants_and_setup_leaves_them() {
    let cluster = Cluster::builder().socket_only().fast().start().await.unwrap();
    cluster.create_database("source").await.unwrap();
    let source = cluster.connect("source").await.unwrap();
    run(
        &source,
        "CREATE EXTENSION raw_ops; SELECT raw_ops.setup(); CREATE ROLE analyst;
         GRANT SELECT ON raw_ops.webhook_health TO analyst",
    )
    .await;
    let before = views(&source).await;
    let dump = cluster.pg_dump("source", &[]).await.unwrap();
    cluster.create_database("copy").await.unwrap();
    cluster.pg_restore("copy", &dump, &[]).await.unwrap();
    let copy = cluster.connect("copy").await.unwrap();
    for _ in 0..2 {
        run(&copy, SETUP).await;
        let granted: bool = one(
            &copy,
            "SELECT has_table_privilege('analyst', 'raw_ops.webhook_health', 'SELECT')",
        )
        .await;
        assert!(granted);
        assert_eq!(views(&copy).await.len(), before.len());
    }
}
