//! Somebody has locked a table and gone.

use super::*;
use raw_ops_e2e::orders::Generator;

#[tokio::test]
async fn a_forgotten_lock_on_orders() {
    let mut drill = Drill::begin(2, StackOptions::for_tests()).await;
    let superuser = drill.stack.connect_as_superuser().await.unwrap();
    let forgotten = drill.stack.connect().await.unwrap();
    run(
        &forgotten,
        "SET application_name = 'forgotten'; BEGIN; LOCK TABLE raw_ops.orders",
    )
    .await;
    let orders: Vec<_> = Generator::new(2).orders(0..20).collect();
    let sender = drill.stack.sender().unwrap();
    for order in &orders {
        assert!(sender.send(&order.delivery("orders/create")).await.accepted());
    }
    let named = drill.named().await;
    assert!(named.problem().contains("'forgotten'"), "{named:?}");
    assert!(named.problem().contains("raw_ops.orders"), "{named:?}");
    drill.paste(&named, nobody).await;
    drill.mended().await;
    drill.stack.wait_drained(LIMIT).await.unwrap();
    // Waiting for a lock is nobody's failure.
    let attempts: i64 = one(
        &superuser,
        "SELECT count(*) FROM raw_ops.webhook_inbox WHERE attempts <> 1 OR last_error IS NOT NULL",
    )
    .await;
    assert_eq!(attempts, 0);
    let ingested: i64 = one(&superuser, "SELECT count(*) FROM raw_ops.orders").await;
    assert_eq!(ingested, 20);
}
