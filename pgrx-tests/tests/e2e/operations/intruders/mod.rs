//! Somebody else in the schema, before and after: who has made it beforehand, what everybody may, who reads along.

use crate::support::*;
use raw_ops_e2e::Stack;
use serde_json::Value;

#[tokio::test]
async fn a_schema_that_a_stranger_has_made_beforehand_is_refused_with_the_statement_that_mends_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(&stack, "CREATE ROLE mallory LOGIN").await;
    for mended_by in [
        "ALTER SCHEMA raw_ops OWNER TO postgres;",
        "DROP SCHEMA raw_ops CASCADE;",
    ] {
        let db = if mended_by.starts_with("ALTER") {
            "hollow"
        } else {
            "crowded"
        };
        stack.cluster.create_database(db).await.unwrap();
        let admin = stack.cluster.connect(db).await.unwrap();
        run(&admin, &format!("GRANT CREATE ON DATABASE {db} TO mallory")).await;
        let mallory = stack.cluster.connect_as(db, "mallory").await.unwrap();
        run(&mallory, "CREATE SCHEMA raw_ops").await;
        if db == "crowded" {
            run(&mallory, include_str!("trap.sql")).await;
        }
        let refusal = refused(&admin, "CREATE EXTENSION raw_ops").await;
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert!(refusal.message.contains("mallory"), "{refusal:?}");
        assert!(refusal.hint.contains(mended_by), "{refusal:?}");
        let climbed: bool = one(&admin, "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'").await;
        assert!(!climbed);

        run(&admin, mended_by).await;
        run(
            &admin,
            "CREATE EXTENSION raw_ops; GRANT CREATE, USAGE ON SCHEMA raw_ops TO shop_owner;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO shop_owner",
        )
        .await;
        let owner = stack.cluster.connect_as(db, "shop_owner").await.unwrap();
        run(&owner, "SELECT raw_ops.setup()").await;
        for attempt in [
            "DROP SCHEMA raw_ops CASCADE",
            "ALTER SCHEMA raw_ops RENAME TO gone",
            "DROP TABLE raw_ops.webhook_inbox CASCADE",
            "CREATE TABLE raw_ops.mine ()",
        ] {
            assert_eq!(refused(&mallory, attempt).await.sqlstate, "42501", "{attempt}");
        }
        let found: Value = one(&admin, "SELECT raw_ops.fn_health_v1()").await;
        let strange = found["faults"].as_array().unwrap().iter();
        let strange: Vec<&Value> = strange
            .filter(|fault| fault["what"] == "schema" || fault["what"] == "public")
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
    // Another superuser's schema, and one's own, are no strangers'.
    stack.cluster.create_database("anothers").await.unwrap();
    let admin = stack.cluster.connect("anothers").await.unwrap();
    run(
        &admin,
        "CREATE ROLE root SUPERUSER; CREATE SCHEMA raw_ops AUTHORIZATION root; CREATE EXTENSION raw_ops",
    )
    .await;
}

#[tokio::test]
async fn whatever_was_granted_on_the_schema_beforehand_public_has_nothing_on_it_and_no_grant_is_lost() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    stack.cluster.create_database("open").await.unwrap();
    let admin = stack.cluster.connect("open").await.unwrap();
    run(
        &admin,
        "CREATE ROLE analyst LOGIN; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC",
    )
    .await;
    run(&admin, "CREATE EXTENSION raw_ops").await;
    let has = "SELECT has_schema_privilege('public', 'raw_ops', 'usage')";
    assert!(!one::<bool>(&admin, has).await);
    let remembered = "SELECT count(*) FROM pg_init_privs, aclexplode(initprivs) acl
                       WHERE objoid = 'raw_ops'::regnamespace AND acl.grantee = 'analyst'::regrole";
    run(
        &admin,
        "DROP EXTENSION raw_ops; GRANT USAGE ON SCHEMA raw_ops TO PUBLIC, analyst",
    )
    .await;
    let refusal = refused(&admin, "CREATE EXTENSION raw_ops").await;
    assert!(
        refusal.hint.contains("REVOKE ALL ON SCHEMA raw_ops FROM PUBLIC;"),
        "{refusal:?}"
    );
    run(
        &admin,
        "REVOKE ALL ON SCHEMA raw_ops FROM PUBLIC; CREATE EXTENSION raw_ops",
    )
    .await;
    assert!(!one::<bool>(&admin, has).await);
    assert_eq!(one::<i64>(&admin, remembered).await, 0);
}

