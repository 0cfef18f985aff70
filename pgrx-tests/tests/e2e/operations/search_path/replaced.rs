//! What the owner puts beside or in the place of what is ours runs with the owner's rights, whoever calls.

use super::{CALLS, Shop};
use crate::support::*;
use raw_ops_e2e::wait_until;

/// A function that writes down as whom it runs, and tries to become more.
const WITNESS: &str = "
    CREATE TABLE keeper.seen (who text, by text);
    CREATE FUNCTION keeper.witness() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        INSERT INTO keeper.seen VALUES (current_user, session_user);
        BEGIN
            EXECUTE 'ALTER ROLE keeper SUPERUSER';
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
        RETURN true;
    END $$;
    GRANT ALL ON SCHEMA keeper TO PUBLIC;
    GRANT ALL ON keeper.seen TO PUBLIC";

async fn is_superuser(shop: &Shop) -> bool {
    one(
        &shop.admin,
        "SELECT rolsuper FROM pg_roles WHERE rolname = 'keeper'",
    )
    .await
}

async fn seen_as(shop: &Shop) -> Vec<String> {
    column(&shop.admin, "SELECT DISTINCT who FROM keeper.seen ORDER BY 1").await
}

#[tokio::test]
async fn a_view_in_the_place_of_a_table_runs_as_its_owner_even_for_a_superuser() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(&owner, WITNESS).await;
    run(
        &owner,
        "ALTER TABLE raw_ops.schema_migrations RENAME TO real_migrations;
         CREATE VIEW raw_ops.schema_migrations AS SELECT * FROM raw_ops.real_migrations WHERE keeper.witness();
         ALTER TABLE raw_ops.monitors RENAME TO real_monitors;
         CREATE VIEW raw_ops.monitors AS SELECT * FROM raw_ops.real_monitors WHERE keeper.witness()",
    )
    .await;
    for (_, call) in CALLS {
        // A session of its own: what has been found whole is not looked at again.
        let superuser = shop.cluster.connect("shop").await.unwrap();
        let _ = superuser.batch_execute(call).await;
    }
    assert_eq!(seen_as(&shop).await, ["keeper"]);
    assert!(!is_superuser(&shop).await);
}

#[tokio::test]
async fn an_owners_trigger_runs_as_the_owner_even_for_a_superuser() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(&owner, WITNESS).await;
    run(
        &owner,
        "CREATE FUNCTION keeper.fired() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM keeper.witness(); RETURN coalesce(new, old); END $$;
         DO $$ DECLARE t text; BEGIN
             FOREACH t IN ARRAY array['webhook_inbox', 'customers', 'orders', 'order_items', 'ops_events', 'http_requests',
                                      'monitoring_runs', 'monitors', 'alerts', 'shipments', 'courier_events', 'secrets'] LOOP
                 EXECUTE format('CREATE TRIGGER fired BEFORE INSERT OR UPDATE OR DELETE ON raw_ops.%I
                                 FOR EACH ROW EXECUTE FUNCTION keeper.fired()', t);
             END LOOP;
         END $$",
    )
    .await;
    let superuser = shop.cluster.connect("shop").await.unwrap();
    for (name, call) in CALLS {
        // A statement of the superuser's own on the tables is theirs to answer for.
        if call.starts_with("SELECT") || call.starts_with("CALL") {
            let _ = superuser.batch_execute(call).await;
        }
        assert!(!is_superuser(&shop).await, "{name}");
    }
    assert_eq!(seen_as(&shop).await, ["keeper"]);
}

