//! Two drains, two retries, two shims, operator and worker at once: every webhook is processed once.

use std::sync::Arc;

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::shopify::{Delivery, Sender};
use raw_ops_e2e::{Stack, StackOptions};
use tokio::sync::Barrier;

/// Patience of our own with locks: on a busy machine the drain's half a second may pass while nothing is wrong.
fn patient(options: StackOptions) -> StackOptions {
    options.setting("lock_timeout", "60s")
}

#[tokio::test]
async fn drains_in_overlapping_transactions_take_different_webhooks() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    // Nobody buys twice, so that neither transaction has to wait for the other's customer.
    let orders: Vec<Order> = Generator::new(9).customers(1 << 40).orders(0..200).collect();
    let (one_session, other) = (stack.connect().await.unwrap(), stack.connect().await.unwrap());
    receive_orders(&one_session, &orders).await;
    for session in [&one_session, &other] {
        run(session, "BEGIN").await;
    }
    assert_eq!(drain(&one_session, 80).await, [80, 80, 0, 0]);
    assert_eq!(
        drain(&other, 80).await,
        [80, 80, 0, 0],
        "the next ones, without waiting"
    );
    assert_eq!(drain(&one_session, 80).await, [40, 40, 0, 0], "what nobody holds");
    run(&other, "ROLLBACK").await;
    assert_eq!(drain(&one_session, 100).await, [80, 80, 0, 0], "what was let go");
    run(&one_session, "COMMIT").await;
    assert_eq!(drain(&other, 100).await, [0; 4]);
    assert_tables_hold(&one_session, &orders).await;
}

#[tokio::test]
async fn four_sessions_draining_two_thousand_webhooks_process_each_exactly_once() {
    let stack = Stack::start(patient(by_hand().without_shim())).await.unwrap();
    // Few buyers: the transactions meet at the same customers all the time.
    let orders: Vec<Order> = Generator::new(9).customers(40).orders(0..2_000).collect();
    let client = stack.connect().await.unwrap();
    receive_orders(&client, &orders).await;
    let (mut sessions, begin) = (tokio::task::JoinSet::new(), Arc::new(Barrier::new(4)));
    for batch in [100, 70, 30, 7] {
        let (session, begin) = (stack.connect().await.unwrap(), Arc::clone(&begin));
        sessions.spawn(async move {
            begin.wait().await;
            let mut sum = [0; 4];
            loop {
                run(&session, "BEGIN").await;
                let tally = drain(&session, batch).await;
                run(&session, "COMMIT").await;
                for (sum, part) in sum.iter_mut().zip(tally) {
                    *sum += part;
                }
                if tally[0] == 0 {
                    return sum;
                }
            }
        });
    }
    let sums = sessions.join_all().await;
    let errors: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', error_category, last_error) FROM raw_ops.webhook_inbox WHERE last_error IS NOT NULL",
    )
    .await;
    assert_eq!(errors, Vec::<String>::new(), "nothing is wrong with any of them");
    let sum = |position: usize| -> i64 { sums.iter().map(|tally| tally[position]).sum() };
    assert_eq!([sum(1), sum(2), sum(3)], [2_000, 0, 0], "{sums:?}");
    // One that collides is left, and claimed once more.
    assert!(sum(0) >= 2_000, "{sums:?}");
    assert!(
        sums.iter().all(|tally| tally[0] > 0),
        "all of them worked: {sums:?}"
    );
    let attempts: Vec<i32> = column(&client, "SELECT DISTINCT attempts FROM raw_ops.webhook_inbox").await;
    assert_eq!(attempts, [1]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn one_order_that_always_collides_holds_nobody_up_and_is_blamed_alone() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(9).orders(0..8).collect();
    let last = orders.iter().map(|order| order.id).max().unwrap();
    as_superuser(
        &stack,
        &format!(
            "CREATE FUNCTION public.collide() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE 'deadlock detected' USING errcode = 'deadlock_detected'; END $$;
             CREATE TRIGGER collide BEFORE INSERT ON raw_ops.orders FOR EACH ROW WHEN (NEW.shopify_order_id = {last})
                 EXECUTE FUNCTION public.collide()"
        ),
    )
    .await;
    receive_orders(&client, &orders).await;
    // What collides once rows are locked waits for a transaction that holds none.
    for tally in [[8, 4, 0, 0], [4, 2, 0, 0], [2, 1, 0, 0]] {
        assert_eq!(drain(&client, 100).await, tally);
        let blamed = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE attempts > 0 AND processing_status <> 'success'";
        assert_eq!(one::<i64>(&client, blamed).await, 0);
    }
    assert_eq!(drain(&client, 100).await, [1, 0, 1, 0]);
    let fate: String = one(
        &client,
        "SELECT concat_ws(' ', shopify_order_id, error_category, attempts) FROM raw_ops.webhook_inbox WHERE processing_status = 'failed'",
    )
    .await;
    assert_eq!(fate, format!("{last} transient 1"));
}

