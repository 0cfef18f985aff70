//! Drills: something that lets nothing be stored while all else is green is done to a whole stack; health names it, and
//! what it prints, pasted as it stands, mends it.

use super::*;
use crate::drills::incidents::report;

/// What health calls it, the names it must tell, and what does it (as a superuser).
pub(super) type Drill<'a> = (&'a str, &'a [&'a str], &'a str);

/// Does it, asks, pastes, asks again.
/// Returns what was pasted.
pub(super) async fn drill(stack: &Stack, (what, told, provoke): Drill<'_>) -> Vec<String> {
    let superuser = stack.connect_as_superuser().await.unwrap();
    let before = health(&superuser).await;
    assert_eq!(fault(&before, what), None, "before {provoke}: {before}");
    run(&superuser, provoke).await;
    // What the server re-reads takes a moment.
    let found = wait_for(LIMIT, &format!("health to notification: {provoke}"), async || {
        let found = health(&stack.connect_as_superuser().await.ok()?).await;
        fault(&found, what).is_some().then_some(found)
    })
    .await
    .unwrap();
    let named = all_faults(&found, what);
    let text = serde_json::json!(named).to_string();
    assert!(
        named.iter().any(|fault| fault["severity"] != "info"),
        "{provoke}: {text}"
    );
    assert_ne!(found["status"], "ok", "{provoke}");
    for name in told {
        assert!(text.contains(name), "{provoke}: {name} is not named in {text}");
    }
    let pasted = paste(&superuser, &named).await;
    wait_until(
        LIMIT,
        &format!("the pasted statements to mend: {provoke}"),
        async || {
            let Ok(client) = stack.connect_as_superuser().await else {
                return false;
            };
            fault(&health(&client).await, what).is_none()
        },
    )
    .await
    .unwrap_or_else(|error| panic!("{error:?}: {text}"));
    pasted
}

/// The shim's way in works.
pub(super) async fn assert_stores(stack: &Stack, event: &str) {
    let shim = stack.connect_as(SHIM_ROLE).await.unwrap();
    receive(&shim, "orders/create", event, b"{}").await;
}

#[tokio::test]
async fn forced_row_security_is_named_table_by_table_and_lifted() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let force = "ALTER TABLE raw_ops.webhook_inbox FORCE ROW LEVEL SECURITY; ALTER TABLE raw_ops.orders FORCE ROW LEVEL SECURITY";
    let shim = stack.connect_as(SHIM_ROLE).await.unwrap();
    as_superuser(&stack, force).await;
    let store = "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'refused', '{}', '{}')";
    assert_eq!(refused(&shim, store).await.sqlstate, "42501");
    as_superuser(&stack, &force.replace("FORCE", "NO FORCE")).await;
    let pasted = drill(
        &stack,
        (
            "row_security",
            &["raw_ops.webhook_inbox", "raw_ops.orders", "shop_owner"],
            force,
        ),
    )
    .await;
    report(43, &pasted);
    assert_stores(&stack, "after").await;

    // With a policy that lets the owner through it is known, and no fault.
    as_superuser(
        &stack,
        "ALTER TABLE raw_ops.orders FORCE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON raw_ops.orders TO shop_owner USING (true)",
    )
    .await;
    let found = health(&stack.connect().await.unwrap()).await;
    assert_eq!(
        fault(&found, "row_security").unwrap()["severity"],
        "info",
        "{found}"
    );
}

#[tokio::test]
async fn every_right_that_the_shims_role_lacks_is_named_and_granted_again() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (told, provoke) in [
        (
            &["raw_ops_shim", "CONNECT"][..],
            "REVOKE CONNECT ON DATABASE shop FROM PUBLIC",
        ),
        (
            &["raw_ops_shim", "USAGE"],
            "REVOKE USAGE ON SCHEMA raw_ops FROM raw_ops_shim",
        ),
        (
            &["raw_ops_shim", "EXECUTE"],
            "REVOKE EXECUTE ON FUNCTION raw_ops.receive_webhooks FROM raw_ops_shim",
        ),
        (
            &["no role but the owner", "raw_ops_shim"],
            "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops FROM raw_ops_shim",
        ),
        (&["raw_ops_shim", "LOGIN"], "ALTER ROLE raw_ops_shim NOLOGIN"),
    ] {
        drill(&stack, ("receivers", told, provoke)).await;
        assert_stores(&stack, provoke).await;
    }
    as_superuser(&stack, "DROP OWNED BY raw_ops_shim; DROP ROLE raw_ops_shim").await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let found = health(&superuser).await;
    paste(&superuser, &all_faults(&found, "receivers")).await;
    assert_stores(&stack, "a new role").await;
}

