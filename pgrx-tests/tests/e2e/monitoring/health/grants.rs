//! What a stranger or everybody may do with what is ours is named, and taken back by what health prints; and it says as whom
//! to run what the reader may not.

use super::drills::{Drill, assert_stores, drill};
use super::*;

/// What is granted, and what is said of it.
const TOO_MANY_RIGHTS: &[Drill<'_>] = &[
    (
        "schema",
        &["belongs to the role somebody", "critical"],
        "ALTER SCHEMA raw_ops OWNER TO somebody",
    ),
    (
        "schema",
        &["belongs to the role shop_owner", "warning"],
        "ALTER SCHEMA raw_ops OWNER TO shop_owner",
    ),
    (
        "schema",
        &["somebody may create"],
        "GRANT CREATE ON SCHEMA raw_ops TO somebody",
    ),
    // Granted by somebody else than the schema's owner: a superuser's plain REVOKE would not touch it.
    (
        "schema",
        &["somebody may create", "SET ROLE shop_owner;"],
        "GRANT CREATE ON SCHEMA raw_ops TO shop_owner WITH GRANT OPTION; SET ROLE shop_owner;
         GRANT CREATE ON SCHEMA raw_ops TO somebody; RESET ROLE",
    ),
    (
        "public",
        &["has USAGE on raw_ops", "warning"],
        "GRANT USAGE ON SCHEMA raw_ops TO PUBLIC",
    ),
    (
        "public",
        &["CREATE, USAGE on raw_ops", "critical"],
        "GRANT ALL ON SCHEMA raw_ops TO PUBLIC",
    ),
    (
        "public",
        &["may call: raw_ops.fn_set_secret_v1(text,text,text)", "warning"],
        "GRANT EXECUTE ON FUNCTION raw_ops.fn_set_secret_v1 TO PUBLIC",
    ),
    (
        "public",
        &["raw_ops.drain_inbox(integer)", "critical"],
        "GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA raw_ops TO PUBLIC; GRANT USAGE ON SCHEMA raw_ops TO PUBLIC",
    ),
    (
        "public",
        &["INSERT, SELECT on raw_ops.courier_open_tasks, raw_ops.orders"],
        "GRANT INSERT ON raw_ops.orders TO PUBLIC; GRANT SELECT (order_name) ON raw_ops.courier_open_tasks TO PUBLIC",
    ),
];

#[tokio::test]
async fn a_strangers_schema_a_strangers_create_and_whatever_public_may_is_named_and_taken_back() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(&stack, "CREATE ROLE somebody LOGIN").await;
    for (what, told, provoke) in TOO_MANY_RIGHTS.iter().copied() {
        drill(&stack, (what, told, provoke)).await;
        assert_stores(&stack, provoke).await;
    }
    // What is not ours is its owner's to grant.
    as_superuser(
        &stack,
        "CREATE FUNCTION raw_ops.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW raw_ops.of_mine AS SELECT 1;
         GRANT SELECT ON raw_ops.of_mine TO PUBLIC",
    )
    .await;
    let found = health(&stack.connect().await.unwrap()).await;
    assert_eq!(fault(&found, "public"), None, "{found}");

    // Before setup(), too.
    stack.cluster.create_database("plain").await.unwrap();
    let admin = stack.cluster.connect("plain").await.unwrap();
    run(
        &admin,
        "CREATE EXTENSION raw_ops; GRANT USAGE ON SCHEMA raw_ops TO PUBLIC; GRANT CREATE ON SCHEMA raw_ops TO shop_owner",
    )
    .await;
    let found = health(&admin).await;
    assert!(fault(&found, "public").is_some(), "{found}");
    assert_eq!(
        fault(&found, "schema"),
        None,
        "who is to own the tables is not known: {found}"
    );
}

#[tokio::test]
async fn what_public_may_makes_no_role_a_receiver_and_is_one_fault() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE analyst LOGIN; CREATE ROLE accountant LOGIN; ALTER ROLE analyst SET default_transaction_read_only = on;
         GRANT EXECUTE ON FUNCTION raw_ops.receive_webhook, raw_ops.receive_webhooks TO PUBLIC",
    )
    .await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let found = health(&superuser).await;
    for what in ["receivers", "read_only"] {
        assert_eq!(fault(&found, what), None, "{found}");
    }
    let public = all_faults(&found, "public");
    let revoke = "REVOKE ALL ON ROUTINE raw_ops.receive_webhook(text,text,text,jsonb,bytea,text), \
                  raw_ops.receive_webhooks(text[],text[],text[],jsonb[],bytea[],text[],text[]) FROM PUBLIC;";
    assert_eq!(public.len(), 1, "{found}");
    assert_eq!(public[0]["next"], serde_json::json!([revoke]));
    assert!(!found.to_string().contains("analyst"), "{found}");

    // Where the shim lives on what PUBLIC may, it is granted its own before that is taken back.
    as_superuser(
        &stack,
        "REVOKE EXECUTE ON FUNCTION raw_ops.receive_webhooks FROM raw_ops_shim",
    )
    .await;
    for revoked in ["receive_webhooks", "receive_webhook, raw_ops.receive_webhooks"] {
        as_superuser(
            &stack,
            &format!(
                "GRANT EXECUTE ON FUNCTION raw_ops.receive_webhook, raw_ops.receive_webhooks TO PUBLIC;
                 REVOKE EXECUTE ON FUNCTION raw_ops.{revoked} FROM raw_ops_shim"
            ),
        )
        .await;
        let found = health(&superuser).await;
        let named = [all_faults(&found, "receivers"), all_faults(&found, "public")];
        assert_eq!(named.each_ref().map(Vec::len), [1, 1], "{found}");
        paste(&superuser, &named.concat()).await;
        let after = health(&superuser).await;
        for what in ["receivers", "public"] {
            assert_eq!(fault(&after, what), None, "{after}");
        }
        assert_stores(&stack, revoked).await;
    }
}

