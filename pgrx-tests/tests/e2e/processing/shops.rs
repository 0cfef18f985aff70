//! Several shops in one database: ids, e-mails, numbers and delivery ids that they share keep them no less apart than three
//! databases would.

use crate::support::*;
use fastrand::Rng;
use raw_ops_e2e::Stack;
use raw_ops_e2e::courier::{fulfillment, fulfillment_delivery};
use raw_ops_e2e::shopify::Delivery;
use serde_json::{Value, json};
use tokio_postgres::Client;

const SHOPS: [&str; 3] = ["de.example", "eu.example", "uk.example"];

/// Everything that two shops may have in common: order and customer id, number, e-mail, SKU, tracking number, delivery id.
fn order(shop: &str, guest: bool) -> Value {
    let place = SHOPS.iter().position(|known| *known == shop).unwrap() as i64;
    let buyer = json!({"first_name": format!("Marie of {shop}"), "email": "Marie@example.com"});
    let mut customer = buyer.clone();
    customer["id"] = 9001.into();
    json!({
        "id": if guest { 5002 } else { 5001 }, "order_number": 1001, "name": "#1001", "email": "marie@Example.com",
        "currency": "EUR", "total_price": format!("{}.50", place + 1), "financial_status": "paid",
        "created_at": "2026-01-19T08:00:00Z", "updated_at": format!("2026-01-19T08:00:0{place}Z"),
        "customer": if guest { Value::Null } else { customer },
        "line_items": [{"id": 7001, "sku": "BOX-1", "title": format!("Box of {shop}"), "quantity": place + 1, "price": "1.00"}],
    })
}

/// A shop's webhooks in the order in which it sends them.
fn webhooks(shop: &str) -> Vec<Delivery> {
    let of_shop = |delivery: Delivery, id: &str| Delivery {
        shop_domain: shop.to_uppercase(),
        ..delivery.webhook_id(id)
    };
    let shipped = fulfillment(8001, 5001, &["1550"], "2026-01-19T09:00:00Z");
    vec![
        of_shop(
            Delivery::new("orders/create", order(shop, true).to_string()),
            "first",
        ),
        of_shop(
            Delivery::new("orders/create", order(shop, false).to_string()),
            "second",
        ),
        of_shop(fulfillment_delivery("fulfillments/create", &shipped), "third"),
        of_shop(
            Delivery::new("orders/create", order(shop, false).to_string()),
            "second",
        ),
    ]
}

/// Waits for no time between two attempts.
async fn start() -> (Stack, Client) {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose = 'webhooks'",
    )
    .await;
    (stack, client)
}

async fn send_all(stack: &Stack, client: &Client, webhooks: &[Delivery]) {
    run(
        client,
        "TRUNCATE raw_ops.webhook_inbox, raw_ops.orders, raw_ops.customers, raw_ops.shipments, raw_ops.fulfillments,
                  raw_ops.shops, raw_ops.ops_events CASCADE",
    )
    .await;
    let sender = stack.sender().unwrap();
    for webhook in webhooks {
        assert_eq!(sender.send(webhook).await.status, Some(200));
        drain(client, 100).await;
    }
    while retry(client).await[0] > 0 {}
}

/// What a shop has, without ids of ours and times of writing.
async fn rows_of(client: &Client, shop: &str) -> Vec<String> {
    let sql = format!(
        "SELECT row::text FROM (
           SELECT to_jsonb(c) - '{{id,created_at,updated_at}}'::text[] AS row FROM raw_ops.customers c WHERE shop_domain = '{shop}'
           UNION ALL
           SELECT (to_jsonb(o) - '{{id,created_at,updated_at,customer_id,shopify_triggered_at}}'::text[])
                  || jsonb_build_object('buyer', c.first_name, 'of', c.shop_domain)
             FROM raw_ops.orders o LEFT JOIN raw_ops.customers c ON c.id = o.customer_id WHERE o.shop_domain = '{shop}'
           UNION ALL
           SELECT (to_jsonb(i) - '{{id,order_id,created_at,updated_at}}'::text[]) || jsonb_build_object('of', o.shopify_order_id, 'in', o.shop_domain)
             FROM raw_ops.order_items i JOIN raw_ops.orders o ON o.id = i.order_id WHERE i.shop_domain = '{shop}'
           UNION ALL
           SELECT (to_jsonb(s) - '{{id,order_id,created_at,updated_at,tracking_url_version}}'::text[]) || jsonb_build_object('of', o.shopify_order_id, 'in', o.shop_domain)
             FROM raw_ops.shipments s JOIN raw_ops.orders o ON o.id = s.order_id WHERE s.shop_domain = '{shop}'
           UNION ALL
           SELECT jsonb_build_object('event', event_id, 'topic', topic, 'status', processing_status, 'repeats', duplicate_count)
             FROM raw_ops.webhook_inbox WHERE shop_domain = '{shop}'
           UNION ALL
           SELECT to_jsonb(s) - 'created_at' FROM raw_ops.shops s WHERE shop_domain = '{shop}') AS rows ORDER BY 1"
    );
    let without_trigger_time = |row: String| {
        let mut row: Value = serde_json::from_str(&row).unwrap();
        row.as_object_mut().unwrap().remove("shopify_triggered_at");
        row.to_string()
    };
    column::<String>(client, &sql)
        .await
        .into_iter()
        .map(without_trigger_time)
        .collect()
}

