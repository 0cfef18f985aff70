//! Health answers whoever may call it, whatever is locked, dropped or out of its sight, and says what it did not see.

use std::collections::BTreeSet;

use super::*;
use crate::drills::incidents::report;

/// Longer than this nobody waits for health.
const PATIENCE: &str = "SET statement_timeout = '5s'";

#[tokio::test]
async fn the_owner_and_whoever_is_granted_it_are_answered_alike() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    assert!(
        !one::<bool>(
            &owner,
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        )
        .await
    );
    as_superuser(
        &stack,
        "CREATE ROLE guard LOGIN; GRANT USAGE ON SCHEMA raw_ops TO guard; GRANT EXECUTE ON FUNCTION raw_ops.fn_health_v1 TO guard",
    )
    .await;
    let guard = stack.connect_as("guard").await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    wait_until(LIMIT, "the sender", async || {
        health(&owner).await["sender"] == true
    })
    .await
    .unwrap();
    let expected = health(&superuser).await;
    assert_eq!(without_by_whom(health(&owner).await), expected);
    assert_eq!(without_by_whom(health(&guard).await), expected);
    for what in [
        "not_visible",
        "row_security",
        "receivers",
        "read_only",
        "indexes",
        "triggers",
    ] {
        assert!(!names(&expected).contains(&what.to_owned()), "{expected}");
    }
    // The contract's shape.
    for fault in expected["faults"].as_array().unwrap() {
        let members: Vec<&String> = fault.as_object().unwrap().keys().collect();
        assert_eq!(
            members,
            ["count", "next", "problem", "severity", "since", "what"],
            "{fault}"
        );
        assert!(
            fault["next"].as_array().is_some_and(|next| !next.is_empty()),
            "{fault}"
        );
    }
}

/// Who may run what is printed is told to each reader by themselves.
fn without_by_whom(mut health: Value) -> Value {
    for fault in health["faults"].as_array_mut().unwrap() {
        let next = fault["next"].as_array_mut().unwrap();
        next.retain(|step| !step.as_str().unwrap().starts_with("-- As "));
    }
    health
}

#[tokio::test]
async fn whatever_table_is_locked_health_answers_in_time_and_names_who_holds_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let tables: Vec<String> = column(
        &superuser,
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('raw_ops', 'cron') AND c.relkind IN ('r', 'p') ORDER BY 1",
    )
    .await;
    assert!(tables.len() > 20, "{tables:?}");
    let warm = stack.connect().await.unwrap();
    run(&warm, PATIENCE).await;
    health(&warm).await;
    let mut told = BTreeSet::new();
    // Each alone, then all at once.
    for locked in tables.iter().map(std::slice::from_ref).chain([tables.as_slice()]) {
        let holder = stack.connect_as_superuser().await.unwrap();
        run(&holder, "SET application_name = 'forgotten'; BEGIN").await;
        let pid: i32 = one(&holder, "SELECT pg_backend_pid()").await;
        run(&holder, &format!("LOCK TABLE ONLY {}", locked.join(", ONLY "))).await;
        let cold = stack.connect().await.unwrap();
        run(&cold, PATIENCE).await;
        for client in [&warm, &cold] {
            let found = health(client).await;
            let unseen = fault(&found, "not_visible");
            let by_whom = fault(&found, "locks");
            assert!(unseen.is_none() || by_whom.is_some(), "{locked:?}: {found}");
            let Some(by_whom) = by_whom else { continue };
            told.extend(locked.iter().cloned());
            let problem = by_whom["problem"].as_str().unwrap();
            assert!(problem.contains("'forgotten'"), "{problem}");
            assert!(locked.iter().all(|table| problem.contains(table)), "{problem}");
            assert!(by_whom["since"].is_string(), "{by_whom}");
            // As whom comes first.
            let next = by_whom["next"].as_array().unwrap().last().unwrap();
            let next = next.as_str().unwrap();
            assert!(
                next.starts_with(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {pid} AND backend_start = "
                )),
                "{next}"
            );
        }
        drop(holder);
        terminate_if_there(&superuser, pid).await;
        let after = health(&warm).await;
        assert_eq!(fault(&after, "locks"), None, "{after}");
    }
    // Those it reads are among them.
    for table in [
        "raw_ops.webhook_inbox",
        "raw_ops.http_requests",
        "raw_ops.alerts",
        "raw_ops.secrets",
        "cron.job",
    ] {
        assert!(
            told.contains(table),
            "{table} was locked, and nobody told: {told:?}"
        );
    }
}