#[tokio::test]
async fn a_function_beside_ours_is_not_taken_for_a_built_in_one() {
    let shop = Shop::open().await;
    run(
        &shop.admin,
        "CREATE ROLE other LOGIN; GRANT ALL ON SCHEMA cron TO other",
    )
    .await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(&owner, WITNESS).await;
    let other = shop.cluster.connect_as("shop", "other").await.unwrap();
    run(
        &other,
        "SELECT cron.schedule('raw-ops-drain', '* * * * *', 'SELECT 1')",
    )
    .await;
    run(
        &owner,
        "CREATE FUNCTION raw_ops.current_database() RETURNS name LANGUAGE plpgsql AS $$
         BEGIN PERFORM keeper.witness(); RETURN 'another'; END $$",
    )
    .await;
    run(&owner, "SET search_path = raw_ops, pg_catalog").await;
    let refusal = refused(&owner, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    assert!(refusal.message.contains("other"), "{}", refusal.message);
    assert_eq!(seen_as(&shop).await, Vec::<String>::new());
    assert!(!is_superuser(&shop).await);
}

#[tokio::test]
async fn only_the_owner_migrates_what_is_the_owners() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(
        &shop.admin,
        "CREATE ROLE stranger LOGIN; GRANT ALL ON SCHEMA raw_ops TO stranger;
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO stranger",
    )
    .await;
    let stranger = shop.cluster.connect_as("shop", "stranger").await.unwrap();
    let refusal = refused(&stranger, "SELECT raw_ops.setup()").await;
    assert_eq!(refusal.sqlstate, "42501");
    assert!(refusal.message.contains("keeper"), "{}", refusal.message);
    assert!(refusal.hint.contains("as keeper"), "{}", refusal.hint);
    // A superuser's call makes objects of the owner's, not of the superuser's.
    run(
        &owner,
        "DROP TRIGGER trigger_webhook_inbox_wake ON raw_ops.webhook_inbox",
    )
    .await;
    run(&shop.admin, "SELECT raw_ops.setup()").await;
    let owners: Vec<String> = column(
        &shop.admin,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace",
    )
    .await;
    assert_eq!(owners, ["keeper"]);
}

/// A trigger that finds its tables along a path of its own.
const TRIGGER: &str = "
    CREATE TABLE keeper.audit (shopify_order_id bigint);
    CREATE FUNCTION keeper.audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO audit VALUES (new.shopify_order_id); RETURN new; END $$;
    CREATE TRIGGER audit AFTER INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION keeper.audit()";

#[tokio::test]
async fn a_trigger_that_relies_on_another_path_fails_with_the_statement_that_mends_it() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(&owner, TRIGGER).await;
    let call = r#"SELECT raw_ops.process_order_webhook_txn('{"id": 1, "line_items": []}')"#;
    let refusal = refused(&owner, call).await;
    assert_eq!(refusal.sqlstate, "42P01");
    const MEND: &str = "ALTER FUNCTION keeper.audit() SET search_path = keeper, pg_catalog, pg_temp;";
    assert!(refusal.hint.contains(MEND), "{}", refusal.hint);
    run(&owner, MEND).await;
    run(&owner, call).await;
    // In the worker too: a path of its own is kept there.
    receive(&owner, "orders/create", "two", br#"{"id": 2, "line_items": []}"#).await;
    wait_until(LIMIT, "the worker to process it", async || {
        states(&owner).await == in_states([("success", 1)])
    })
    .await
    .unwrap();
    let audited: Vec<i64> = column(&owner, "SELECT shopify_order_id FROM keeper.audit ORDER BY 1").await;
    assert_eq!(audited, [1, 2]);
}

#[tokio::test]
async fn a_trigger_of_the_inbox_that_relies_on_another_path_says_so_to_who_stores() {
    let shop = Shop::open().await;
    let owner = shop.as_owner().await;
    run(&owner, "SELECT raw_ops.setup()").await;
    run(
        &owner,
        "CREATE FUNCTION keeper.lost() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nowhere(); RETURN new; END $$;
         CREATE TRIGGER lost BEFORE INSERT ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION keeper.lost()",
    )
    .await;
    let refusal = refused(
        &owner,
        "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'e', '{}', '{}')",
    )
    .await;
    assert_eq!(refusal.sqlstate, "42883");
    assert!(refusal.hint.contains("ALTER FUNCTION"), "{}", refusal.hint);
}
