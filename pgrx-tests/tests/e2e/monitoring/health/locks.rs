//! Who keeps writers out of a table: named with the lock while webhooks are refused, and ended by what is pasted.

use super::*;

/// The locks that an INSERT waits for.
const MODES: [(&str, &str); 4] = [
    ("SHARE", "ShareLock"),
    ("SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"),
    ("EXCLUSIVE", "ExclusiveLock"),
    ("ACCESS EXCLUSIVE", "AccessExclusiveLock"),
];

async fn told(stack: &Stack, who: &str) -> Value {
    let client = stack.connect().await.unwrap();
    wait_for(LIMIT, &format!("health to name the lock of {who}"), async || {
        let found = health(&client).await;
        let of = all_faults(&found, "locks")
            .into_iter()
            .find(|fault| fault["problem"].to_string().contains(who));
        of.cloned()
    })
    .await
    .unwrap()
}

async fn assert_unlocked(stack: &Stack) {
    let client = stack.connect().await.unwrap();
    wait_until(LIMIT, "the lock to be gone", async || {
        fault(&health(&client).await, "locks").is_none()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn whoever_locks_writers_out_is_named_with_table_and_mode_whether_or_not_others_wait() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    for (mode, named) in MODES {
        let holder = stack.connect_as_superuser().await.unwrap();
        run(&holder, "SET application_name = 'forgotten'; BEGIN").await;
        let pid: i32 = one(&holder, "SELECT pg_backend_pid()").await;
        run(
            &holder,
            &format!("LOCK TABLE raw_ops.webhook_inbox IN {mode} MODE"),
        )
        .await;
        let fault = told(&stack, &format!("process {pid} ")).await;
        let problem = fault["problem"].as_str().unwrap();
        for part in [
            "'forgotten'",
            "idle in transaction",
            "connected since 2",
            "raw_ops.webhook_inbox",
            named,
        ] {
            assert!(problem.contains(part), "{part}: {fault}");
        }
        assert_eq!(
            (&fault["severity"], fault["since"].is_string()),
            (&"critical".into(), true),
            "{fault}"
        );
        paste(&superuser, &[&fault]).await;
        assert_unlocked(&stack).await;
    }
}

#[tokio::test]
async fn who_waits_for_a_lock_keeps_out_all_who_come_later_and_is_named_with_whom_it_waits_for() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let reader = stack.connect().await.unwrap();
    run(&reader, "BEGIN; SELECT 1 FROM raw_ops.orders").await;
    let read_by: i32 = one(&reader, "SELECT pg_backend_pid()").await;
    let waiting = stack.connect().await.unwrap();
    let pid: i32 = one(&waiting, "SELECT pg_backend_pid()").await;
    let alters = tokio::spawn(async move {
        waiting
            .batch_execute("ALTER TABLE raw_ops.orders ADD COLUMN warehouse text")
            .await
    });
    let fault = told(&stack, &format!("process {pid} ")).await;
    let problem = fault["problem"].as_str().unwrap();
    assert!(problem.contains(&format!("it waits for {read_by}")), "{fault}");
    paste(&stack.connect_as_superuser().await.unwrap(), &[&fault]).await;
    let ended = alters.await.unwrap().unwrap_err();
    assert_eq!(ended.code().map(|code| code.code()), Some("57014"), "{ended:?}");
    run(&reader, "COMMIT").await;
    assert_unlocked(&stack).await;
}

#[tokio::test]
async fn a_prepared_transaction_that_locks_writers_out_is_named_and_never_ended_by_pasting() {
    let stack = Stack::start(by_hand().without_shim().setting("max_prepared_transactions", 2))
        .await
        .unwrap();
    let owner = stack.connect().await.unwrap();
    run(
        &owner,
        "BEGIN; LOCK TABLE raw_ops.webhook_inbox IN SHARE MODE; PREPARE TRANSACTION 'left over'",
    )
    .await;
    let fault = told(&stack, "left over").await;
    let problem = fault["problem"].as_str().unwrap();
    for part in ["shop_owner", "raw_ops.webhook_inbox", "ShareLock"] {
        assert!(problem.contains(part), "{part}: {fault}");
    }
    assert!(fault["since"].is_string(), "{fault}");
    let next = paste(&owner, &[&fault]).await;
    assert!(
        next.iter().all(|line| line.starts_with("--")) && next[0].contains("ROLLBACK PREPARED 'left over';"),
        "{fault}"
    );
    assert_eq!(
        one::<i64>(&owner, "SELECT count(*) FROM pg_prepared_xacts").await,
        1
    );
    run(&owner, "ROLLBACK PREPARED 'left over'").await;
    assert_unlocked(&stack).await;
}