#[tokio::test]
async fn retries_in_overlapping_transactions_take_different_webhooks() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (one_session, other) = (stack.connect().await.unwrap(), stack.connect().await.unwrap());
    let orders: Vec<Order> = Generator::new(9).customers(1 << 40).orders(0..250).collect();
    let cancelled: Vec<Order> = orders
        .iter()
        .map(|order| order.updated(1, &[Change::Cancelled("fraud")]))
        .collect();
    for order in &cancelled {
        receive(
            &one_session,
            "orders/cancelled",
            &order.id.to_string(),
            &order.bytes,
        )
        .await;
    }
    assert_eq!(drain(&one_session, 1_000).await, [250, 0, 250, 0]);
    receive_orders(&one_session, &orders).await;
    assert_eq!(drain(&one_session, 1_000).await, [250, 250, 0, 0]);
    run(
        &one_session,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
    )
    .await;
    for session in [&one_session, &other] {
        run(session, "BEGIN").await;
    }
    assert_eq!(retry(&one_session).await, [100, 100, 0, 0]);
    assert_eq!(retry(&other).await, [100, 100, 0, 0]);
    assert_eq!(retry(&one_session).await, [50, 50, 0, 0]);
    for session in [&one_session, &other] {
        run(session, "COMMIT").await;
    }
    assert_eq!(states(&other).await, in_states([("success", 500)]));
    let by_fraud: i64 = one(
        &other,
        "SELECT count(*) FROM raw_ops.orders WHERE cancel_reason = 'fraud'",
    )
    .await;
    assert_eq!(by_fraud, 250);
    assert_tables_hold(&other, &cancelled).await;
}

#[tokio::test]
async fn a_forgotten_transaction_costs_only_the_webhooks_that_need_its_rows() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (client, forgotten) = (stack.connect().await.unwrap(), stack.connect().await.unwrap());
    let orders: Vec<Order> = Generator::new(9).customers(1 << 40).orders(0..20).collect();
    receive_orders(&client, &orders).await;
    assert_eq!(drain(&client, 100).await, [20, 20, 0, 0]);
    let held = format!(
        "SELECT FROM raw_ops.orders WHERE shopify_order_id = {} FOR UPDATE",
        orders[7].id
    );
    run(&forgotten, &format!("BEGIN; {held}")).await;
    for order in &orders {
        let paid = order.updated(60, &[Change::Note("seen".to_owned())]);
        receive(&client, "orders/updated", &order.id.to_string(), &paid.bytes).await;
    }
    assert_eq!(drain(&client, 100).await, [20, 19, 1, 0]);
    let failed =
        "SELECT concat_ws(' ', error_category, attempts, shopify_order_id) FROM raw_ops.webhook_inbox
                   WHERE processing_status = 'failed'";
    assert_eq!(
        column::<String>(&client, failed).await,
        [format!("timeout 1 {}", orders[7].id)]
    );
    run(&forgotten, "ROLLBACK").await;
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
    )
    .await;
    assert_eq!(retry(&client).await, [1, 1, 0, 0]);
    let seen: i64 = one(&client, "SELECT count(*) FROM raw_ops.orders WHERE note = 'seen'").await;
    assert_eq!(seen, 20);
}

#[tokio::test]
async fn a_new_customers_orders_in_two_transactions_at_once_make_one_customer() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let orders: Vec<Order> = Generator::new(9).customers(1).orders(0..60).collect();
    let client = stack.connect().await.unwrap();
    let (mut sessions, begin) = (tokio::task::JoinSet::new(), Arc::new(Barrier::new(6)));
    for part in orders.chunks(10) {
        let (session, begin, part) = (stack.connect().await.unwrap(), Arc::clone(&begin), part.to_vec());
        sessions.spawn(async move {
            begin.wait().await;
            for order in part {
                let call = "SELECT raw_ops.process_order_webhook_txn($1)->>'outcome'";
                let outcome: String = session.query_one(call, &[&order.json]).await.unwrap().get(0);
                assert_eq!(outcome, "created");
            }
        });
    }
    sessions.join_all().await;
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn two_shims_that_get_the_same_deliveries_store_each_once() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let second = stack.another_shim().await.unwrap();
    second.wait_ready().await.unwrap();
    let orders: Vec<Order> = Generator::new(9).orders(0..300).collect();
    let deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    // One of them in another order, so that their inserts cross.
    let mut shuffled = deliveries.clone();
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    let (first, second) = (
        stack.sender().unwrap(),
        Sender::to(&second, &stack.shopify_secret),
    );
    let (some, others) = tokio::join!(first.send_all(deliveries, 16), second.send_all(shuffled, 16));
    let outcomes: Vec<_> = some.into_iter().chain(others).collect();
    let refused: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.status != Some(200))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    let fresh = outcomes
        .iter()
        .filter(|outcome| outcome.body.contains("\"duplicate\":false"));
    assert_eq!(fresh.count(), 300, "each is new to exactly one of the two");
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    let seen: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', duplicate_count, processing_status, attempts, count(*)) FROM raw_ops.webhook_inbox
          GROUP BY duplicate_count, processing_status, attempts",
    )
    .await;
    assert_eq!(seen, ["1 success 1 300"]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn operator_worker_and_pg_cron_at_once_process_nothing_twice() {
    let options = patient(StackOptions::for_tests()).setting("raw_ops.workers", 2);
    let stack = Stack::start(options).await.unwrap();
    let orders: Vec<Order> = Generator::new(9).customers(30).orders(0..600).collect();
    let mut sessions = tokio::task::JoinSet::new();
    for part in orders.chunks(200) {
        let (session, part) = (stack.connect().await.unwrap(), part.to_vec());
        sessions.spawn(async move {
            for some in part.chunks(20) {
                receive_orders(&session, some).await;
                // As an operator does, one by one; the workers are at the same webhooks already.
                let ids = "SELECT id::text FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'";
                for id in column::<String>(&session, ids).await {
                    run(&session, &format!("SELECT raw_ops.process_webhook('{id}')")).await;
                }
                run(&session, "CALL raw_ops.drain_inbox()").await;
            }
        });
    }
    sessions.join_all().await;
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    let seen: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, attempts) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(seen, ["success 1"]);
    assert_tables_hold(&client, &orders).await;
}