/// What each shop has where it is alone.
async fn alone() -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for shop in SHOPS {
        let (stack, client) = start().await;
        send_all(&stack, &client, &webhooks(shop)).await;
        let found = rows_of(&client, shop).await;
        assert_eq!(found.len(), 1 + 2 + 2 + 1 + 3 + 1, "{found:#?}");
        rows.push(found);
    }
    rows
}

/// Three shops one after the other in each of the six orders, then all their webhooks in twenty orders.
fn sequences() -> Vec<Vec<Delivery>> {
    let all: Vec<Delivery> = SHOPS.iter().flat_map(|shop| webhooks(shop)).collect();
    let of = |shops: [usize; 3]| shops.into_iter().flat_map(|shop| webhooks(SHOPS[shop])).collect();
    let mut sequences: Vec<Vec<Delivery>> =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
            .map(of)
            .into();
    for seed in 1..=20_u64 {
        let mut mixed = all.clone();
        Rng::with_seed(seed).shuffle(&mut mixed);
        sequences.push(mixed);
    }
    sequences
}

#[tokio::test]
async fn three_shops_that_share_every_id_end_as_if_each_were_alone_in_its_database() {
    let expected = alone().await;
    let (stack, client) = start().await;
    for (number, sequence) in sequences().into_iter().enumerate() {
        send_all(&stack, &client, &sequence).await;
        for (shop, expected) in SHOPS.iter().zip(&expected) {
            assert_eq!(
                rows_of(&client, shop).await,
                *expected,
                "{shop}, sequence {number}"
            );
        }
    }
    let nameless = "SELECT count(*) FROM raw_ops.orders WHERE shop_domain NOT IN ('de.example', 'eu.example', 'uk.example')";
    assert_eq!(one::<i64>(&client, nameless).await, 0);
}

#[tokio::test]
async fn an_order_that_names_no_shop_is_of_the_only_one_it_can_be() {
    let (stack, client) = start().await;
    let apply = |order: Value| {
        let client = &client;
        async move {
            one::<Value>(
                client,
                &format!("SELECT raw_ops.process_order_webhook_txn('{order}')"),
            )
            .await
        }
    };
    // Nobody has named a shop yet.
    apply(order("uk.example", false)).await;
    assert_eq!(
        column::<String>(&client, "SELECT shop_domain FROM raw_ops.orders").await,
        [""]
    );
    // The only shop there is; a second one that has it too is no reason to guess.
    send_all(&stack, &client, &webhooks("uk.example")[..1]).await;
    assert_eq!(apply(order("uk.example", false)).await["outcome"], "created");
    assert_eq!(apply(order("uk.example", true)).await["outcome"], "unchanged");
    let shops = column::<String>(&client, "SELECT DISTINCT shop_domain FROM raw_ops.orders").await;
    assert_eq!(shops, ["uk.example"]);
    let named = format!(
        "SELECT raw_ops.process_order_webhook_txn('{}', 'EU.example')",
        order("eu.example", false)
    );
    assert_eq!(one::<Value>(&client, &named).await["outcome"], "created");
    let error = refused(
        &client,
        &format!(
            "SELECT raw_ops.process_order_webhook_txn('{}')",
            order("eu.example", false)
        ),
    )
    .await;
    assert!(
        error
            .message
            .contains("order 5001 is in several shops (eu.example, uk.example)"),
        "{error:?}"
    );
}

/// A single shop: what was written before its name was known, by hand or by its own code, is not written twice.
#[tokio::test]
async fn an_order_of_no_known_shop_becomes_the_shops_that_sends_it() {
    let (stack, client) = start().await;
    let first = format!(
        "SELECT raw_ops.process_order_webhook_txn('{}')",
        order("de.example", false)
    );
    assert_eq!(one::<Value>(&client, &first).await["outcome"], "created");
    let sender = stack.sender().unwrap();
    let mut newer = order("uk.example", false);
    newer["note"] = "news".into();
    let update = Delivery {
        shop_domain: "uk.example".into(),
        ..Delivery::new("orders/updated", newer.to_string())
    };
    assert_eq!(sender.send(&update).await.status, Some(200));
    assert_eq!(sender.send(&webhooks("uk.example")[2]).await.status, Some(200));
    assert_eq!(drain(&client, 10).await, [2, 2, 0, 0]);
    let orders =
        "SELECT string_agg(concat_ws(' ', o.shop_domain, o.note, s.shop_domain, s.tracking_no), ', ')
                    FROM raw_ops.orders o LEFT JOIN raw_ops.shipments s ON s.order_id = o.id";
    assert_eq!(
        one::<String>(&client, orders).await,
        "uk.example news uk.example 1550"
    );
}

