//! A check that is cut off from outside leaves its row all the same: the worker writes it.

use super::*;
use raw_ops_e2e::wait_for;

const SLO: &str = "SELECT raw_ops.fn_invoke_monitor('order_ingestion_slo')";
const HEARTBEAT: &str = "SELECT raw_ops.fn_invoke_monitor('monitoring_heartbeat')";

/// The errors of the runs that are written down.
async fn errors(client: &Client, count: usize) -> Vec<String> {
    let sql = "SELECT coalesce(error, 'none') FROM raw_ops.monitoring_runs ORDER BY error";
    wait_for(LIMIT, "the rows of the checks that were cut off", async || {
        let errors = column::<String>(client, sql).await;
        (errors.len() >= count).then_some(errors)
    })
    .await
    .unwrap()
}

/// A session in which a check hangs in a view that sleeps; its process.
async fn hanging(stack: &Stack, superuser: &Client, check: &'static str) -> i32 {
    let client = stack.connect().await.unwrap();
    let pid: i32 = one(&client, "SELECT pg_backend_pid()").await;
    tokio::spawn(async move { client.batch_execute(check).await });
    let sleeps = format!(
        "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid} AND wait_event IS NOT NULL"
    );
    wait_until(LIMIT, "the check to hang", async || {
        column::<bool>(superuser, &sleeps).await == [true]
    })
    .await
    .unwrap();
    pid
}

#[tokio::test]
async fn a_check_that_is_cut_off_from_outside_leaves_its_row_also_two_at_once() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let (client, superuser) = (
        stack.connect().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    put_to_sleep(&client, "undelivered_alerts").await;
    // The shops in the place of their table, as an owner may.
    run(
        &client,
        "ALTER TABLE raw_ops.shops RENAME TO shops_kept;
         CREATE VIEW raw_ops.shops AS SELECT s.* FROM pg_sleep(600) AS z LEFT JOIN raw_ops.shops_kept s ON true",
    )
    .await;
    run(&client, "SET statement_timeout = '300ms'").await;
    assert_eq!(refused(&client, HEARTBEAT).await.sqlstate, "57014");
    run(&client, "RESET statement_timeout").await;
    let told = errors(&client, 1).await;
    assert_eq!(
        told,
        ["the check was cut off from outside: canceling statement due to statement timeout"]
    );

    let (cancelled, ended) = tokio::join!(
        hanging(&stack, &superuser, HEARTBEAT),
        hanging(&stack, &superuser, SLO)
    );
    run(
        &superuser,
        &format!("SELECT pg_cancel_backend({cancelled}), pg_terminate_backend({ended})"),
    )
    .await;
    let told = errors(&client, 3).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("canceling statement due to statement timeout"),
        "{told:?}"
    );
    assert!(
        told[1].contains("canceling statement due to user request"),
        "{told:?}"
    );
    assert!(
        told[2].contains("its session was ended in the middle of it"),
        "{told:?}"
    );
    let longest: i32 = one(&client, "SELECT max(duration_ms) FROM raw_ops.monitoring_runs").await;
    assert!(longest >= 300, "{longest}");
}

#[tokio::test]
async fn a_run_whose_record_met_a_locked_table_is_written_down_later_and_a_rolled_back_one_is_not() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let count = "SELECT count(*) FROM raw_ops.monitoring_runs";
    // Whoever takes a run back wants no record of it; nor does who may write nothing.
    run(&client, &format!("BEGIN; {HEARTBEAT}; ROLLBACK")).await;
    run(&client, "BEGIN READ ONLY").await;
    assert_eq!(refused(&client, HEARTBEAT).await.sqlstate, "25006");
    run(&client, "ROLLBACK").await;
    let (holder, _) = forgotten(&stack).await;
    run(&holder, "LOCK TABLE raw_ops.monitoring_runs").await;
    assert_eq!(refused(&client, HEARTBEAT).await.sqlstate, "55P03");
    run(&holder, "COMMIT").await;
    let told = errors(&client, 1).await;
    assert!(told[0].contains("monitoring_runs"), "{told:?}");
    // Not twice: what comes next is one more.
    run(&client, HEARTBEAT).await;
    assert_eq!(one::<i64>(&client, count).await, 2);
}
