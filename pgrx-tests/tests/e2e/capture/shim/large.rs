//! Webhooks that PostgreSQL itself needs seconds to store: its jsonb takes a third of a microsecond for each number.

use crate::support::*;
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, wait_until};

/// Eight megabytes.
const NUMBERS: usize = 4_000_000;

fn large(number: u64) -> Delivery {
    let order = Generator::new(number).orders(0..1).next().unwrap();
    let mut delivery = order.delivery("orders/create");
    let numbers = vec!["0"; NUMBERS].join(",");
    delivery.body = format!("{{\"id\":{},\"numbers\":[{numbers}]}}", 1_000 + number).into();
    delivery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_takes_longer_than_its_sender_waits_is_stored_all_the_same_and_the_answer_says_it_was_its_size()
 {
    // No machine stores it in this time.
    let stack = Stack::start(by_hand().shim_env("STORE_TIMEOUT_MS", 100))
        .await
        .unwrap();
    let outcome = stack.sender().unwrap().send(&large(1)).await;
    assert_eq!(outcome.status, Some(503), "{outcome:?}");
    assert!(outcome.body.contains("of this size"), "{outcome:?}");
    let client = stack.connect().await.unwrap();
    wait_until(LIMIT, "it to be stored", async || {
        one::<i64>(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await == 1
    })
    .await
    .unwrap();
}

/// As often as a provider sends again.
const ROUNDS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_large_webhooks_at_once_none_keeps_the_others_from_being_stored() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let sender = stack.sender().unwrap();
    let mut unanswered: Vec<Delivery> = (1..=4).map(large).collect();
    // As a provider does, who sends again what was not answered 200.
    for round in 1.. {
        let outcomes = sender.send_all(unanswered.clone(), 4).await;
        let before = unanswered.len();
        let mut outcomes = outcomes.iter();
        unanswered.retain(|_| {
            let outcome = outcomes.next().unwrap();
            assert!(
                outcome.accepted() || outcome.body.contains("of this size"),
                "{outcome:?}"
            );
            !outcome.accepted()
        });
        println!(
            "round {round}: {} of {before} answered 200",
            before - unanswered.len()
        );
        if unanswered.is_empty() {
            break;
        }
        // A busy machine may take none within the deadline for once; what it has taken until then is stored.
        assert!(
            round < ROUNDS,
            "{} unanswered after {round} rounds",
            unanswered.len()
        );
    }
    let client = stack.connect().await.unwrap();
    let stored: i64 = one(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await;
    assert_eq!(stored, 4);
}