#[tokio::test]
async fn a_dropped_table_is_named_by_setup_and_never_blamed_on_a_trigger() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    // A trigger without a path of its own, which a hint could blame; and plans of every statement.
    as_superuser(&stack, "CREATE SCHEMA mine AUTHORIZATION shop_owner").await;
    run(
        &owner,
        "CREATE FUNCTION mine.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER mine BEFORE INSERT ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION mine.nothing();
         SELECT raw_ops.process_order_webhook_txn('{\"id\": 1, \"name\": \"#1\", \"updated_at\": \"2024-10-01T12:00:00Z\",
             \"line_items\": [{\"id\": 1, \"quantity\": 1, \"price\": \"1.00\"}]}')",
    )
    .await;
    let dump = stack.cluster.pg_dump(&stack.db, &[]).await.unwrap();
    run(&owner, "DROP TABLE raw_ops.order_items").await;
    let apply = "SELECT raw_ops.process_order_webhook_txn('{\"id\": 2, \"name\": \"#2\", \"updated_at\":
                 \"2024-10-01T12:00:00Z\", \"line_items\": [{\"id\": 2, \"quantity\": 1, \"price\": \"1.00\"}]}')";
    for client in [&owner, &stack.connect().await.unwrap()] {
        let refusal = refused(client, "SELECT raw_ops.setup()").await;
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert!(
            refusal.message.ends_with("are missing: order_items"),
            "{refusal:?}"
        );
        assert!(
            refusal
                .hint
                .contains("pg_restore -d shop -n raw_ops -t order_items"),
            "{refusal:?}"
        );
        let refusal = refused(client, apply).await;
        assert!(
            !format!("{refusal:?}").contains("trigger of yours"),
            "{refusal:?}"
        );
        assert!(
            !format!("{refusal:?}").contains("Triggers of yours"),
            "{refusal:?}"
        );
    }
    let restore = ["--schema=raw_ops", "--table=order_items"];
    stack
        .cluster
        .pg_restore(&stack.db, &dump, &restore)
        .await
        .unwrap();
    run(&owner, "SELECT raw_ops.setup()").await;
    let items: i64 = one(&owner, "SELECT count(*) FROM raw_ops.order_items").await;
    assert_eq!(items, 1);
}

#[tokio::test]
async fn who_sees_what_runs_sees_no_secret_of_a_session_that_has_set_one() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(&stack, "CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher").await;
    let watcher = stack.connect_as("watcher").await.unwrap();
    let owner = stack.connect().await.unwrap();
    let pid: i32 = one(&owner, "SELECT pg_backend_pid()").await;
    let shown = format!("SELECT state || ': ' || query FROM pg_stat_activity WHERE pid = {pid}");
    for statement in [
        "SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'hush4711')",
        "SELECT raw_ops.fn_set_secret_v1('customerio_site_id', 'hush4711'), raw_ops.fn_set_secret_v1('customerio_api_key', 'hush4711')",
        "SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'hush4711', 'uk.example')",
        // Errors of every kind: arguments changed places, a value that is none, read-only.
        "SELECT raw_ops.fn_set_secret_v1('hush4711', 'customerio_api_key')",
        "SELECT raw_ops.fn_set_secret_v1('slack_url_ops_alerts', 'hush4711')",
        "SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'uk.example', 'hush4711')",
        "SET transaction_read_only = on; SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'hush4711')",
        "DO $$ BEGIN PERFORM raw_ops.fn_set_secret_v1('customerio_api_key', 'hush4711'); END $$",
    ] {
        let outcome = owner.batch_execute(statement).await;
        let seen: String = one(&watcher, &shown).await;
        assert!(seen.contains("idle") || outcome.is_err(), "{seen}");
        assert!(seen.contains("not shown"), "{seen}, after {statement}");
        assert!(!seen.contains("hush4711"), "{seen}, after {statement}");
    }
    run(&owner, "SELECT 1").await;
    assert_eq!(one::<String>(&watcher, &shown).await, "idle: SELECT 1");
}

/// docs/install.md, "Who may read".
#[tokio::test]
async fn the_views_that_show_a_persons_data_are_those_that_are_documented() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE analyst LOGIN; GRANT USAGE ON SCHEMA raw_ops TO analyst;
         GRANT SELECT ON ALL TABLES IN SCHEMA raw_ops TO analyst",
    )
    .await;
    run(&owner, include_str!("personal.sql")).await;
    let analyst = stack.connect_as("analyst").await.unwrap();
    let named = |kinds: &str| {
        format!(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind IN ({kinds}) ORDER BY 1"
        )
    };
    for table in column::<String>(&owner, &named("'r', 'p'")).await {
        let rows: i64 = one(&analyst, &format!("SELECT count(*) FROM raw_ops.{table}")).await;
        assert_eq!(rows, 0, "row security lets rows of {table} out");
    }
    let mut telling = Vec::new();
    for view in column::<String>(&owner, &named("'v'")).await {
        let sql = format!("SELECT count(*) FROM raw_ops.{view} seen WHERE seen::text LIKE '%PERSONAL%'");
        if one::<i64>(&analyst, &sql).await > 0 {
            telling.push(view);
        }
    }
    let documented = [
        "courier_failed_notifications",
        "courier_open_tasks",
        "error_summary",
        "undelivered_alerts",
        "webhook_elements_left",
    ];
    assert_eq!(telling, documented);
}
