//! A dump holds every row and everything an owner added; a restore fires nothing; DROP EXTENSION destroys nothing.

use std::collections::BTreeMap;

use crate::support::*;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::{Cluster, Stack, wait_until};
use tokio_postgres::Client;

/// Every table of the schema with all its rows as text.
async fn all_rows(client: &Client) -> BTreeMap<String, Vec<String>> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind IN ('r', 'p')";
    let mut rows = BTreeMap::new();
    for table in column::<String>(client, tables).await {
        let sql = format!("SELECT to_jsonb(t)::text FROM raw_ops.{table} t ORDER BY 1");
        rows.insert(table, column(client, &sql).await);
    }
    rows
}

/// Columns, indexes, constraints, triggers, comments, privileges, row level security; what PostgreSQL only writes
/// differently after a restore (an explicit default privilege, brackets of a condition) made the same.
async fn all_definitions(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' ', c.relkind, c.relname, c.relrowsecurity, c.reloptions,
                          array(SELECT a::text FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) a ORDER BY 1), pg_get_indexdef(i.indexrelid),
                          obj_description(c.oid, 'pg_class'))
           FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = 'raw_ops'::regnamespace
         UNION ALL
         SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcompression,
                          a.attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
           LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
          WHERE c.relnamespace = 'raw_ops'::regnamespace AND c.relkind IN ('r', 'p')
         UNION ALL
         SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
           FROM pg_constraint WHERE connamespace = 'raw_ops'::regnamespace
         UNION ALL
         SELECT concat_ws(' ', tgenabled, translate(pg_get_triggerdef(t.oid), '()', '')) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE c.relnamespace = 'raw_ops'::regnamespace AND NOT t.tgisinternal
         ORDER BY 1",
    )
    .await
}

/// Rows in every state, and what an owner added.
async fn fill(client: &Client, orders: &[Order]) {
    let (processed, pending) = orders.split_at(orders.len() / 2);
    receive_orders(client, processed).await;
    for event in ["malformed", "not json", "settled"] {
        receive(
            client,
            "orders/create",
            event,
            if event == "not json" { b"\xff{" } else { b"{}" },
        )
        .await;
    }
    drain(client, 1_000).await;
    run(
        client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts, last_error, last_error_at)
         VALUES ('shopify', 'orders/create', 'dead', '{}', 'dlq', 5, 'five times', now()),
                ('shopify', 'orders/create', 'settled by hand', '{}', 'dlq', 5, 'five times', now()),
                ('shopify', 'orders/create', 'left by a crash', '{}', 'retrying', 1, null, null);
         SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'settled') FROM raw_ops.webhook_inbox WHERE event_id = 'settled by hand';
         ALTER TABLE raw_ops.orders ADD COLUMN warehouse text;
         UPDATE raw_ops.orders SET warehouse = 'Berlin' WHERE order_number % 2 = 0;
         CREATE INDEX orders_by_warehouse ON raw_ops.orders (warehouse) WHERE warehouse IS NOT NULL;
         ALTER TABLE raw_ops.webhook_inbox ADD COLUMN ticket integer DEFAULT 7;
         UPDATE raw_ops.retry_schedule SET wait = '2 minutes' WHERE attempt = 2;
         INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, created_at)
         VALUES ('shopify', 'orders/create', 'long ago', '{}', 'success', '2024-02-29 12:00+00');
         SELECT raw_ops.fn_archive_webhooks_v1()",
    )
    .await;
    receive_orders(client, pending).await;
}

async fn assert_alive(client: &Client, orders: &[Order]) {
    let refusal = refused(
        client,
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'pending' WHERE event_id = 'dead'",
    )
    .await;
    assert_eq!(refusal.message, "processing_status cannot go from dlq to pending");
    let pending = (orders.len() - orders.len() / 2) as i64;
    assert_eq!(drain(client, 1_000).await, [pending, pending, 0, 0]);
    assert_tables_hold(client, orders).await;
    let known: String = one(
        client,
        "SELECT event_id FROM raw_ops.webhook_inbox WHERE event_id LIKE 'create-%' LIMIT 1",
    )
    .await;
    receive(client, "orders/create", &known, b"{}").await;
    let repeats: i64 = one(client, "SELECT sum(duplicate_count) FROM raw_ops.webhook_inbox").await;
    assert_eq!(repeats, 1, "what was delivered before the dump is known");
}

/// A database of its own: pg_cron cannot be in a second one of the same server.
async fn source(cluster: &Cluster, orders: &[Order]) -> Client {
    cluster.create_database("source").await.unwrap();
    let client = cluster.connect("source").await.unwrap();
    run(&client, "CREATE EXTENSION raw_ops").await;
    run(&client, "SELECT raw_ops.setup()").await;
    fill(&client, orders).await;
    client
}

