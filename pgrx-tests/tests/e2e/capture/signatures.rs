//! Who may put something into the inbox, and what becomes of what makes no sense.

use crate::support::*;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::shopify::{Delivery, Signature, malformed_bodies, sign};
use raw_ops_e2e::stack::SHIM_ROLE;
use raw_ops_e2e::{Shim, Stack, StackOptions, payloads};

#[tokio::test]
async fn what_is_not_signed_by_the_shop_leaves_no_trace() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();
    let order = Generator::new(3).order(0).delivery("orders/create");
    let right = sign(&stack.shopify_secret, &order.body);
    let of_another_body = sign(&stack.shopify_secret, b"{}");
    let hex: String = right.bytes().map(|byte| format!("{byte:02x}")).collect();
    let refused = [
        Signature::Forged,
        Signature::Missing,
        Signature::With(String::new()),
        Signature::With(format!("{} ", stack.shopify_secret)),
        Signature::Literal(String::new()),
        Signature::Literal(stack.shopify_secret.clone()),
        Signature::Literal(of_another_body),
        Signature::Literal(hex),
        Signature::Literal(right[..right.len() - 4].to_owned()),
        Signature::Literal(right.to_lowercase()),
        Signature::Literal(format!("sha256={right}")),
    ];
    for signature in refused {
        for delivery in [order.clone(), order.clone().events_family()] {
            let outcome = sender.send(&delivery.signature(signature.clone())).await;
            assert_eq!(outcome.status, Some(401), "{signature:?}: {outcome:?}");
        }
    }
    let mut changed = order.body.to_vec();
    *changed.last_mut().unwrap() = b' ';
    let tampered = Delivery {
        body: changed.into(),
        ..order.clone().signature(Signature::Literal(right))
    };
    assert_eq!(sender.send(&tampered).await.status, Some(401));

    let client = stack.connect().await.unwrap();
    let traces: i64 = one(
        &client,
        "SELECT (SELECT count(*) FROM raw_ops.webhook_inbox) + (SELECT count(*) FROM raw_ops.ops_events)",
    )
    .await;
    assert_eq!(traces, 0);
    assert_eq!(
        sender.send(&order).await.status,
        Some(200),
        "and the right one is taken"
    );
}

#[tokio::test]
async fn while_the_secret_changes_the_old_one_counts_and_afterwards_it_does_not() {
    let options = StackOptions {
        shopify_secret: Some("the new secret".to_owned()),
        ..StackOptions::for_tests()
    };
    let options = options.shim_env("SHOPIFY_WEBHOOK_SECRET", "the new secret,the old secret");
    let stack = Stack::start(options).await.unwrap();
    let old = || Signature::With("the old secret".to_owned());
    let (new_one, old_one, third) = (
        Generator::new(3).order(1),
        Generator::new(3).order(2),
        Generator::new(3).order(3),
    );

    let sender = stack.sender().unwrap();
    assert_eq!(
        sender.send(&new_one.delivery("orders/create")).await.status,
        Some(200)
    );
    assert_eq!(
        sender
            .send(&old_one.delivery("orders/create").signature(old()))
            .await
            .status,
        Some(200)
    );
    assert_eq!(
        sender
            .send(&third.delivery("orders/create").forged())
            .await
            .status,
        Some(401)
    );

    let afterwards = stack.another_shim().await.unwrap();
    let sender = raw_ops_e2e::shopify::Sender::to(&afterwards, &stack.shopify_secret);
    assert_eq!(
        sender
            .send(&third.delivery("orders/create").signature(old()))
            .await
            .status,
        Some(401)
    );
    stack.wait_drained(LIMIT).await.unwrap();
    assert_tables_hold(&stack.connect().await.unwrap(), &[new_one, old_one]).await;
}

#[tokio::test]
async fn without_a_secret_the_door_is_shut_and_says_which_variable_opens_it() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let shim = Shim::builder(&stack.cluster.url(&stack.db, SHIM_ROLE))
        .start()
        .await
        .unwrap();
    let outcome = raw_ops_e2e::shopify::Sender::to(&shim, "")
        .send(&Generator::new(3).order(0).delivery("orders/create"))
        .await;
    assert_eq!(outcome.status, Some(503));
    assert!(
        outcome.body.contains("SHOPIFY_WEBHOOK_SECRET"),
        "{}",
        outcome.body
    );
    let count: i64 = one(
        &stack.connect().await.unwrap(),
        "SELECT count(*) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(count, 0);
}

