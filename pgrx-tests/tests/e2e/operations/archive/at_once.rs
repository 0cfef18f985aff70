//! Archiving while others are at work: nothing is lost, nothing is doubled, nobody waits without need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{archive, count, done, set_up};
use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Generator, Order};
use serde_json::json;

const PARTITIONS: &str = "SELECT inhrelid::regclass::text FROM pg_inherits
                           WHERE inhparent = 'raw_ops.webhook_inbox_archive'::regclass ORDER BY 1";

#[tokio::test]
async fn calls_in_overlapping_transactions_take_different_webhooks() {
    let (stack, client) = set_up().await;
    let other = stack.connect().await.unwrap();
    done(&client, "old", "success", 100, "2026-01-20 12:00+00").await;
    assert_eq!(
        archive(&client, "p_limit := 1").await["archived"],
        1,
        "makes the partition"
    );
    for session in [&client, &other] {
        run(session, "BEGIN").await;
    }
    for (session, limit, expected) in [
        (&client, 40, 40),
        (&other, 40, 40),
        (&client, 40, 19),
        (&other, 40, 0),
    ] {
        let said = archive(session, &format!("p_limit := {limit}")).await;
        assert_eq!(said["archived"], expected, "without waiting");
    }
    run(&other, "ROLLBACK").await;
    run(&client, "COMMIT").await;
    assert_eq!(archive(&other, "").await["archived"], 40, "what was let go");
    assert_eq!(count(&client, "webhook_inbox_archive").await, 100);
}

#[tokio::test]
async fn calls_at_once_that_need_the_same_new_partitions_all_succeed() {
    let (stack, client) = set_up().await;
    done(&client, "old", "success", 3_000, "2026-04-20 12:00+00").await;
    let mut sessions = tokio::task::JoinSet::new();
    let begin = Arc::new(tokio::sync::Barrier::new(4));
    for _ in 0..4 {
        let (session, begin) = (stack.connect().await.unwrap(), Arc::clone(&begin));
        // On a busy machine two seconds may pass while nothing is wrong.
        run(&session, "SET lock_timeout = '60s'").await;
        sessions.spawn(async move {
            begin.wait().await;
            let said = archive(&session, "p_limit := 750").await;
            said["archived"].as_i64().unwrap()
        });
    }
    let moved: i64 = sessions.join_all().await.iter().sum();
    let rest = archive(&client, "").await["archived"].as_i64().unwrap();
    assert_eq!(moved + rest, 3_000);
    assert!(moved > 0);
    assert_eq!(count(&client, "webhook_inbox_archive").await, 3_000);
    let partitions: Vec<String> = column(&client, PARTITIONS).await;
    assert_eq!(
        partitions.len(),
        6,
        "December to April, and the rest: {partitions:?}"
    );
}

#[tokio::test]
async fn a_call_that_finds_the_archive_taken_moves_nothing_and_says_there_is_more() {
    let (stack, client) = set_up().await;
    done(&client, "old", "success", 3, "2026-01-20 12:00+00").await;
    let owner = stack.connect().await.unwrap();
    run(&owner, "BEGIN; LOCK TABLE raw_ops.webhook_inbox_archive").await;
    run(&client, "SET lock_timeout = '50ms'").await;
    let said = archive(&client, "").await;
    assert_eq!((&said["archived"], &said["remaining"]), (&json!(0), &json!(true)));
    run(&owner, "COMMIT").await;
    assert_eq!(archive(&client, "").await["archived"], 3);
}

/// ORD, "Archive Successful Webhooks (monthly)", lines 382 to 388.
const ORDS: [&str; 2] = [
    "INSERT INTO raw_ops.webhook_inbox_archive
     SELECT * FROM raw_ops.webhook_inbox
     WHERE processing_status IN ('success', 'resolved_manual')
     AND created_at < NOW() - INTERVAL '90 days';",
    "DELETE FROM raw_ops.webhook_inbox
     WHERE processing_status IN ('success', 'resolved_manual')
     AND created_at < NOW() - INTERVAL '90 days';",
];

