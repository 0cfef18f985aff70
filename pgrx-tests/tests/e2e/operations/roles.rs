//! Who may do what, and as whom the worker works.

use crate::support::*;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::stack::SHIM_ROLE;
use raw_ops_e2e::{Cluster, Stack, wait_until};
use serde_json::Value;

const DENIED: &str = "42501";

#[tokio::test]
async fn a_role_that_may_only_receive_receives_and_does_nothing_else() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as(SHIM_ROLE).await.unwrap();
    let orders: Vec<Order> = Generator::new(14).orders(0..3).collect();
    receive_orders(&client, &orders).await;
    receive(&client, "orders/create", "single", b"{}").await;
    for table in [
        "webhook_inbox",
        "customers",
        "orders",
        "order_items",
        "ops_events",
        "retry_schedule",
        "schema_migrations",
    ] {
        for statement in [
            format!("SELECT FROM raw_ops.{table}"),
            format!("DELETE FROM raw_ops.{table}"),
            format!("TRUNCATE raw_ops.{table}"),
        ] {
            assert_eq!(refused(&client, &statement).await.sqlstate, DENIED, "{statement}");
        }
    }
    for call in [
        "SELECT raw_ops.setup()",
        "SELECT raw_ops.process_pending_webhooks()",
        "SELECT raw_ops.retry_failed_webhooks()",
        "CALL raw_ops.drain_inbox()",
        "SELECT raw_ops.process_webhook('00000000-0000-0000-0000-000000000000')",
        "SELECT raw_ops.process_order_webhook_txn('{\"id\": 1}')",
        "SELECT raw_ops.fn_resolve_webhook_manually_v1('00000000-0000-0000-0000-000000000000', 'note')",
        "SELECT raw_ops.fn_schedule_jobs_v1()",
        "CREATE TABLE raw_ops.mine ()",
    ] {
        assert_eq!(refused(&client, call).await.sqlstate, DENIED, "{call}");
    }
    let owner = stack.connect().await.unwrap();
    assert_eq!(states(&owner).await, in_states([("pending", 4)]));
}

#[tokio::test]
async fn a_stranger_is_told_nothing_and_a_reader_without_a_policy_sees_no_rows() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    receive_orders(&owner, &Generator::new(14).orders(0..2).collect::<Vec<_>>()).await;
    drain(&owner, 10).await;
    as_superuser(
        &stack,
        "CREATE ROLE stranger LOGIN; CREATE ROLE anon LOGIN; CREATE ROLE service_role LOGIN BYPASSRLS;
         GRANT USAGE ON SCHEMA raw_ops TO anon, service_role;
         GRANT SELECT ON ALL TABLES IN SCHEMA raw_ops TO anon, service_role",
    )
    .await;
    let stranger = stack.connect_as("stranger").await.unwrap();
    for call in [
        "SELECT FROM raw_ops.orders",
        "SELECT raw_ops.receive_webhook('shopify', 't', 'e', '{}', '{}')",
    ] {
        assert_eq!(refused(&stranger, call).await.sqlstate, DENIED, "{call}");
    }
    // ORD's access model: row level security without policies; only a role that bypasses it sees anything.
    for (role, seen) in [("anon", 0), ("service_role", 2)] {
        let reader = stack.connect_as(role).await.unwrap();
        for table in ["webhook_inbox", "orders", "ops_events"] {
            let count: i64 = one(&reader, &format!("SELECT count(*) FROM raw_ops.{table}")).await;
            assert_eq!(count, seen, "{role}, {table}");
        }
    }
}

#[tokio::test]
async fn an_operator_settles_dead_letters_without_reading_or_writing_tables() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    run(
        &owner,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
         VALUES ('shopify', 'orders/create', 'dead', '{}', 'dlq')",
    )
    .await;
    as_superuser(
        &stack,
        "CREATE ROLE anton LOGIN; GRANT USAGE ON SCHEMA raw_ops TO anton;
         GRANT EXECUTE ON FUNCTION raw_ops.fn_resolve_webhook_manually_v1 TO anton",
    )
    .await;
    let id: String = one(&owner, "SELECT id::text FROM raw_ops.webhook_inbox").await;
    let operator = stack.connect_as("anton").await.unwrap();
    for statement in [
        "SELECT FROM raw_ops.webhook_inbox",
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'resolved_manual'",
    ] {
        assert_eq!(
            refused(&operator, statement).await.sqlstate,
            DENIED,
            "{statement}"
        );
    }
    let call = format!("SELECT raw_ops.fn_resolve_webhook_manually_v1('{id}', 'settled')");
    let said: Value = one(&operator, &call).await;
    assert_eq!(said["success"], true, "{said}");
    let trail: Vec<String> = column(
        &owner,
        "SELECT concat_ws(' ', kind, event_payload->>'who', event_payload->>'note') FROM raw_ops.ops_events",
    )
    .await;
    assert_eq!(
        trail,
        ["AUDIT anton settled"],
        "the person's own name, not the owner's"
    );
}