#[tokio::test]
async fn a_restored_dump_has_every_row_and_every_addition_fires_nothing_and_works() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let cluster = &stack.cluster;
    let orders: Vec<Order> = Generator::new(15).orders(0..120).collect();
    let source = source(cluster, &orders).await;
    let (rows, definitions) = (all_rows(&source).await, all_definitions(&source).await);
    assert_eq!(
        states(&source).await,
        in_states([
            ("dlq", 1),
            ("failed", 3),
            ("pending", 60),
            ("resolved_manual", 1),
            ("retrying", 1),
            ("success", 60)
        ])
    );
    assert!(rows["ops_events"].len() > 100 && rows["orders"].len() == 60);

    let dump = cluster.pg_dump("source", &[]).await.unwrap();
    let file = cluster.dir().join("source.dump");
    std::fs::write(&file, &dump).unwrap();
    for (name, options) in [
        ("plain", &[][..]),
        ("parallel", &["--jobs=3", file.to_str().unwrap()]),
    ] {
        cluster.create_database(name).await.unwrap();
        let input: &[u8] = if options.is_empty() { &dump } else { &[] };
        cluster.pg_restore(name, input, options).await.unwrap();
        let copy = cluster.connect(name).await.unwrap();
        let restored = all_rows(&copy).await;
        assert_eq!(
            restored.keys().collect::<Vec<_>>(),
            rows.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (table, expected) in &rows {
            assert!(restored[table] == *expected, "{name}: rows of {table} differ");
        }
        let found = all_definitions(&copy).await;
        let lost: Vec<_> = definitions
            .iter()
            .filter(|definition| !found.contains(definition))
            .collect();
        let new: Vec<_> = found
            .iter()
            .filter(|definition| !definitions.contains(definition))
            .collect();
        assert!(
            lost.is_empty() && new.is_empty(),
            "{name}: without {lost:?}, with {new:?}"
        );
        let added: i64 = one(&copy, "SELECT count(warehouse) + sum(ticket) FROM raw_ops.orders, (SELECT ticket FROM raw_ops.webhook_inbox LIMIT 1) t").await;
        assert_eq!(added, 30 + 60 * 7, "{name}");
        assert_alive(&copy, &orders).await;
    }
}

#[tokio::test]
async fn a_dump_of_an_ordinary_owners_database_is_restored_with_its_owner_and_grants() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let cluster = &stack.cluster;
    cluster.create_database("source").await.unwrap();
    let admin = cluster.connect("source").await.unwrap();
    run(&admin, "CREATE EXTENSION raw_ops").await;
    run(
        &admin,
        "CREATE ROLE shopkeeper LOGIN; GRANT CREATE, USAGE ON SCHEMA raw_ops TO shopkeeper;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO shopkeeper",
    )
    .await;
    let owner = cluster.connect_as("source", "shopkeeper").await.unwrap();
    run(&owner, "SELECT raw_ops.setup()").await;
    let orders: Vec<Order> = Generator::new(15).orders(0..10).collect();
    fill(&owner, &orders).await;
    let dump = cluster.pg_dump("source", &[]).await.unwrap();
    cluster.create_database("copy").await.unwrap();
    cluster.pg_restore("copy", &dump, &[]).await.unwrap();
    let copy = cluster.connect_as("copy", "shopkeeper").await.unwrap();
    assert_eq!(all_rows(&copy).await, all_rows(&owner).await);
    assert_alive(&copy, &orders).await;
}

#[tokio::test]
async fn a_restore_beside_a_running_worker_is_left_alone_until_it_is_whole() {
    let cluster = Cluster::builder()
        .for_raw_ops("copy")
        .fast()
        .start()
        .await
        .unwrap();
    let orders: Vec<Order> = Generator::new(15).orders(0..120).collect();
    let source = source(&cluster, &orders).await;
    run(
        &source,
        "DELETE FROM raw_ops.webhook_inbox WHERE processing_status = 'retrying'",
    )
    .await;
    let rows = all_rows(&source).await;
    let dump = cluster.pg_dump("source", &[]).await.unwrap();
    for section in ["--section=pre-data", "--section=data"] {
        cluster.pg_restore("copy", &dump, &[section]).await.unwrap();
    }
    let copy = cluster.connect("copy").await.unwrap();
    assert_left_alone(&copy).await;
    assert_eq!(all_rows(&copy).await, rows);

    cluster
        .pg_restore("copy", &dump, &["--section=post-data"])
        .await
        .unwrap();
    let pending = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'";
    wait_until(LIMIT, "what was pending to be processed", async || {
        one::<i64>(&copy, pending).await == 0
    })
    .await
    .unwrap();
    assert_eq!(
        states(&copy).await,
        in_states([
            ("dlq", 1),
            ("failed", 3),
            ("resolved_manual", 1),
            ("success", 120)
        ])
    );
    assert_tables_hold(&copy, &orders).await;
    let events = one::<i64>(&copy, "SELECT count(*) FROM raw_ops.ops_events").await;
    assert_eq!(events, rows["ops_events"].len() as i64);
    let attempts = "SELECT DISTINCT attempts FROM raw_ops.webhook_inbox WHERE processing_status = 'success'";
    assert_eq!(column::<i32>(&copy, attempts).await, [1]);
}

