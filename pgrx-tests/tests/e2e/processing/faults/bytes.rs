//! A claim counts bytes too: large payloads are taken a few at a time, and all of them are taken.

use super::*;
use raw_ops_e2e::StackOptions;

/// Nine megabytes each, unpacked; far less on disk.
fn bulky(count: u64) -> Vec<Order> {
    let note = "a long story ".repeat(700_000);
    Generator::new(36)
        .orders(0..count)
        .map(|order| order.updated(0, &[Change::Set("story", json!(note))]))
        .collect()
}

#[tokio::test]
async fn payloads_of_more_than_thirty_two_megabytes_together_are_claimed_in_several_sets() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let orders = bulky(5);
    for order in &orders {
        receive_orders(&client, std::slice::from_ref(order)).await;
    }
    let small: Vec<Order> = Generator::new(36).orders(5..10).collect();
    receive_orders(&client, &small).await;
    assert_eq!(drain(&client, 200).await, [3, 3, 0, 0], "the oldest three");
    let first: Vec<String> = column(
        &client,
        "SELECT event_id FROM raw_ops.webhook_inbox WHERE processing_status = 'success' ORDER BY received_at",
    )
    .await;
    assert_eq!(first, ["create-1001", "create-1002", "create-1003"]);
    assert_eq!(drain(&client, 200).await, [7, 7, 0, 0]);
    assert_tables_hold(&client, &[orders, small].concat()).await;
}

#[tokio::test]
async fn the_worker_and_the_minutely_job_go_on_until_all_sets_are_done() {
    let orders = bulky(9);
    for options in [StackOptions::for_tests(), by_hand()] {
        let stack = Stack::start(options.without_shim()).await.unwrap();
        let client = stack.connect().await.unwrap();
        run(&client, "BEGIN").await;
        for order in &orders {
            receive_orders(&client, std::slice::from_ref(order)).await;
        }
        run(&client, "COMMIT").await;
        run(&client, "CALL raw_ops.drain_inbox()").await;
        stack.wait_drained(LIMIT).await.unwrap();
        assert_eq!(states(&client).await, in_states([("success", 9)]));
    }
}