/// What an owner without any special right needs from the superuser who created the extension.
const GRANTS: &str = "
    CREATE ROLE shopkeeper LOGIN;
    GRANT CREATE, USAGE ON SCHEMA raw_ops TO shopkeeper;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO shopkeeper";

/// Triggers that try to climb, and write down as whom they ran.
const WITNESS: &str = "CREATE TABLE mine.witness (seen text);
         CREATE FUNCTION mine.witness() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO mine.witness VALUES (concat_ws(' ', TG_NAME, current_user));
             BEGIN
                 SET LOCAL ROLE postgres;
                 INSERT INTO mine.witness VALUES ('climbed by SET ROLE');
             EXCEPTION WHEN OTHERS THEN
                 INSERT INTO mine.witness VALUES ('refused ' || SQLSTATE);
             END;
             BEGIN
                 SET LOCAL SESSION AUTHORIZATION DEFAULT;
                 INSERT INTO mine.witness VALUES ('climbed by SET SESSION AUTHORIZATION');
             EXCEPTION WHEN OTHERS THEN
                 INSERT INTO mine.witness VALUES ('refused ' || SQLSTATE);
             END;
             RETURN NULL;
         END $$;
         CREATE TRIGGER at_once AFTER INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION mine.witness();
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON raw_ops.orders DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION mine.witness()";

#[tokio::test]
async fn an_ordinary_role_sets_up_owns_everything_and_the_worker_works_as_that_role() {
    let cluster = Cluster::builder()
        .for_raw_ops("shop")
        .fast()
        .start()
        .await
        .unwrap();
    let admin = cluster.connect("shop").await.unwrap();
    run(&admin, "CREATE EXTENSION raw_ops").await;
    run(&admin, GRANTS).await;
    run(&admin, "CREATE SCHEMA mine AUTHORIZATION shopkeeper").await;
    let owner = cluster.connect_as("shop", "shopkeeper").await.unwrap();
    run(&owner, "SELECT raw_ops.setup()").await;
    let owners: Vec<String> = column(
        &owner,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace",
    )
    .await;
    assert_eq!(owners, ["shopkeeper"]);

    // The owner's own triggers run with the owner's rights in the worker too, deferred ones at commit included, and
    // cannot climb.
    run(&owner, WITNESS).await;
    let orders: Vec<Order> = Generator::new(14).orders(0..1).collect();
    receive_orders(&owner, &orders).await;
    wait_until(LIMIT, "the worker to process it", async || {
        states(&owner).await == in_states([("success", 1)])
    })
    .await
    .unwrap();
    assert_tables_hold(&owner, &orders).await;
    let witness: Vec<String> = column(&owner, "SELECT seen FROM mine.witness ORDER BY 1").await;
    let expected = [
        "at_commit shopkeeper",
        "at_once shopkeeper",
        "refused 42501",
        "refused 42501",
        "refused 42501",
        "refused 42501",
    ];
    assert_eq!(witness, expected);
}

#[tokio::test]
async fn what_an_owner_leaves_for_commit_never_runs_as_a_superuser_who_called() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    as_superuser(&stack, "CREATE SCHEMA mine AUTHORIZATION shop_owner").await;
    run(
        &owner,
        "CREATE TABLE mine.witness (seen text);
         CREATE FUNCTION mine.seen(what text) RETURNS int LANGUAGE sql AS
             $$ INSERT INTO mine.witness VALUES (concat_ws(' ', what, current_user)) RETURNING 1 $$;
         CREATE FUNCTION mine.at_commit() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM mine.seen(TG_NAME); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON raw_ops.webhook_inbox DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION mine.at_commit();
         CREATE FUNCTION mine.hold() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT mine.seen(''cursor'')';
             RETURN NULL;
         EXCEPTION WHEN insufficient_privilege THEN
             RETURN NULL;
         END $$;
         CREATE TRIGGER hold AFTER UPDATE ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION mine.hold()",
    )
    .await;
    // The owner's own call may defer.
    let orders: Vec<Order> = Generator::new(14).orders(0..1).collect();
    receive_orders(&owner, &orders).await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let receiving = "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'later', '{}', '{}')";
    let refusal = refused(&superuser, receiving).await;
    assert_eq!(refusal.sqlstate, "42501", "{refusal:?}");
    // Updates the one webhook: the trigger that would hold a cursor fires.
    assert_eq!(drain(&superuser, 10).await, [1, 1, 0, 0]);
    let witness: Vec<String> = column(&owner, "SELECT seen FROM mine.witness ORDER BY 1").await;
    assert_eq!(witness, ["deferred shop_owner"]);
}