/// Faults whose end the owner may not bring about.
const FOR_A_SUPERUSER: &[(&str, &str)] = &[
    (
        "receivers",
        "REVOKE EXECUTE ON FUNCTION raw_ops.receive_webhook FROM raw_ops_shim",
    ),
    ("receivers", "REVOKE USAGE ON SCHEMA raw_ops FROM raw_ops_shim"),
    ("receivers", "ALTER ROLE raw_ops_shim NOLOGIN"),
    ("owner_rights", "REVOKE CREATE ON SCHEMA raw_ops FROM shop_owner"),
    (
        "owner_rights",
        "REVOKE EXECUTE ON FUNCTION raw_ops.fn_uuid_v7() FROM shop_owner",
    ),
    ("owner_rights", "REVOKE USAGE ON SCHEMA cron FROM shop_owner"),
    (
        "read_only",
        "ALTER ROLE raw_ops_shim SET default_transaction_read_only = on",
    ),
    ("schema", "ALTER SCHEMA raw_ops OWNER TO shop_owner"),
    ("public", "GRANT USAGE ON SCHEMA raw_ops TO PUBLIC"),
];

/// What only a superuser can make effective, run by the owner of the tables, prints a warning and changes nothing.
#[tokio::test]
async fn whoever_may_not_run_what_health_prints_is_told_as_whom() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE somebody; CREATE ROLE guard LOGIN; GRANT USAGE ON SCHEMA raw_ops TO guard;
         GRANT EXECUTE ON FUNCTION raw_ops.fn_health_v1 TO guard",
    )
    .await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let owner = stack.connect().await.unwrap();
    let by_superuser = "-- As postgres or a superuser, shop_owner may not:";
    for (what, provoke) in FOR_A_SUPERUSER.iter().copied() {
        run(&superuser, provoke).await;
        let found = health(&owner).await;
        let next = fault(&found, what).unwrap_or_else(|| panic!("{provoke}: {found}"))["next"].clone();
        assert_eq!(next[0], by_superuser, "{provoke}");
        run(&superuser, "SET ROLE shop_owner").await;
        let found = health(&superuser).await;
        assert_eq!(
            fault(&found, what).unwrap()["next"],
            next,
            "{provoke}: by SET ROLE"
        );
        run(&superuser, "RESET ROLE").await;
        let found = health(&superuser).await;
        let statements = &fault(&found, what).unwrap()["next"];
        assert_eq!(statements.as_array().unwrap(), &next.as_array().unwrap()[1..]);
        paste(&superuser, &all_faults(&found, what)).await;
    }
    run(&superuser, "ALTER TABLE raw_ops.orders OWNER TO somebody").await;
    let found = health(&owner).await;
    let next = &fault(&found, "owners").unwrap()["next"];
    assert_eq!(next[0], "-- As a superuser, shop_owner may not:", "{found}");
    let found = health(&superuser).await;
    paste(&superuser, &all_faults(&found, "owners")).await;

    assert_the_owner_is_told_statements_only(&stack, &owner).await;
}

/// The owner itself is not told so of what it may; another reader is.
async fn assert_the_owner_is_told_statements_only(stack: &Stack, owner: &Client) {
    run(
        owner,
        "ALTER TABLE raw_ops.orders FORCE ROW LEVEL SECURITY; REVOKE INSERT ON raw_ops.customers FROM shop_owner",
    )
    .await;
    for (what, statement) in [
        (
            "row_security",
            "ALTER TABLE raw_ops.orders NO FORCE ROW LEVEL SECURITY;",
        ),
        ("owner_rights", "GRANT ALL ON raw_ops.customers TO shop_owner;"),
    ] {
        let seen_by_guard = health(&stack.connect_as("guard").await.unwrap()).await;
        assert_eq!(
            fault(&seen_by_guard, what).unwrap()["next"],
            serde_json::json!(["-- As shop_owner or a superuser, guard may not:", statement])
        );
        let found = health(owner).await;
        assert_eq!(
            fault(&found, what).unwrap()["next"],
            serde_json::json!([statement])
        );
        paste(owner, &all_faults(&found, what)).await;
        assert_eq!(fault(&health(owner).await, what), None);
    }
}