/// DPD's plain token names no shop.
#[tokio::test]
async fn a_couriers_event_goes_to_the_only_shop_with_its_shipment_and_waits_where_several_have_it() {
    let (stack, client) = start().await;
    send_all(&stack, &client, &webhooks("uk.example")).await;
    run(&client, &report("1550", "1", "")).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    let sender = stack.sender().unwrap();
    for webhook in webhooks("eu.example") {
        assert_eq!(sender.send(&webhook).await.status, Some(200));
    }
    drain(&client, 10).await;
    run(&client, &report("1550", "2", "")).await;
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    let told = "SELECT error_category || ' ' || last_error FROM raw_ops.webhook_inbox WHERE provider = 'dpd' AND event_id = '2'";
    let told: String = one(&client, told).await;
    assert!(
        told.starts_with("missing_reference")
            && told.contains("1550 is in several shops (eu.example, uk.example)")
            && told.contains("DPD_WEBHOOK_TOKEN"),
        "{told}"
    );
    let events = "SELECT string_agg(e.shop_domain, ' ') FROM raw_ops.courier_events e";
    assert_eq!(one::<String>(&client, events).await, "uk.example");
}

/// An event of DPD's, reported by whoever speaks for this shop.
fn report(number: &str, event: &str, shop: &str) -> String {
    format!(
        "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', '{event}', '{{}}',
                '{{\"parcelNumber\": \"{number}\", \"eventCode\": \"01\", \"eventDate\": \"2026-01-19T10:00:0{event}\"}}', '{shop}')"
    )
}

/// Two shops, and an order of uk.example's that came before any shop was named.
async fn adopted() -> (Stack, Client) {
    let (stack, client) = start().await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example'), ('eu.example')",
    )
    .await;
    for (shop, outcome) in [
        ("", "created"),
        ("uk.example", "unchanged"),
        ("eu.example", "created"),
    ] {
        let sql = format!(
            "SELECT raw_ops.process_order_webhook_txn('{}', '{shop}')->>'outcome'",
            order("eu.example", false)
        );
        assert_eq!(one::<String>(&client, &sql).await, outcome, "{shop}");
    }
    (stack, client)
}

/// The payload is the same: nothing of the order changes but whose it is.
#[tokio::test]
async fn an_order_of_no_known_shop_goes_to_one_shop_with_its_items_and_another_shop_has_its_own() {
    let (_stack, client) = adopted().await;
    let shops = "SELECT string_agg(concat_ws(' ', o.shop_domain, i.shop_domain), ', ' ORDER BY o.shop_domain)
                   FROM raw_ops.orders o JOIN raw_ops.order_items i ON i.order_id = o.id";
    assert_eq!(
        one::<String>(&client, shops).await,
        "eu.example eu.example, uk.example uk.example"
    );
}

/// A shipment of no known shop is its order's: no other shop's event reaches its customer.
#[tokio::test]
async fn a_shipment_of_no_known_shop_is_its_orders() {
    let (_stack, client) = adopted().await;
    run(
        &client,
        "INSERT INTO raw_ops.shipments (order_id, courier_name, tracking_no, shopify_fulfillment_id)
         SELECT id, 'DPD', 'HAND1', 8001 FROM raw_ops.orders WHERE shop_domain = 'uk.example'",
    )
    .await;
    for (event, shop) in [("1", "eu.example"), ("2", "uk.example")] {
        run(&client, &report("HAND1", event, shop)).await;
    }
    assert_eq!(drain(&client, 10).await, [2, 2, 0, 0]);
    let recorded = "SELECT string_agg(event_id, ' ') FROM raw_ops.webhook_inbox w
                     WHERE NOT EXISTS (SELECT FROM raw_ops.webhook_elements e WHERE e.webhook_id = w.id)";
    assert_eq!(one::<String>(&client, recorded).await, "2");
    // The shop's own fulfillment takes it over.
    let shipped = fulfillment(8001, 5001, &["HAND1"], "2026-01-19T10:00:00Z");
    let receive = format!(
        "SELECT raw_ops.receive_webhook('shopify', 'fulfillments/update', 'f', '{{}}', convert_to('{shipped}', 'UTF8'), 'uk.example')"
    );
    run(&client, &receive).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    let shipments = "SELECT string_agg(shop_domain, ' ') FROM raw_ops.shipments";
    assert_eq!(one::<String>(&client, shipments).await, "uk.example");
}

#[tokio::test]
async fn a_dead_letter_settled_by_hand_is_logged_as_its_shops() {
    let (_stack, client) = start().await;
    run(
        &client,
        "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'bad', '{}', '{', 'uk.example')",
    )
    .await;
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'dlq';
         SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'sent by a script of ours') FROM raw_ops.webhook_inbox",
    )
    .await;
    let logged =
        "SELECT string_agg(shop_domain || ' ' || message, ', ') FROM raw_ops.ops_events WHERE kind = 'AUDIT'";
    assert_eq!(
        one::<String>(&client, logged).await,
        "uk.example webhook.resolved_manually"
    );
}