#[tokio::test]
async fn what_an_owners_code_sets_does_not_stay_in_the_session_of_who_called() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    as_superuser(&stack, "CREATE SCHEMA mine AUTHORIZATION shop_owner").await;
    run(
        &owner,
        "CREATE FUNCTION mine.set_all() RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM set_config('search_path', 'mine, pg_catalog', false), set_config('statement_timeout', '77s', false),
                     set_config('work_mem', '77MB', true), set_config('synchronous_commit', 'off', false);
             RETURN true;
         END $$;
         CREATE FUNCTION mine.on_insert() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM mine.set_all(); RETURN NEW; END $$;
         CREATE TRIGGER sets BEFORE INSERT ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION mine.on_insert();
         DO $do$ BEGIN
             EXECUTE 'CREATE OR REPLACE VIEW raw_ops.undelivered_alerts AS SELECT * FROM ('
                 || rtrim(pg_get_viewdef('raw_ops.undelivered_alerts'::regclass), ';') || ') AS kept WHERE mine.set_all()';
         END $do$",
    )
    .await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let settings = "SELECT name || ' = ' || setting FROM pg_settings
                     WHERE name IN ('search_path', 'statement_timeout', 'work_mem', 'synchronous_commit') ORDER BY 1";
    run(&superuser, "SET synchronous_commit = off").await;
    let before: Vec<String> = column(&superuser, settings).await;
    for call in [
        "SELECT raw_ops.fn_health_v1()",
        "SELECT raw_ops.receive_webhook('shopify', 'orders/create', gen_random_uuid()::text, '{}', '{}')",
        "SELECT raw_ops.process_pending_webhooks()",
    ] {
        run(&superuser, call).await;
        assert_eq!(column::<String>(&superuser, settings).await, before, "{call}");
        run(&superuser, &format!("BEGIN; {call}")).await;
        let within: Vec<String> = column(&superuser, settings).await;
        let changed: Vec<&String> = within.iter().filter(|one| !before.contains(one)).collect();
        let expected = match call.contains("receive") {
            // What was stored is on disk at the commit.
            true => vec!["synchronous_commit = on"],
            false => vec![],
        };
        assert_eq!(changed, expected, "{call}");
        run(&superuser, "COMMIT").await;
    }
}

#[tokio::test]
async fn jobs_that_a_superuser_schedules_are_the_owners() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let owners = "SELECT DISTINCT username FROM cron.job WHERE command LIKE '%raw_ops%'";
    run(&superuser, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    assert_eq!(column::<String>(&superuser, owners).await, ["shop_owner"]);
    run(&superuser, "SELECT raw_ops.fn_unschedule_jobs_v1()").await;
    assert!(column::<String>(&superuser, owners).await.is_empty());
    // What a superuser has scheduled by hand goes with the owner's.
    run(
        &superuser,
        "SELECT cron.schedule('raw-ops-drain', '* * * * *', 'CALL raw_ops.drain_inbox()')",
    )
    .await;
    let refusal = refused(
        &stack.connect().await.unwrap(),
        "SELECT raw_ops.fn_schedule_jobs_v1()",
    )
    .await;
    assert!(refusal.message.contains("postgres"), "{refusal:?}");
    run(&superuser, "SELECT raw_ops.fn_unschedule_jobs_v1()").await;
    assert!(column::<String>(&superuser, owners).await.is_empty());
}

#[tokio::test]
async fn an_ordinary_owner_does_everything_by_hand_too() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    stack.cluster.create_database("plain").await.unwrap();
    let admin = stack.cluster.connect("plain").await.unwrap();
    run(&admin, "CREATE EXTENSION raw_ops").await;
    run(&admin, GRANTS).await;
    let owner = stack.cluster.connect_as("plain", "shopkeeper").await.unwrap();
    run(&owner, "SELECT raw_ops.setup()").await;
    let orders: Vec<Order> = Generator::new(14).orders(0..10).collect();
    receive_orders(&owner, &orders).await;
    receive(&owner, "orders/create", "bad", b"{}").await;
    assert_eq!(drain(&owner, 100).await, [11, 10, 1, 0]);
    for dead in [0, 0, 0, 1] {
        run(
            &owner,
            "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
        )
        .await;
        assert_eq!(retry(&owner).await, [1, 0, 1 - dead, dead]);
    }
    let said: Value = one(
        &owner,
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'settled') FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq'",
    )
    .await;
    assert_eq!(said["success"], true, "{said}");
    assert_tables_hold(&owner, &orders).await;
    // Somebody else with the right to receive writes through the owner's rights.
    run(
        &admin,
        "GRANT USAGE ON SCHEMA raw_ops TO raw_ops_shim; GRANT EXECUTE ON FUNCTION raw_ops.receive_webhook, raw_ops.receive_webhooks TO raw_ops_shim",
    )
    .await;
    let shim = stack.cluster.connect_as("plain", SHIM_ROLE).await.unwrap();
    receive(&shim, "orders/create", "by the shim", b"{}").await;
    assert_eq!(
        states(&owner).await,
        in_states([("pending", 1), ("resolved_manual", 1), ("success", 10)])
    );
}
