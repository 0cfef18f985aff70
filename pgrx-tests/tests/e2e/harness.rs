//! The harness itself against the real thing: what it starts works together, and what it sends arrives.

use std::time::Duration;

use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::shopify::{Delivery, Signature, malformed_bodies};
use raw_ops_e2e::{Stack, StackOptions, payloads};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn signed_orders_become_orders_and_forged_ones_nothing() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();

    let orders: Vec<_> = Generator::new(1).orders(0..200).collect();
    let mut deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    deliveries.push(deliveries[0].clone());
    let outcomes = sender.send_all(deliveries.clone(), 8).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );

    for refused in [
        Signature::Forged,
        Signature::Missing,
        Signature::Literal("no base64".to_owned()),
    ] {
        let outcome = sender
            .send(&deliveries[0].clone().webhook_id("forged").signature(refused))
            .await;
        assert_eq!(outcome.status, Some(401), "{outcome:?}");
    }
    let newer = Generator::new(1)
        .order(200)
        .delivery("orders/create")
        .events_family();
    assert!(sender.send(&newer).await.accepted());

    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    let row = client
        .query_one(
            "SELECT count(*), (SELECT count(*) FROM raw_ops.orders), (SELECT sum(duplicate_count)::int8 FROM raw_ops.webhook_inbox)
               FROM raw_ops.webhook_inbox WHERE processing_status = 'success'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)),
        (201, 201, 1)
    );
    let total: String = client
        .query_one(
            "SELECT total_price::text FROM raw_ops.orders WHERE shopify_order_id = $1",
            &[&orders[7].id],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(Some(total.as_str()), orders[7].text("total_price"));
}

#[tokio::test]
async fn every_real_payload_and_every_malformed_body_is_kept() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();
    let real = payloads::shopify().unwrap();
    let real = real
        .iter()
        .map(|payload| Delivery::new(&payload.topic, payload.compact()));
    let malformed = malformed_bodies()
        .into_iter()
        .filter(|(name, _)| *name != "empty");
    let malformed = malformed.map(|(_, body)| Delivery::new("orders/create", body));
    let deliveries: Vec<Delivery> = real.chain(malformed).collect();
    let count = i64::try_from(deliveries.len()).unwrap();
    let outcomes = sender.send_all(deliveries, 4).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );
    let row = stack
        .connect()
        .await
        .unwrap()
        .query_one("SELECT count(*) FROM raw_ops.webhook_inbox", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), count);
}