#[tokio::test]
async fn with_an_operators_own_statements_at_once_every_webhook_is_archived_once() {
    let (stack, client) = set_up().await;
    let all = 4_000;
    done(&client, "old", "success", all, "2026-04-20 12:00+00").await;
    let mut sessions = tokio::task::JoinSet::new();
    let operator = stack.connect().await.unwrap();
    sessions.spawn(async move {
        for in_one_transaction in [false, true].into_iter().cycle() {
            if count(&operator, "webhook_inbox").await == 0 {
                return;
            }
            if in_one_transaction {
                run(&operator, "BEGIN").await;
            }
            for statement in ORDS {
                run(&operator, statement).await;
            }
            if in_one_transaction {
                run(&operator, "COMMIT").await;
            }
        }
    });
    for _ in 0..2 {
        let session = stack.connect().await.unwrap();
        run(&session, "SET lock_timeout = '60s'").await;
        sessions.spawn(async move {
            while count(&session, "webhook_inbox").await > 0 {
                archive(&session, "p_limit := 97").await;
            }
        });
    }
    sessions.join_all().await;
    let archived: Vec<i64> = column(
        &client,
        "SELECT n FROM (SELECT count(*), count(DISTINCT id), count(DISTINCT event_id) FROM raw_ops.webhook_inbox_archive) c (a, b, c),
                LATERAL unnest(array[a, b, c]) AS n",
    )
    .await;
    assert_eq!(archived, [all as i64; 3]);
}

#[tokio::test]
async fn with_captures_repeats_and_drains_at_once_every_delivery_is_accounted_for() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let orders: Arc<Vec<Order>> = Arc::new(Generator::new(31).customers(40).orders(0..600).collect());
    let (sent, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let senders = send_half_again_and_again(&stack, &orders, &sent).await;
    let mut workers = tokio::task::JoinSet::new();
    for statement in [
        "SELECT raw_ops.process_pending_webhooks(50)",
        "SELECT raw_ops.process_pending_webhooks(20)",
        "SELECT raw_ops.fn_archive_webhooks_v1('0 seconds', 40)",
        "SELECT raw_ops.fn_archive_webhooks_v1('0 seconds', 15)",
        "SELECT raw_ops.fold_webhook_tallies()",
    ] {
        let (session, stop) = (stack.connect().await.unwrap(), Arc::clone(&stop));
        run(&session, "SET lock_timeout = '60s'").await;
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                run(&session, statement).await;
            }
        });
    }
    senders.join_all().await;
    stop.store(true, Ordering::Relaxed);
    workers.join_all().await;
    let client = stack.connect().await.unwrap();
    run(&client, "CALL raw_ops.drain_inbox()").await;
    run(&client, "CALL raw_ops.archive_inbox(60, '0 seconds')").await;
    assert_eq!(count(&client, "webhook_inbox").await, 0);
    let books: Vec<i64> = column(
        &client,
        "SELECT n FROM (SELECT count(*), count(DISTINCT id), sum(duplicate_count) FROM raw_ops.webhook_inbox_archive) a (rows, ids, repeats),
                (SELECT sum(processed), sum(failed), sum(duplicates) FROM raw_ops.webhook_totals) t (processed, failed, duplicates),
                LATERAL unnest(array[rows - ids, rows + repeats, processed - rows, duplicates - repeats, failed]::bigint[]) WITH ORDINALITY AS u (n, i)
          ORDER BY i",
    )
    .await;
    let sent = sent.load(Ordering::Relaxed);
    assert_eq!(
        books,
        [0, sent, 0, 0, 0],
        "ids twice; deliveries stored or counted; counters against rows"
    );
    let tallies = count(&client, "webhook_tallies").await;
    assert_eq!(tallies, 0, "all folded");
    let sent: Vec<Order> = (0..)
        .zip(orders.iter())
        .filter(|(n, _)| n % 2 == 1 || *n < 60)
        .map(|(_, order)| order.clone())
        .collect();
    assert_tables_hold(&client, &sent).await;
}

/// Three lanes that send.
async fn send_half_again_and_again(
    stack: &Stack,
    orders: &Arc<Vec<Order>>,
    sent: &Arc<AtomicI64>,
) -> tokio::task::JoinSet<()> {
    let mut senders = tokio::task::JoinSet::new();
    for lane in 0..3_usize {
        let session = stack.connect().await.unwrap();
        let (orders, sent) = (Arc::clone(orders), Arc::clone(sent));
        senders.spawn(async move {
            let mut random = fastrand::Rng::with_seed(lane as u64);
            for number in 0..600 {
                // Half of them again and again, while they may just be on their way to the archive.
                let order = if number % 2 == 0 {
                    &orders[random.usize(..60)]
                } else {
                    &orders[lane * 200 + number % 200]
                };
                receive(
                    &session,
                    "orders/create",
                    &format!("event-{}", order.number),
                    &order.bytes,
                )
                .await;
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    senders
}