async fn terminate_if_there(superuser: &Client, pid: i32) {
    run(superuser, &format!("SELECT pg_terminate_backend({pid})")).await;
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    wait_until(LIMIT, "the session to end", async || {
        one::<i64>(superuser, &gone).await == 0
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_role_that_sees_less_is_answered_and_told_the_grants_that_show_the_rest() {
    let options = StackOptions {
        schedule_jobs: true,
        ..by_hand()
    };
    let stack = Stack::start(options.without_shim().setting("cron.max_running_jobs", 0))
        .await
        .unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    // The function as somebody has it who trusts it with less than a superuser's rights.
    run(
        &superuser,
        "ALTER FUNCTION raw_ops.fn_health_v1() OWNER TO shop_owner",
    )
    .await;
    let owner = stack.connect().await.unwrap();
    let found = health(&owner).await;
    let unseen: Vec<&Value> = all_faults(&found, "not_visible");
    assert_eq!(unseen.len(), 3, "{found}");
    assert!(
        unseen.iter().all(|fault| fault["severity"] == "info"),
        "{unseen:?}"
    );
    // Its own jobs it sees; nothing is claimed to be missing.
    assert_eq!(
        found["pg_cron"]["jobs"].as_array().map(Vec::len),
        Some(12),
        "{found}"
    );
    assert!(!names(&found).contains(&"jobs".to_owned()), "{found}");
    let grants = paste(&superuser, &unseen).await;
    assert!(
        grants.contains(&"GRANT pg_read_all_settings TO shop_owner;".to_owned()),
        "{grants:?}"
    );
    let after = health(&stack.connect().await.unwrap()).await;
    assert!(!names(&after).contains(&"not_visible".to_owned()), "{after}");
}

#[tokio::test]
async fn a_dropped_view_or_table_costs_health_its_own_figure_and_no_more() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (owner, superuser) = (
        stack.connect().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    run(&owner, "DROP VIEW raw_ops.undelivered_alerts").await;
    let found = health(&owner).await;
    assert_eq!(found["undelivered_alerts"], Value::Null);
    assert_eq!(found["queue_depth"], 0, "the others are there: {found}");
    let gone = fault(&found, "views").unwrap();
    assert!(
        gone["problem"].as_str().unwrap().contains("undelivered_alerts"),
        "{gone}"
    );
    report(20, &paste(&owner, &[gone]).await);
    let after = health(&owner).await;
    assert_eq!(
        (fault(&after, "views"), &after["undelivered_alerts"]),
        (None, &0.into())
    );

    run(&owner, "ALTER TABLE raw_ops.retry_schedule RENAME TO schedule").await;
    let found = health(&owner).await;
    let gone = fault(&found, "tables").unwrap();
    assert_eq!(gone["severity"], "critical");
    assert!(
        gone["problem"].as_str().unwrap().contains("retry_schedule"),
        "{gone}"
    );
    report(15, &paste(&superuser, &[gone]).await);
    assert_eq!(fault(&health(&owner).await, "tables"), None);
    run(&owner, "SELECT FROM raw_ops.retry_schedule").await;
}

#[tokio::test]
async fn a_look_up_that_fails_leaves_no_word_of_lost_memory_in_the_servers_log() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let owner = stack.connect().await.unwrap();
    run(&owner, "DROP VIEW raw_ops.undelivered_alerts").await;
    // The name that is not found is looked for among the owner's triggers; a locked table is asked who holds it.
    let holder = stack.connect_as_superuser().await.unwrap();
    run(&holder, "BEGIN; LOCK TABLE raw_ops.http_requests").await;
    let found = health(&owner).await;
    assert_eq!(
        (&found["undelivered_alerts"], &found["outbox"]),
        (&Value::Null, &Value::Null)
    );
    run(&owner, "DO $$ BEGIN RAISE WARNING 'warnings are logged'; END $$").await;
    let log = stack.cluster.log();
    assert!(log.contains("warnings are logged"), "{log}");
    assert!(!log.contains("SPITupleTable"), "{log}");
}