#[tokio::test]
async fn read_only_is_named_wherever_it_is_set_and_taken_back() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (told, provoke) in [
        (
            &["raw_ops_shim"][..],
            "ALTER ROLE raw_ops_shim IN DATABASE shop SET default_transaction_read_only = on",
        ),
        (
            &["raw_ops_shim"],
            "ALTER ROLE raw_ops_shim SET default_transaction_read_only = on",
        ),
        (
            &["shop_owner"],
            "ALTER ROLE shop_owner SET default_transaction_read_only = on",
        ),
        (
            &["the database"],
            "ALTER DATABASE shop SET default_transaction_read_only = on",
        ),
        (
            &["all roles"],
            "ALTER ROLE ALL SET default_transaction_read_only = on",
        ),
    ] {
        drill(&stack, ("read_only", told, provoke)).await;
        assert_stores(&stack, provoke).await;
    }
    // ALTER SYSTEM stands alone.
    let superuser = stack.connect_as_superuser().await.unwrap();
    run(&superuser, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    let pasted = drill(&stack, ("read_only", &["the server"], "SELECT pg_reload_conf()")).await;
    report(37, &pasted);
    wait_until(LIMIT, "the shim's role to write", async || {
        let shim = stack.connect_as(SHIM_ROLE).await.unwrap();
        let store = "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'at last', '{}', '{}')";
        shim.batch_execute(store).await.is_ok()
    })
    .await
    .unwrap();
    // A standby is no fault; it is said what it is.
    let standby = stack.cluster.replica().await.unwrap();
    let found = health(&standby.connect_as(&stack.db, OWNER_ROLE).await.unwrap()).await;
    let told = fault(&found, "read_only").unwrap();
    assert_eq!(
        (&told["severity"], &found["is_standby"]),
        (&"info".into(), &true.into()),
        "{found}"
    );
}

#[tokio::test]
async fn what_the_owner_lost_is_named_and_given_back() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(&stack, "CREATE ROLE somebody").await;
    for (what, told, provoke) in [
        (
            "owner_rights",
            &["raw_ops.orders", "raw_ops.webhook_inbox"][..],
            "REVOKE INSERT ON raw_ops.orders FROM shop_owner; REVOKE ALL ON raw_ops.webhook_inbox FROM shop_owner",
        ),
        (
            "owner_rights",
            &["raw_ops.webhook_health"],
            "REVOKE ALL ON raw_ops.webhook_health FROM shop_owner",
        ),
        (
            "owner_rights",
            &["schema"],
            "REVOKE USAGE ON SCHEMA raw_ops FROM shop_owner",
        ),
        (
            "owner_rights",
            &["schema"],
            "REVOKE CREATE ON SCHEMA raw_ops FROM shop_owner",
        ),
        (
            "owner_rights",
            &["fn_uuid_v7"],
            "REVOKE EXECUTE ON FUNCTION raw_ops.fn_uuid_v7() FROM shop_owner",
        ),
        (
            "owner_rights",
            &["run_housekeeping"],
            "REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA raw_ops FROM shop_owner",
        ),
        (
            "owner_rights",
            &["connect"],
            "REVOKE CONNECT ON DATABASE shop FROM PUBLIC, shop_owner; GRANT CONNECT ON DATABASE shop TO raw_ops_shim",
        ),
        ("owner_rights", &["LOGIN"], "ALTER ROLE shop_owner NOLOGIN"),
        (
            "owner_rights",
            &["cron"],
            "REVOKE USAGE ON SCHEMA cron FROM shop_owner",
        ),
        (
            "owners",
            &["raw_ops.orders", "raw_ops.undelivered_alerts"],
            "ALTER TABLE raw_ops.orders OWNER TO somebody; ALTER VIEW raw_ops.undelivered_alerts OWNER TO somebody",
        ),
    ] {
        drill(&stack, (what, told, provoke)).await;
    }
    let owner = stack.connect().await.unwrap();
    receive(&owner, "orders/create", "after all of it", b"{}").await;
}