#[tokio::test]
async fn shopifys_own_signature_vectors_open_the_door() {
    let vectors = payloads::hmac_vectors().unwrap();
    assert!(!vectors.is_empty());
    let secrets: Vec<&str> = vectors.iter().map(|vector| vector.secret.as_str()).collect();
    let stack = Stack::start(by_hand().shim_env("SHOPIFY_WEBHOOK_SECRET", secrets.join(",")))
        .await
        .unwrap();
    for vector in &vectors {
        let delivery = Delivery::new("orders/create", vector.body.clone())
            .signature(Signature::Literal(vector.hmac.clone()));
        let outcome = stack.sender().unwrap().send(&delivery).await;
        assert_eq!(outcome.status, Some(200), "{vector:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn both_families_of_headers_say_the_same() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();
    let orders: Vec<Order> = Generator::new(3).orders(0..2).collect();
    let mut classic = orders[0].delivery("orders/create").webhook_id("classic");
    classic.triggered_at = "2024-08-07T22:57:57.290670248Z".to_owned();
    let mut newer = orders[1]
        .delivery("orders/create")
        .webhook_id("newer")
        .events_family();
    newer.triggered_at.clone_from(&classic.triggered_at);
    for delivery in [&classic, &newer, &newer] {
        assert_eq!(sender.send(delivery).await.status, Some(200));
    }
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    let found = client
        .query(
            "SELECT event_id, topic, shop_domain, triggered_at = '2024-08-07T22:57:57.29067Z', duplicate_count, headers::text
               FROM raw_ops.webhook_inbox ORDER BY event_id",
            &[],
        )
        .await
        .unwrap();
    for (row, (event_id, repeats)) in found.iter().zip([("classic", 0), ("newer", 1)]) {
        let row: (&str, &str, &str, bool, i32, &str) = (
            row.get(0),
            row.get(1),
            row.get(2),
            row.get(3),
            row.get(4),
            row.get(5),
        );
        assert_eq!(
            (row.0, row.1, row.2, row.3, row.4),
            (
                event_id,
                "orders/create",
                "raw-ops-test.myshopify.com",
                true,
                repeats
            )
        );
        assert!(
            row.5.contains("shopify-api-version") && !row.5.contains("hmac"),
            "{}",
            row.5
        );
    }
    assert_eq!(found.len(), 2);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn malformed_bodies_are_kept_byte_for_byte_and_harm_no_neighbour() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let malformed = malformed_bodies();
    let orders: Vec<Order> = Generator::new(3).orders(0..60).collect();
    // Mixed, so that they share the shim's inserts and the drain's batch.
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (index, order) in orders.iter().enumerate() {
        deliveries.push(order.delivery("orders/create"));
        if let Some((name, body)) = malformed.get(index / 4)
            && index % 4 == 0
        {
            deliveries
                .push(Delivery::new("orders/create", body.clone()).webhook_id(&format!("malformed {name}")));
        }
    }
    assert_eq!(deliveries.len(), orders.len() + malformed.len());
    let outcomes = stack.sender().unwrap().send_all(deliveries, 24).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );

    let client = stack.connect().await.unwrap();
    for (name, body) in &malformed {
        let row = client
            .query_one(
                "SELECT raw_body, payload::text FROM raw_ops.webhook_inbox WHERE event_id = $1",
                &[&format!("malformed {name}")],
            )
            .await
            .unwrap();
        match (row.get::<_, Option<&[u8]>>(0), row.get::<_, Option<&str>>(1)) {
            (Some(bytes), None) => assert_eq!(bytes, body.as_ref(), "{name}"),
            (None, Some(json)) => assert_eq!(json.as_bytes(), body.as_ref(), "{name}"),
            both => panic!("{name}: {both:?}"),
        }
    }

    let (all, bad) = ((orders.len() + malformed.len()) as i64, malformed.len() as i64);
    assert_eq!(drain(&client, 1_000).await, [all, all - bad, bad, 0]);
    let verdicts: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, error_category, attempts, last_error <> '', next_retry_at > now())
           FROM raw_ops.webhook_inbox WHERE event_id LIKE 'malformed %'",
    )
    .await;
    assert_eq!(verdicts, ["failed malformed_payload 1 t t"]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn a_wrong_field_is_named_with_its_path() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let order = Generator::new(3).order(5);
    let wrong = [
        ("id", serde_json::json!("none"), "order.id: "),
        ("total_price", serde_json::json!("12,50"), "order.total_price: "),
        ("updated_at", serde_json::json!("yesterday"), "order.updated_at: "),
        ("customer", serde_json::json!([1]), "order.customer: "),
        (
            "line_items",
            serde_json::json!({"additions": []}),
            "order.line_items: ",
        ),
        (
            "line_items",
            serde_json::json!([{"id": 1, "quantity": 1, "price": "1.00"}, {"id": 2, "quantity": 1, "price": "abc"}]),
            "order.line_items[1].price: ",
        ),
    ];
    for (index, (member, value, _)) in wrong.iter().enumerate() {
        let mut json = order.json.clone();
        json[*member] = value.clone();
        let delivery = Delivery::new("orders/create", json.to_string()).webhook_id(&index.to_string());
        assert_eq!(stack.sender().unwrap().send(&delivery).await.status, Some(200));
    }
    let client = stack.connect().await.unwrap();
    assert_eq!(drain(&client, 100).await, [6, 0, 6, 0]);
    let errors: Vec<String> = column(
        &client,
        "SELECT last_error FROM raw_ops.webhook_inbox ORDER BY event_id",
    )
    .await;
    for ((_, _, path), error) in wrong.iter().zip(&errors) {
        assert!(error.starts_with(path), "{error} does not name {path}");
    }
    assert!(tables(&client).await.is_empty());
}
