//! `setup()` as a check-up: what was dropped, switched off or emptied it brings back and says so; what it may not, it names.

use crate::drills::incidents::report;
use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio_postgres::Client;

const SETUP: &str = "SELECT raw_ops.setup()";

async fn set_up() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    (stack, client)
}

async fn setup(client: &Client) -> Value {
    one(client, SETUP).await
}

#[tokio::test]
async fn what_it_brings_back_stands_in_its_answer_line_by_line() {
    let (_stack, client) = set_up().await;
    let calm = setup(&client).await;
    assert_eq!(
        (&calm["mended"], &calm["left"]),
        (&json!([]), &json!([])),
        "{calm}"
    );
    for (damage, told) in [
        (
            "ALTER TABLE raw_ops.webhook_inbox DISABLE TRIGGER trigger_webhook_inbox_wake",
            "trigger trigger_webhook_inbox_wake of raw_ops.webhook_inbox was disabled: enabled",
        ),
        (
            "DROP TRIGGER trigger_http_requests_wake ON raw_ops.http_requests",
            "trigger trigger_http_requests_wake of raw_ops.http_requests was missing: made anew",
        ),
        (
            "DROP INDEX raw_ops.idx_webhook_inbox_due",
            "index idx_webhook_inbox_due of raw_ops.webhook_inbox was missing: made anew",
        ),
        (
            "DROP VIEW raw_ops.health_indicators",
            "view raw_ops.health_indicators was missing: made anew",
        ),
        (
            "ALTER VIEW raw_ops.error_summary RENAME COLUMN topics TO themes",
            "view raw_ops.error_summary was another: made anew",
        ),
        (
            "ALTER TABLE raw_ops.customers DROP CONSTRAINT customers_shop_domain_shopify_customer_id_key",
            "constraint customers_shop_domain_shopify_customer_id_key of raw_ops.customers was missing: made anew",
        ),
        (
            "ALTER TABLE raw_ops.orders ALTER COLUMN id DROP DEFAULT",
            "default of raw_ops.orders.id was missing: set again",
        ),
        (
            "TRUNCATE raw_ops.retry_schedule",
            "table raw_ops.retry_schedule was empty: filled with its defaults",
        ),
        (
            "ALTER TABLE raw_ops.webhook_inbox DROP CONSTRAINT webhook_inbox_provider_check",
            "check webhook_inbox_provider_check of raw_ops.webhook_inbox did not name this version's providers: replaced",
        ),
    ] {
        run(&client, damage).await;
        let said = setup(&client).await;
        let asked = (&said["applied"], &said["mended"], &said["left"]);
        assert_eq!(
            asked,
            (&json!([]), &json!([told]), &json!([])),
            "{damage}: {said}"
        );
    }
    let again = setup(&client).await;
    assert_eq!(again["mended"], json!([]), "{again}");
}

/// A key is made before the foreign key that refers to it.
#[tokio::test]
async fn a_primary_key_comes_back_with_what_hung_on_it() {
    let (stack, client) = set_up().await;
    run(
        &client,
        "ALTER TABLE raw_ops.orders DROP CONSTRAINT orders_pkey CASCADE",
    )
    .await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let invalid =
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'raw_ops.idx_orders_ordered_at'::regclass";
    run(&superuser, invalid).await;
    let said = setup(&client).await;
    let told = said["mended"].to_string();
    for line in [
        "constraint orders_pkey of raw_ops.orders was missing: made anew",
        "constraint order_items_order_id_fkey of raw_ops.order_items was missing: made anew",
        "index idx_orders_ordered_at of raw_ops.orders was invalid: built anew",
    ] {
        assert!(told.contains(line), "{line}: {said}");
    }
    assert_eq!(said["left"], json!([]), "{said}");
}

