//! "Stored" means on disk, also where the role, the database or the server does not wait for it.

use super::*;
use raw_ops_e2e::StackOptions;

/// A server that leaves finished commits in memory for as long as it may.
fn lazy() -> StackOptions {
    durable()
        .setting("wal_writer_delay", "10s")
        .setting("raw_ops.workers", 0)
}

#[tokio::test]
async fn nothing_acknowledged_by_the_shim_is_lost_where_synchronous_commit_is_off() {
    for setting in [
        "ALTER ROLE raw_ops_shim SET synchronous_commit = off",
        "ALTER DATABASE shop SET synchronous_commit = off",
        "ALTER SYSTEM SET synchronous_commit = off",
    ] {
        let mut stack = Stack::start(lazy()).await.unwrap();
        run(&stack.connect_as_superuser().await.unwrap(), setting).await;
        stack.cluster.restart(raw_ops_e2e::Stop::Fast).await.unwrap();
        stack.shim().unwrap().wait_ready().await.unwrap();
        let orders: Vec<Order> = Generator::new(40).orders(0..20).collect();
        let deliveries = orders
            .iter()
            .map(|order| order.delivery("orders/create"))
            .collect();
        let outcomes = stack.sender().unwrap().send_all(deliveries, 4).await;
        assert!(outcomes.iter().all(|outcome| outcome.accepted()), "{outcomes:?}");
        stack.cluster.kill_postmaster().await.unwrap();
        stack.cluster.start().await.unwrap();
        let stored: i64 = one(
            &stack.connect_as_superuser().await.unwrap(),
            "SELECT count(*) FROM raw_ops.webhook_inbox",
        )
        .await;
        assert_eq!(stored, 20, "{setting}");
    }
}

#[tokio::test]
async fn what_a_function_has_said_is_done_survives_a_crash_where_synchronous_commit_is_off() {
    let mut stack = Stack::start(lazy().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let order = Generator::new(41).order(0);
    receive(&client, "orders/create", "dead", b"no JSON").await;
    as_superuser(
        &stack,
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'failed';
         UPDATE raw_ops.webhook_inbox SET processing_status = 'dlq';
         INSERT INTO raw_ops.shipments (id, tracking_no) VALUES ('00000000-0000-7000-8000-000000000001', 'T1');
         CHECKPOINT",
    )
    .await;
    let payload = String::from_utf8(order.bytes.to_vec())
        .unwrap()
        .replace('\'', "''");
    for (call, trace) in [
        (
            format!("process_order_webhook_txn('{payload}')"),
            "SELECT count(*) FROM raw_ops.orders",
        ),
        (
            "process_courier_event('00000000-0000-7000-8000-000000000001', 'DPD', '01', 'x', now(), '{}')"
                .to_owned(),
            "SELECT count(*) FROM raw_ops.courier_events",
        ),
        (
            "fn_resolve_webhook_manually_v1((SELECT id FROM raw_ops.webhook_inbox), 'done')".to_owned(),
            "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'resolved_manual'",
        ),
        (
            "fn_set_secret_v1('slack_url_fallback', 'https://hooks.slack.com/services/x')".to_owned(),
            "SELECT count(*) FROM raw_ops.secrets",
        ),
    ] {
        let client = stack.connect_as_superuser().await.unwrap();
        run(
            &client,
            &format!("SET synchronous_commit = off; SELECT raw_ops.{call}"),
        )
        .await;
        stack.cluster.kill_postmaster().await.unwrap();
        stack.cluster.start().await.unwrap();
        assert_eq!(
            one::<i64>(&stack.connect_as_superuser().await.unwrap(), trace).await,
            1,
            "{call:.40}"
        );
    }
}

#[tokio::test]
async fn a_stronger_setting_stays_and_off_is_off_again_afterwards() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    for (number, (before, within)) in [
        ("off", "on"),
        ("local", "local"),
        ("remote_write", "remote_write"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ]
    .into_iter()
    .enumerate()
    {
        run(&client, &format!("SET synchronous_commit = {before}; BEGIN")).await;
        receive(&client, "orders/create", &number.to_string(), b"{}").await;
        assert_eq!(one::<String>(&client, "SHOW synchronous_commit").await, within);
        run(&client, "COMMIT").await;
        assert_eq!(one::<String>(&client, "SHOW synchronous_commit").await, before);
    }
}