/// Nobody touches it: not the worker, nor a call by hand.
async fn assert_left_alone(copy: &Client) {
    // Constraints and triggers are not back yet: the worker has looked, and so has somebody by hand.
    run(copy, "CREATE TEMP TABLE loaded AS SELECT clock_timestamp() AS at").await;
    let looked = "SELECT count(*) FROM pg_stat_activity, loaded WHERE backend_type = 'raw_ops worker' AND state = 'idle' AND state_change > at";
    wait_until(LIMIT, "the worker to look", async || {
        one::<i64>(copy, looked).await == 1
    })
    .await
    .unwrap();
    for call in [
        "process_pending_webhooks()",
        "retry_failed_webhooks()",
        "receive_webhook('shopify', 't', 'e', '{}', '{}')",
    ] {
        let refusal = refused(copy, &format!("SELECT raw_ops.{call}")).await;
        assert_eq!(refusal.sqlstate, "55000", "{call}: {refusal:?}");
    }
}

#[tokio::test]
async fn dropping_the_extension_keeps_all_data_and_creating_it_again_mends_the_rest() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let orders: Vec<Order> = Generator::new(15).orders(0..40).collect();
    let client = source(&stack.cluster, &orders).await;
    let (rows, definitions) = (all_rows(&client).await, all_definitions(&client).await);
    run(&client, "DROP EXTENSION raw_ops CASCADE").await;
    assert_eq!(all_rows(&client).await, rows);
    let functions: i64 = one(
        &client,
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace",
    )
    .await;
    assert_eq!(functions, 0);

    run(&client, "CREATE EXTENSION raw_ops").await;
    let session = stack.cluster.connect("source").await.unwrap();
    let refusal = refused(&session, "SELECT raw_ops.process_pending_webhooks()").await;
    assert!(refusal.hint.contains("SELECT raw_ops.setup();"), "{refusal:?}");
    run(&client, "SELECT raw_ops.setup()").await;
    assert_eq!(all_rows(&client).await, rows);
    assert_eq!(all_definitions(&client).await, definitions);
    assert_alive(&session, &orders).await;
}

/// Who may do what on the schema, on our functions and on one of an owner's own.
async fn all_grants(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' ', what, grantee::regrole, privilege_type)
           FROM (SELECT 'schema' AS what, (aclexplode(nspacl)).* FROM pg_namespace WHERE nspname = 'raw_ops'
                 UNION ALL
                 SELECT oid::regprocedure::text, (aclexplode(coalesce(proacl, acldefault('f', proowner)))).*
                   FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace) AS granted
          ORDER BY 1",
    )
    .await
}

/// docs/install.md, "Uninstall" and "To come back", word by word.
#[tokio::test]
async fn a_dump_made_after_the_extension_was_dropped_and_created_again_has_every_grant() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let cluster = &stack.cluster;
    cluster.create_database("source").await.unwrap();
    let admin = cluster.connect("source").await.unwrap();
    let grants = "GRANT CREATE, USAGE ON SCHEMA raw_ops TO shop_owner;
                  GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO shop_owner;
                  GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA raw_ops TO shop_owner;
                  GRANT USAGE ON SCHEMA raw_ops TO raw_ops_shim;
                  GRANT EXECUTE ON FUNCTION raw_ops.receive_webhook, raw_ops.receive_webhooks TO raw_ops_shim";
    run(&admin, "CREATE EXTENSION raw_ops; CREATE ROLE analyst LOGIN").await;
    run(&admin, grants).await;
    let owner = cluster.connect_as("source", "shop_owner").await.unwrap();
    run(&owner, "SELECT raw_ops.setup()").await;
    // A function of the owner's in the schema, granted to a person, and to everybody.
    run(
        &owner,
        "CREATE FUNCTION raw_ops.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
         REVOKE ALL ON FUNCTION raw_ops.mine() FROM PUBLIC; GRANT EXECUTE ON FUNCTION raw_ops.mine() TO analyst;
         CREATE FUNCTION raw_ops.everybodys() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    )
    .await;
    let before = all_grants(&admin).await;
    for returns in 0..3 {
        let dump = cluster.pg_dump("source", &[]).await.unwrap();
        let copy = format!("copy{returns}");
        cluster.create_database(&copy).await.unwrap();
        cluster.pg_restore(&copy, &dump, &[]).await.unwrap();
        let restored = cluster.connect(&copy).await.unwrap();
        assert_eq!(all_grants(&restored).await, before, "after {returns} returns");
        let shim = cluster.connect_as(&copy, "raw_ops_shim").await.unwrap();
        receive(&shim, "orders/create", "stored", b"{}").await;

        run(&admin, "DROP EXTENSION raw_ops CASCADE; CREATE EXTENSION raw_ops").await;
        run(&admin, grants).await;
        let owner = cluster.connect_as("source", "shop_owner").await.unwrap();
        run(&owner, "SELECT raw_ops.setup()").await;
        assert_eq!(all_grants(&admin).await, before);
    }
    let on_schema = before.iter().filter(|grant| grant.starts_with("schema "));
    let expected = [
        "schema postgres CREATE",
        "schema postgres USAGE",
        "schema raw_ops_shim USAGE",
        "schema shop_owner CREATE",
        "schema shop_owner USAGE",
    ];
    assert_eq!(on_schema.collect::<Vec<_>>(), expected);
}