#[tokio::test]
async fn dropped_and_disabled_triggers_indexes_and_keys_are_named_and_made_again() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (what, told, provoke) in [
        (
            "triggers",
            &["dropped: trigger_webhook_inbox_wake", "SELECT raw_ops.setup();"][..],
            "DROP TRIGGER trigger_webhook_inbox_wake ON raw_ops.webhook_inbox",
        ),
        (
            "triggers",
            &["disabled: trigger_notify_courier_exception"],
            "ALTER TABLE raw_ops.ops_events DISABLE TRIGGER trigger_notify_courier_exception",
        ),
        (
            "triggers",
            &["trigger_webhook_inbox_status"],
            "ALTER TABLE raw_ops.webhook_inbox DISABLE TRIGGER USER",
        ),
        (
            "triggers",
            &["trigger_http_requests_wake"],
            "ALTER TABLE raw_ops.http_requests ENABLE REPLICA TRIGGER trigger_http_requests_wake",
        ),
        (
            "indexes",
            &["idx_webhook_inbox_status", "idx_orders_ordered_at"],
            "DROP INDEX raw_ops.idx_webhook_inbox_status, raw_ops.idx_orders_ordered_at",
        ),
        (
            "indexes",
            &["invalid: idx_webhook_inbox_due"],
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'raw_ops.idx_webhook_inbox_due'::regclass",
        ),
        (
            "indexes",
            &["orders_pkey", "order_items_order_id_fkey"],
            "ALTER TABLE raw_ops.orders DROP CONSTRAINT orders_pkey CASCADE",
        ),
    ] {
        let pasted = drill(&stack, (what, told, provoke)).await;
        match told[0] {
            "disabled: trigger_notify_courier_exception" => report(17, &pasted),
            "dropped: trigger_webhook_inbox_wake" => report(18, &pasted),
            "invalid: idx_webhook_inbox_due" => report(19, &pasted),
            _ => {}
        }
    }
    assert_stores(&stack, "after all of it").await;
}

/// Nothing that `setup()` makes is unknown to health: each is dropped in turn, in a transaction that is taken back.
#[tokio::test]
async fn health_misses_everything_that_setup_makes() {
    const DROPS: &str = "
        SELECT 'DROP INDEX ' || c.oid::regclass || ' CASCADE', c.relname::text
          FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
         WHERE c.relnamespace = 'raw_ops'::regnamespace AND NOT c.relispartition
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid AND contype IN ('p', 'u'))
        UNION ALL
        SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname), conname::text
          FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
         WHERE connamespace = 'raw_ops'::regnamespace AND contype IN ('p', 'u', 'f') AND NOT c.relispartition AND conparentid = 0
        UNION ALL
        SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), tgname::text
          FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
         WHERE c.relnamespace = 'raw_ops'::regnamespace AND NOT tgisinternal
        UNION ALL
        SELECT format('DROP VIEW %s CASCADE', oid::regclass), relname::text
          FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'v'
        UNION ALL
        SELECT format('DROP TABLE %s CASCADE', oid::regclass), relname::text
          FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
           AND relname <> 'webhook_inbox'";
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    let drops = owner.query(DROPS, &[]).await.unwrap();
    assert!(drops.len() > 100, "{}", drops.len());
    for row in &drops {
        let (drop, name): (String, String) = (row.get(0), row.get(1));
        run(&owner, &format!("BEGIN; {drop}")).await;
        let found = health(&owner).await;
        let kinds = ["indexes", "triggers", "views", "tables"];
        let named: Vec<&Value> = kinds.iter().flat_map(|kind| all_faults(&found, kind)).collect();
        let text = serde_json::json!(named).to_string();
        assert!(text.contains(&name), "{drop}: {text}");
        // What it prints is what setup() made, as far as a transaction can show.
        if !drop.starts_with("DROP TABLE") {
            for statement in named.iter().flat_map(|fault| fault["next"].as_array().unwrap()) {
                let statement = statement.as_str().unwrap().replace("concurrently ", "");
                run(&owner, &statement).await;
            }
            let after = health(&owner).await;
            for kind in kinds {
                assert_eq!(fault(&after, kind), None, "{drop}: {after}");
            }
        }
        run(&owner, "ROLLBACK").await;
    }
}

#[tokio::test]
async fn the_heartbeat_tells_people_what_lets_nothing_be_stored() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    let check = "SELECT raw_ops.fn_check_monitoring_heartbeat_v2()";
    let calm: Value = one(&owner, check).await;
    assert_eq!(
        calm["result_summary"]["blocking"],
        serde_json::json!([]),
        "{calm}"
    );
    run(
        &owner,
        "ALTER TABLE raw_ops.webhook_inbox FORCE ROW LEVEL SECURITY",
    )
    .await;
    let found: Value = one(&owner, "SELECT raw_ops.fn_invoke_monitor('monitoring_heartbeat')").await;
    assert_eq!(found["status"], "critical", "{found}");
    let told: Value = one(
        &owner,
        "SELECT to_jsonb(a) FROM raw_ops.alerts a WHERE state = 'open' AND condition = 'blocked'",
    )
    .await;
    assert_eq!(
        (&told["severity"], &told["channel"]),
        (&"critical".into(), &"#ops-urgent".into())
    );
    assert!(
        told["fields"].to_string().contains("raw_ops.webhook_inbox"),
        "{told}"
    );
}
