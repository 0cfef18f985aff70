//! What opens or swallows or silences while nothing is refused.

use super::drills::{assert_stores, drill};
use super::*;

#[tokio::test]
async fn row_security_switched_off_is_named_and_switched_on_again() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    run(
        &owner,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, created_at)
         VALUES ('shopify', 'orders/create', 'long ago', '{}', 'success', '2024-02-29 12:00+00');
         SELECT raw_ops.fn_archive_webhooks_v1();
         CREATE TABLE raw_ops.my_notes (note text); GRANT SELECT ON raw_ops.my_notes TO PUBLIC",
    )
    .await;
    let partition: String = one(
        &owner,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace AND relkind = 'r' AND relname ~ '2024'",
    )
    .await;
    for (what, told, provoke) in [
        (
            "row_security",
            vec!["raw_ops.orders", "raw_ops.customers"],
            "ALTER TABLE raw_ops.orders DISABLE ROW LEVEL SECURITY; ALTER TABLE raw_ops.customers DISABLE ROW LEVEL SECURITY".to_owned(),
        ),
        (
            "row_security",
            vec![partition.as_str()],
            format!("ALTER TABLE raw_ops.{partition} DISABLE ROW LEVEL SECURITY"),
        ),
    ] {
        drill(&stack, (what, &told, &provoke)).await;
    }
    assert_stores(&stack, "after all of it").await;
}

#[tokio::test]
async fn a_rule_on_a_table_of_ours_is_named_and_dropped() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (told, provoke) in [
        (
            &["swallow", "raw_ops.webhook_inbox"][..],
            "CREATE RULE swallow AS ON INSERT TO raw_ops.webhook_inbox DO INSTEAD NOTHING",
        ),
        (
            &["swallow", "raw_ops.http_requests"],
            "CREATE RULE swallow AS ON UPDATE TO raw_ops.http_requests WHERE new.state = 'queued' DO INSTEAD NOTHING",
        ),
        (
            &["Keep", "raw_ops.orders"],
            "CREATE RULE \"Keep\" AS ON DELETE TO raw_ops.orders DO INSTEAD NOTHING",
        ),
        // Nothing is swallowed, but INSERT ... ON CONFLICT is refused beside it.
        (
            &["also", "raw_ops.webhook_inbox"],
            "CREATE RULE also AS ON INSERT TO raw_ops.webhook_inbox DO ALSO NOTIFY arrived",
        ),
    ] {
        drill(&stack, ("rules", told, provoke)).await;
        assert_stores(&stack, provoke).await;
    }
}

#[tokio::test]
async fn a_replicas_role_in_which_no_trigger_fires_is_named_wherever_it_is_set_and_taken_back() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (told, provoke) in [
        (
            &["shop_owner", "the role"][..],
            "ALTER ROLE shop_owner SET session_replication_role = replica",
        ),
        (
            &["raw_ops_shim", "the role in this database"],
            "ALTER ROLE raw_ops_shim IN DATABASE shop SET session_replication_role = replica",
        ),
        (
            &["shop_owner", "the database"],
            "ALTER DATABASE shop SET session_replication_role = replica",
        ),
        (
            &["all roles"],
            "ALTER ROLE ALL SET session_replication_role = replica",
        ),
    ] {
        drill(&stack, ("replica_role", told, provoke)).await;
    }
    let superuser = stack.connect_as_superuser().await.unwrap();
    run(&superuser, "ALTER SYSTEM SET session_replication_role = replica").await;
    drill(
        &stack,
        ("replica_role", &["the server"], "SELECT pg_reload_conf()"),
    )
    .await;
    // What one session has set for itself is its own affair.
    run(&superuser, "SET session_replication_role = replica").await;
    assert_eq!(fault(&health(&superuser).await, "replica_role"), None);
}

#[tokio::test]
async fn a_trigger_of_others_that_swallows_what_is_stored_is_a_warning_and_a_harmless_one_a_note() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    run(
        &owner,
        "CREATE FUNCTION raw_ops.mark() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
         CREATE TRIGGER my_mark BEFORE INSERT ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION raw_ops.mark()",
    )
    .await;
    let noted = health(&owner).await;
    assert_eq!(all_faults(&noted, "triggers").len(), 1, "{noted}");
    let note = fault(&noted, "triggers").unwrap();
    assert_eq!(note["severity"], "info", "{noted}");
    assert!(note["problem"].as_str().unwrap().contains("my_mark"), "{noted}");
    paste(&owner, &[note]).await;

    // One that swallows some: once a row comes through, a note.
    run(
        &owner,
        "CREATE FUNCTION raw_ops.choose() RETURNS trigger LANGUAGE plpgsql AS
             'begin if new.topic = ''orders/create'' then return null; end if; return new; end';
         CREATE TRIGGER my_choice BEFORE INSERT ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION raw_ops.choose()",
    )
    .await;
    let shim = stack.connect_as(SHIM_ROLE).await.unwrap();
    let store = "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'swallowed', '{}', '{}')";
    refused(&shim, store).await;
    let found = health(&owner).await;
    let warned: Vec<&Value> = all_faults(&found, "triggers")
        .into_iter()
        .filter(|fault| fault["severity"] == "warning")
        .collect();
    assert_eq!(warned.len(), 1, "{found}");
    assert!(
        warned[0]["problem"].as_str().unwrap().contains("my_choice"),
        "{found}"
    );
    receive(&shim, "orders/updated", "let through", b"{}").await;
    let found = health(&owner).await;
    assert!(
        all_faults(&found, "triggers")
            .iter()
            .all(|fault| fault["severity"] == "info"),
        "{found}"
    );
    // Pasted, the warning lets everything through.
    paste(&owner, &warned).await;
    assert_stores(&stack, "swallowed").await;
}
