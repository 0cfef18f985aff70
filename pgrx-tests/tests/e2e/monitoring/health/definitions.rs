//! What stands under a name of ours but is something else: health names it, and what it prints makes it as it was. What an
//! owner adds, a restore and other settings of the session are no fault.

use super::drills::{Drill, assert_stores, drill};
use super::*;
use raw_ops_e2e::Cluster;

const OF_DEFINITION: [&str; 5] = ["columns", "constraints", "indexes", "triggers", "definitions"];

fn assert_as_made(found: &Value) {
    for what in OF_DEFINITION {
        assert_eq!(fault(found, what), None, "{found}");
    }
}

async fn drill_each(drills: &[Drill<'_>]) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(
        &stack,
        "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end'",
    )
    .await;
    for one in drills {
        drill(&stack, *one).await;
        assert_as_made(&health(&stack.connect().await.unwrap()).await);
    }
    assert_stores(&stack, "after all of it").await;
}

#[tokio::test]
async fn an_index_or_key_that_is_another_under_its_name_is_named_and_made_again() {
    drill_each(&[
        (
            "indexes",
            &["customers_guest_email_key", "CREATE INDEX"],
            "DROP INDEX raw_ops.customers_guest_email_key;
             CREATE INDEX customers_guest_email_key ON raw_ops.customers (email)",
        ),
        (
            "indexes",
            &["idx_webhook_inbox_pending", "created_at"],
            "DROP INDEX raw_ops.idx_webhook_inbox_pending;
             CREATE INDEX idx_webhook_inbox_pending ON raw_ops.webhook_inbox (created_at) WHERE processing_status = 'pending'",
        ),
        (
            "indexes",
            &["idx_webhook_inbox_due", "WHERE false"],
            "DROP INDEX raw_ops.idx_webhook_inbox_due;
             CREATE INDEX idx_webhook_inbox_due ON raw_ops.webhook_inbox (next_retry_at) WHERE false",
        ),
        (
            "indexes",
            &["webhook_inbox_shop_domain_provider_event_id_key", "WHERE false"],
            "ALTER TABLE raw_ops.webhook_inbox DROP CONSTRAINT webhook_inbox_shop_domain_provider_event_id_key;
             CREATE UNIQUE INDEX webhook_inbox_shop_domain_provider_event_id_key ON raw_ops.webhook_inbox (shop_domain, provider, event_id) WHERE false",
        ),
        (
            "indexes",
            &["customers_shop_domain_shopify_customer_id_key", "UNIQUE (id, shopify_customer_id)"],
            "ALTER TABLE raw_ops.customers DROP CONSTRAINT customers_shop_domain_shopify_customer_id_key;
             ALTER TABLE raw_ops.customers ADD CONSTRAINT customers_shop_domain_shopify_customer_id_key
                 UNIQUE (id, shopify_customer_id)",
        ),
        (
            "indexes",
            &["order_items_order_id_fkey"],
            "ALTER TABLE raw_ops.order_items DROP CONSTRAINT order_items_order_id_fkey;
             ALTER TABLE raw_ops.order_items ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES raw_ops.orders",
        ),
        (
            "indexes",
            &["idx_orders_ordered_at", "raw_ops.customers"],
            "DROP INDEX raw_ops.idx_orders_ordered_at; CREATE INDEX idx_orders_ordered_at ON raw_ops.customers (created_at)",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_trigger_that_is_another_under_its_name_is_named_and_made_again() {
    drill_each(&[
        (
            "triggers",
            &["trigger_webhook_inbox_wake"],
            "CREATE OR REPLACE TRIGGER trigger_webhook_inbox_wake AFTER INSERT ON raw_ops.webhook_inbox
                 FOR EACH STATEMENT EXECUTE FUNCTION public.nothing()",
        ),
        (
            "triggers",
            &["trigger_webhook_inbox_status"],
            "CREATE OR REPLACE TRIGGER trigger_webhook_inbox_status BEFORE UPDATE ON raw_ops.webhook_inbox
                 FOR EACH ROW WHEN (false) EXECUTE FUNCTION raw_ops.guard_webhook_status()",
        ),
        (
            "triggers",
            &["trigger_notify_courier_exception"],
            "CREATE OR REPLACE TRIGGER trigger_notify_courier_exception AFTER UPDATE ON raw_ops.ops_events
                 FOR EACH ROW EXECUTE FUNCTION raw_ops.notify_courier_exception()",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_column_dropped_renamed_or_changed_is_named_and_put_back() {
    drill_each(&[
        (
            "columns",
            &["dropped: orders.note"],
            "ALTER TABLE raw_ops.orders DROP COLUMN note",
        ),
        (
            "columns",
            &["renamed", "customers.phone"],
            "ALTER TABLE raw_ops.customers RENAME COLUMN phone TO \"Phone\"",
        ),
        (
            "columns",
            &["renamed", "webhook_inbox.error_category"],
            "ALTER TABLE raw_ops.webhook_inbox RENAME COLUMN error_category TO class",
        ),
        (
            "columns",
            &["character varying(9)", "orders.cancel_reason"],
            "ALTER TABLE raw_ops.orders ALTER COLUMN cancel_reason TYPE varchar(9)",
        ),
        (
            "columns",
            &["orders.export_state"],
            "ALTER TABLE raw_ops.orders ALTER COLUMN export_state TYPE varchar(20)",
        ),
        (
            "columns",
            &["no longer NOT NULL: orders.created_at"],
            "ALTER TABLE raw_ops.orders ALTER COLUMN created_at DROP NOT NULL",
        ),
        (
            "columns",
            &["now NOT NULL: courier_events.event_text"],
            "ALTER TABLE raw_ops.courier_events ALTER COLUMN event_text SET NOT NULL",
        ),
        (
            "columns",
            &["without its default: orders.id", "fn_uuid_v7"],
            "ALTER TABLE raw_ops.orders ALTER COLUMN id DROP DEFAULT",
        ),
        (
            "columns",
            &["another default: webhook_inbox.processing_status"],
            "ALTER TABLE raw_ops.webhook_inbox ALTER COLUMN processing_status SET DEFAULT 'success'",
        ),
        (
            "columns",
            &["http_requests.lane"],
            "ALTER TABLE raw_ops.http_requests ALTER COLUMN lane DROP EXPRESSION",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_check_dropped_or_made_to_refuse_everything_is_named_and_put_back() {
    drill_each(&[
        (
            "constraints",
            &["order_items_quantity_check"],
            "ALTER TABLE raw_ops.order_items DROP CONSTRAINT order_items_quantity_check",
        ),
        (
            "constraints",
            &["webhook_inbox_times_check", "CHECK (false)"],
            "ALTER TABLE raw_ops.webhook_inbox DROP CONSTRAINT webhook_inbox_times_check;
             ALTER TABLE raw_ops.webhook_inbox ADD CONSTRAINT webhook_inbox_times_check CHECK (false) NOT VALID",
        ),
    ])
    .await;
}

/// What an owner may well do.
const ADDITIONS: &str = "
    ALTER TABLE raw_ops.orders ADD COLUMN warehouse text NOT NULL DEFAULT 'Berlin', ADD CHECK (warehouse <> '');
    CREATE INDEX orders_by_warehouse ON raw_ops.orders (warehouse);
    ALTER TABLE raw_ops.webhook_inbox ADD COLUMN ticket integer;
    ALTER INDEX raw_ops.idx_orders_ordered_at SET (fillfactor = 70);
    ALTER TABLE raw_ops.customers SET (fillfactor = 80);
    CREATE FUNCTION raw_ops.my_note() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
    CREATE TRIGGER my_note AFTER INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION raw_ops.my_note();
    INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, created_at)
    VALUES ('shopify', 'orders/create', 'long ago', '{}', 'success', '2024-02-29 12:00+00');
    SELECT raw_ops.fn_archive_webhooks_v1()";

/// How a session prints: nothing that is compared may depend on it.
const OTHER_SETTINGS: &str =
    "SET timezone = 'Asia/Kathmandu'; SET datestyle = 'German'; SET intervalstyle = 'iso_8601';
    SET quote_all_identifiers = on; SET bytea_output = 'escape'; SET search_path = public, raw_ops";

#[tokio::test]
async fn what_an_owner_adds_and_what_a_restore_into_a_fresh_cluster_leaves_is_no_fault() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let cluster = &stack.cluster;
    cluster.create_database("source").await.unwrap();
    let source = cluster.connect("source").await.unwrap();
    run(&source, OTHER_SETTINGS).await;
    run(&source, "CREATE EXTENSION raw_ops; SELECT raw_ops.setup()").await;
    assert_as_made(&health(&source).await);
    run(&source, ADDITIONS).await;
    assert_as_made(&health(&source).await);
    assert_as_made(&health(&cluster.connect("source").await.unwrap()).await);
    // A column's number differs after a restore where another was dropped before it.
    run(
        &source,
        "ALTER TABLE raw_ops.orders DROP COLUMN warehouse; SELECT raw_ops.setup()",
    )
    .await;
    assert_as_made(&health(&source).await);

    let dump = cluster.pg_dump("source", &[]).await.unwrap();
    let fresh = Cluster::builder()
        .for_raw_ops("other")
        .fast()
        .start()
        .await
        .unwrap();
    fresh.create_database("copy").await.unwrap();
    fresh.pg_restore("copy", &dump, &[]).await.unwrap();
    let copy = fresh.connect("copy").await.unwrap();
    assert_as_made(&health(&copy).await);
    run(&copy, "SELECT raw_ops.setup()").await;
    assert_as_made(&health(&copy).await);
    // And what breaks there is found there.
    run(&copy, "ALTER TABLE raw_ops.orders ALTER COLUMN id DROP DEFAULT").await;
    let found = health(&copy).await;
    let told = fault(&found, "columns").unwrap_or(&Value::Null).to_string();
    assert!(told.contains("orders.id"), "{found}");
}

#[tokio::test]
async fn setup_again_makes_no_damage_the_rule_unless_the_owner_says_so() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    let again: Value = one(&owner, "SELECT raw_ops.setup()").await;
    assert_eq!(again["applied"], serde_json::json!([]));
    run(
        &owner,
        "DROP INDEX raw_ops.idx_orders_ordered_at; CREATE INDEX idx_orders_ordered_at ON raw_ops.orders (id);
         ALTER TABLE raw_ops.customers DROP CONSTRAINT customers_shop_domain_shopify_customer_id_key;
         SELECT raw_ops.setup(); SELECT raw_ops.setup()",
    )
    .await;
    let found = health(&owner).await;
    let told = serde_json::json!(all_faults(&found, "indexes")).to_string();
    // A key that is gone it makes again.
    assert!(
        told.contains("idx_orders_ordered_at")
            && !told.contains("customers_shop_domain_shopify_customer_id_key"),
        "{told}"
    );

    // Meant so: health forgets it.
    run(
        &owner,
        "ALTER TABLE raw_ops.customers DROP CONSTRAINT customers_shop_domain_shopify_customer_id_key;
         ALTER TABLE raw_ops.customers ADD CONSTRAINT customers_shop_domain_shopify_customer_id_key
             UNIQUE (shopify_customer_id, shop_domain);
         DELETE FROM raw_ops.schema_objects WHERE name = 'idx_orders_ordered_at'",
    )
    .await;
    assert_as_made(&health(&owner).await);
    // All of it forgotten is told, and what stands then is taken as right.
    run(&owner, "DELETE FROM raw_ops.schema_objects").await;
    let found = health(&owner).await;
    paste(&owner, &[fault(&found, "definitions").unwrap()]).await;
    assert_as_made(&health(&owner).await);
    run(&owner, "DROP INDEX raw_ops.idx_orders_ordered_at; CREATE INDEX idx_orders_ordered_at ON raw_ops.orders (ordered_at)").await;
    assert!(fault(&health(&owner).await, "indexes").is_some());
}
