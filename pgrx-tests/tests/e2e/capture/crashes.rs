//! Whatever dies under load: nothing acknowledged is lost, nothing is there twice, everything becomes an order.

use std::time::Duration;

use crate::support::*;
use raw_ops_e2e::http::{Answer, HttpClient};
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::{Stack, StackOptions, Stop, wait_until};
use tokio_postgres::Client;

/// Sends one signed webhook and returns the whole answer.
async fn answer(stack: &Stack, order: &Order) -> Answer {
    let delivery = order.delivery("orders/create");
    let headers = delivery.headers(&stack.shopify_secret).unwrap();
    let url = stack.shim().unwrap().url(&delivery.path);
    let client = HttpClient::new(Duration::from_secs(10));
    client.post(&url, headers, delivery.body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_way_the_server_goes_down_under_load_the_shim_says_503_and_goes_on_by_itself() {
    let mut stack = Stack::start(durable()).await.unwrap();
    let shim = stack.shim().unwrap().identity().unwrap();
    let load = Load::start(&stack.sender().unwrap());
    let never_stored = Generator::new(99).order(0);
    for round in ["fast", "immediate", "killed"] {
        load.wait_for_more(150).await;
        match round {
            "fast" => stack.cluster.stop(Stop::Fast).await.unwrap(),
            "immediate" => stack.cluster.stop(Stop::Immediate).await.unwrap(),
            _ => stack.cluster.kill_postmaster().await.unwrap(),
        }
        let answer = answer(&stack, &never_stored).await;
        assert_eq!(answer.status, 503, "{round}: {}", answer.text());
        let retry_after = answer
            .headers
            .get("retry-after")
            .expect("Retry-After")
            .to_str()
            .unwrap();
        assert!(
            retry_after.parse::<u32>().is_ok_and(|seconds| seconds > 0),
            "{retry_after}"
        );
        // Its last answer holds for two seconds.
        let readyz = stack.shim().unwrap().url("/readyz");
        wait_until(LIMIT, "the shim not to be ready", async || {
            let ready = HttpClient::new(LIMIT).get(&readyz).await;
            ready.is_ok_and(|ready| ready.status == 503)
        })
        .await
        .unwrap();
        let alive = HttpClient::new(LIMIT)
            .get(&stack.shim().unwrap().url("/healthz"))
            .await
            .unwrap();
        assert_eq!(alive.status, 200, "{round}: {}", alive.text());

        stack.cluster.start().await.unwrap();
        load.wait_for_more(50).await;
        stack.shim().unwrap().wait_ready().await.unwrap();
    }
    let sent = load.finish().await;
    assert_eq!(
        stack.shim().unwrap().identity(),
        Some(shim),
        "the shim was never restarted"
    );
    sent.assert_ingested(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_killed_under_load_has_lost_nothing_it_acknowledged() {
    let mut stack = Stack::start(durable()).await.unwrap();
    let load = Load::start(&stack.sender().unwrap());
    for _ in 0..3 {
        load.wait_for_more(100).await;
        let shim = stack.shim.as_mut().unwrap();
        shim.kill().await.unwrap();
        shim.start().await.unwrap();
    }
    load.wait_for_more(100).await;
    load.finish().await.assert_ingested(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shims_sessions_terminated_under_load_cost_nothing() {
    let stack = Stack::start(durable()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let load = Load::start(&stack.sender().unwrap());
    let mut terminated = 0;
    for _ in 0..5 {
        load.wait_for_more(40).await;
        let sql = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'edge-shim'";
        terminated += one::<i64>(&superuser, sql).await;
    }
    assert!(terminated >= 5, "{terminated}");
    load.wait_for_more(40).await;
    load.finish().await.assert_ingested(&stack).await;
}

/// From now on a drain stops in the middle, orders written and items not, for as long as `key` is held.
async fn hold_drains_in_the_middle(client: &Client) {
    run(
        client,
        "CREATE FUNCTION raw_ops.hold() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$;
         CREATE TRIGGER hold AFTER INSERT ON raw_ops.order_items FOR EACH STATEMENT EXECUTE FUNCTION raw_ops.hold();
         SELECT pg_advisory_lock(42)",
    )
    .await;
}

#[tokio::test]
async fn a_backend_killed_in_the_middle_of_a_drain_leaves_every_webhook_to_the_next() {
    let options = StackOptions {
        shim: false,
        ..durable()
    };
    let mut stack = Stack::start(options.setting("raw_ops.workers", 0)).await.unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(12).orders(0..500).collect();
    receive_orders(&client, &orders).await;
    assert_eq!(drain(&client, 100).await, [100, 100, 0, 0]);
    hold_drains_in_the_middle(&client).await;

    let drainer = stack.connect().await.unwrap();
    let pid: i32 = one(&drainer, "SELECT pg_backend_pid()").await;
    let drain_dies = tokio::spawn(async move {
        drainer
            .batch_execute("SELECT raw_ops.process_pending_webhooks(1000)")
            .await
    });
    let waits = format!(
        "SELECT wait_event = 'advisory' FROM pg_stat_activity WHERE pid = {pid} AND wait_event IS NOT NULL"
    );
    wait_until(LIMIT, "the drain to be in the middle", async || {
        client
            .query_opt(&waits, &[])
            .await
            .is_ok_and(|row| row.is_some_and(|row| row.get(0)))
    })
    .await
    .unwrap();
    stack.cluster.kill_backend(pid).await.unwrap();
    assert!(drain_dies.await.unwrap().is_err());
    wait_until(LIMIT, "the server to have noticed", async || client.is_closed())
        .await
        .unwrap();
    stack.cluster.wait_ready().await.unwrap();

    let client = stack.connect().await.unwrap();
    run(&client, "DROP FUNCTION raw_ops.hold() CASCADE").await;
    assert_eq!(
        states(&client).await,
        in_states([("pending", 400), ("success", 100)])
    );
    let first: i64 = one(&client, "SELECT count(*) FROM raw_ops.orders").await;
    assert_eq!(first, 100, "nothing of the drain that died");
    // After a crash a drain begins with few: one of them may have been the cause.
    let mut succeeded = 0;
    while succeeded < 400 {
        let [claimed, done, failed, dead] = drain(&client, 1_000).await;
        assert!(
            claimed > 0 && done == claimed && failed == 0 && dead == 0,
            "{claimed}, {done}"
        );
        succeeded += done;
    }
    let attempts: Vec<i32> = column(&client, "SELECT DISTINCT attempts FROM raw_ops.webhook_inbox").await;
    assert_eq!(attempts, [1]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn a_drain_cancelled_or_terminated_in_the_middle_is_held_against_no_webhook() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(12).orders(0..50).collect();
    receive_orders(&client, &orders).await;
    hold_drains_in_the_middle(&client).await;
    for (limit, call, sqlstate) in [
        ("statement_timeout", "process_pending_webhooks(1000)", "57014"),
        ("statement_timeout", "retry_failed_webhooks()", "57014"),
    ] {
        let session = stack.connect().await.unwrap();
        run(&session, &format!("SET {limit} = '300ms'")).await;
        let refusal = refused(&session, &format!("SELECT raw_ops.{call}")).await;
        assert_eq!(refusal.sqlstate, sqlstate, "{refusal:?}");
        assert_eq!(states(&client).await, in_states([("pending", 50)]));
    }
    let session = stack.connect().await.unwrap();
    let pid: i32 = one(&session, "SELECT pg_backend_pid()").await;
    let dies = tokio::spawn(async move {
        session
            .batch_execute("SELECT raw_ops.process_pending_webhooks(1000)")
            .await
    });
    let waits =
        format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND locktype = 'advisory' AND NOT granted");
    wait_until(LIMIT, "the drain to be in the middle", async || {
        one::<i64>(&client, &waits).await == 1
    })
    .await
    .unwrap();
    terminate(&stack, pid).await;
    assert!(dies.await.unwrap().is_err());
    let untouched: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, attempts, last_error) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(untouched, ["pending 0"]);
    run(
        &client,
        "SELECT pg_advisory_unlock(42); DROP FUNCTION raw_ops.hold() CASCADE",
    )
    .await;
    assert_eq!(drain(&client, 100).await, [50, 50, 0, 0]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn what_was_rolled_back_was_never_received() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(12).orders(0..20).collect();
    run(&client, "BEGIN").await;
    receive_orders(&client, &orders).await;
    receive(&client, "orders/create", "single", &orders[0].bytes).await;
    run(&client, "ROLLBACK").await;
    let traces: i64 = one(
        &client,
        "SELECT (SELECT count(*) FROM raw_ops.webhook_inbox) + (SELECT count(*) FROM raw_ops.ops_events)
              + (SELECT count(*) FROM raw_ops.orders)",
    )
    .await;
    assert_eq!(traces, 0);
    // Not a duplicate of anything; the worker, woken for nothing before, takes it up.
    receive_orders(&client, &orders).await;
    stack.wait_drained(LIMIT).await.unwrap();
    assert_tables_hold(&client, &orders).await;
}