#[tokio::test]
async fn what_it_may_not_mend_is_left_with_what_to_do() {
    let (_stack, client) = set_up().await;
    run(
        &client,
        "INSERT INTO raw_ops.customers (shop_domain, shopify_customer_id)
         VALUES ('a.example', '7');
         ALTER TABLE raw_ops.customers DROP CONSTRAINT customers_shop_domain_shopify_customer_id_key;
         INSERT INTO raw_ops.customers (shop_domain, shopify_customer_id) VALUES ('a.example', '7');
         ALTER TABLE raw_ops.orders DROP COLUMN cancel_reason CASCADE;
         ALTER TABLE raw_ops.webhook_inbox FORCE ROW LEVEL SECURITY",
    )
    .await;
    let said = setup(&client).await;
    let left = said["left"].to_string();
    for part in [
        "customers_shop_domain_shopify_customer_id_key of raw_ops.customers cannot be mended: ",
        "ALTER TABLE raw_ops.orders ADD COLUMN cancel_reason",
        "ALTER TABLE raw_ops.webhook_inbox NO FORCE ROW LEVEL SECURITY;",
    ] {
        assert!(left.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn a_table_of_settings_or_of_the_monitors_runs_is_made_anew_and_said_to_be() {
    let (_stack, client) = set_up().await;
    let retries = "SELECT count(*) FROM raw_ops.retry_schedule";
    let before: i64 = one(&client, retries).await;
    run(&client, "DROP TABLE raw_ops.retry_schedule CASCADE").await;
    let health: Value = one(&client, "SELECT raw_ops.fn_health_v1()").await;
    let of_tables = |fault: &&Value| fault["what"] == "tables";
    let fault = health["faults"]
        .as_array()
        .unwrap()
        .iter()
        .find(of_tables)
        .unwrap();
    assert_eq!(fault["next"], json!(["SELECT raw_ops.setup();"]), "{fault}");
    report(21, &["SELECT raw_ops.setup();".to_owned()]);
    let said = setup(&client).await;
    let told = "table raw_ops.retry_schedule was missing: made anew with its defaults; what had been changed in it is lost";
    assert_eq!(said["mended"][0], told, "{said}");
    assert_eq!(one::<i64>(&client, retries).await, before);

    run(
        &client,
        "DROP TABLE raw_ops.monitors, raw_ops.monitor_thresholds, raw_ops.monitoring_runs, raw_ops.log_retention CASCADE",
    )
    .await;
    let said = setup(&client).await;
    for part in [
        "raw_ops.monitors was missing: made anew with its defaults",
        "raw_ops.monitoring_runs was missing: made anew, empty",
        "raw_ops.log_retention was missing: made anew, empty: logs are kept",
    ] {
        assert!(said["mended"].to_string().contains(part), "{part}: {said}");
    }
    assert_eq!(said["left"], json!([]), "{said}");
    let open: Vec<String> = column(
        &client,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'r' AND NOT relrowsecurity",
    )
    .await;
    assert_eq!(open, [] as [&str; 0], "row security");
    run(&client, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await;
}

#[tokio::test]
async fn a_table_with_the_shops_data_is_not_made_anew_and_one_that_stands_elsewhere_is_found() {
    let (stack, client) = set_up().await;
    run(&client, "DROP TABLE raw_ops.courier_tasks CASCADE").await;
    let refusal = refused(&client, SETUP).await;
    let told = format!("{} {}", refusal.message, refusal.hint);
    assert!(
        told.contains("pg_restore -d shop -n raw_ops -t courier_tasks"),
        "{told}"
    );
    stack.cluster.create_database("other").await.unwrap();
    let other = stack.cluster.connect("other").await.unwrap();
    run(
        &other,
        "CREATE EXTENSION raw_ops; SELECT raw_ops.setup(); CREATE SCHEMA elsewhere",
    )
    .await;
    // A copy is not what is missing.
    run(
        &other,
        "CREATE TABLE raw_ops.orders_copy (LIKE raw_ops.orders INCLUDING ALL)",
    )
    .await;
    for (damage, back) in [
        (
            "ALTER TABLE raw_ops.orders RENAME TO orders_old",
            "ALTER TABLE raw_ops.orders_old RENAME TO orders;",
        ),
        (
            "ALTER TABLE raw_ops.retry_schedule SET SCHEMA elsewhere",
            "ALTER TABLE elsewhere.retry_schedule SET SCHEMA raw_ops;",
        ),
    ] {
        run(&other, damage).await;
        let refusal = refused(&other, SETUP).await;
        assert!(refusal.hint.contains(back), "{damage}: {}", refusal.hint);
        let health: Value = one(&other, "SELECT raw_ops.fn_health_v1()").await;
        let of_tables = |fault: &&Value| fault["what"] == "tables";
        let fault = health["faults"]
            .as_array()
            .unwrap()
            .iter()
            .find(of_tables)
            .unwrap();
        assert_eq!(fault["next"], json!([back]), "{health}");
        run(&other, back).await;
        let said = setup(&other).await;
        assert_eq!(said["mended"], json!([]), "{said}");
    }
}

#[tokio::test]
async fn jobs_are_told_and_not_touched() {
    let options = StackOptions {
        schedule_jobs: true,
        ..by_hand()
    };
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    assert_eq!(setup(&superuser).await["jobs"], json!([]));
    let switch_off = "UPDATE cron.job SET active = false WHERE jobname = 'raw-ops-drain'";
    run(&superuser, switch_off).await;
    let owner = stack.connect().await.unwrap();
    let told = "raw-ops-drain is not active: SELECT raw_ops.fn_schedule_jobs_v1();";
    assert_eq!(setup(&owner).await["jobs"], json!([told]));
    let off: i64 = one(&superuser, "SELECT count(*) FROM cron.job WHERE NOT active").await;
    assert_eq!(off, 1);
    run(&owner, "SELECT raw_ops.fn_unschedule_jobs_v1()").await;
    let none = "none is scheduled: SELECT raw_ops.fn_schedule_jobs_v1();";
    assert_eq!(setup(&owner).await["jobs"], json!([none]));
}
