//! What came before any webhook named the shop.

use std::sync::Arc;

use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_postgres::Client;

const UK: &str = "uk.example";

async fn start(options: StackOptions) -> (Stack, Client) {
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    (stack, client)
}

/// An order; a buyer without an id of Shopify's is a guest.
fn order(id: i64, buyer: Option<i64>, email: Option<&str>) -> Value {
    let customer = buyer.map(|id| json!({"id": id, "email": email, "first_name": format!("C{id}")}));
    json!({
        "id": id, "order_number": id, "name": format!("#{id}"), "email": email, "currency": "EUR", "total_price": "1.00",
        "financial_status": "paid", "created_at": "2026-01-19T08:00:00Z", "updated_at": "2026-01-19T08:00:00Z",
        "customer": customer, "line_items": [{"id": 70 + id, "sku": "BOX", "quantity": 1, "price": "1.00"}],
    })
}

/// Applies an order that names no shop.
async fn apply(client: &Client, order: &Value) -> String {
    let sql = format!("SELECT raw_ops.process_order_webhook_txn('{order}')->>'outcome'");
    one(client, &sql).await
}

/// Stores orders as a shop's webhooks.
async fn store(client: &Client, shop: &str, orders: &[Value]) {
    for (number, order) in orders.iter().enumerate() {
        let sql = format!(
            "SELECT raw_ops.receive_webhook('shopify', 'orders/updated', '{number} {}', '{{}}', convert_to('{order}', 'UTF8'), '{shop}')",
            order["id"]
        );
        run(client, &sql).await;
    }
}

/// `shop name|e-mail: shop order, …` of each customer.
async fn customers(client: &Client) -> Vec<String> {
    let mut rows: Vec<String> = column(
        client,
        "SELECT c.shop_domain || ' ' || coalesce(c.first_name, lower(c.email)) || ': '
                || coalesce(string_agg(concat_ws(' ', o.shop_domain, o.shopify_order_id), ', ' ORDER BY o.shopify_order_id), '')
           FROM raw_ops.customers c LEFT JOIN raw_ops.orders o ON o.customer_id = c.id
          GROUP BY c.id",
    )
    .await;
    rows.sort_unstable();
    rows
}

#[tokio::test]
async fn the_only_shop_takes_over_the_customers_it_meets_and_nobody_is_here_twice() {
    let (_stack, client) = start(by_hand()).await;
    for before in [
        order(1, Some(9001), Some("marie@example.com")),
        order(2, None, Some("Bob@example.com")),
        order(3, Some(9002), None),
        order(4, Some(9003), Some("eve@example.com")),
        order(5, Some(9004), Some("dan@example.com")),
        order(6, Some(9005), Some("ida@example.com")),
    ] {
        assert_eq!(apply(&client, &before).await, "created");
    }
    // By an order that was here, a guest's e-mail, an id alone, a customer's e-mail, an order that says nothing of its buyer.
    let named = [
        order(1, Some(9001), Some("marie@example.com")),
        order(12, None, Some("bob@example.com")),
        order(13, Some(9002), None),
        order(14, None, Some("EVE@example.com")),
        order(5, None, None),
    ];
    for one_of_them in named {
        store(&client, UK, &[one_of_them]).await;
        assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    }
    let expected = [
        " C9005:  6",
        "uk.example C9001: uk.example 1",
        "uk.example C9002:  3, uk.example 13",
        "uk.example C9003:  4, uk.example 14",
        "uk.example C9004: uk.example 5",
        "uk.example bob@example.com:  2, uk.example 12",
    ];
    assert_eq!(customers(&client).await, expected);
    // What names no shop is about the only one from now on, also where it was here before.
    assert_eq!(
        apply(&client, &order(4, Some(9003), Some("eve@example.com"))).await,
        "unchanged"
    );
    assert_eq!(
        apply(&client, &order(6, Some(9005), Some("ida@example.com"))).await,
        "unchanged"
    );
    let after = customers(&client).await;
    assert_eq!(after.len(), 6);
    assert!(
        after.contains(&"uk.example C9003: uk.example 4, uk.example 14".to_owned()),
        "{after:?}"
    );
    assert!(
        after.contains(&"uk.example C9005: uk.example 6".to_owned()),
        "{after:?}"
    );
}

/// A guest of no known shop is somebody whom the shop knows by name: one row, with all orders.
#[tokio::test]
async fn a_guest_who_is_taken_over_may_turn_out_to_be_a_customer() {
    let (_stack, client) = start(by_hand()).await;
    apply(&client, &order(1, None, Some("bob@example.com"))).await;
    store(&client, UK, &[order(2, Some(9001), Some("bob@example.com"))]).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    assert_eq!(customers(&client).await, ["uk.example C9001:  1, uk.example 2"]);
}

#[tokio::test]
async fn where_there_are_two_shops_no_customer_is_taken_over() {
    let (_stack, client) = start(by_hand()).await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example'), ('eu.example')",
    )
    .await;
    for before in [
        order(1, Some(9001), Some("marie@example.com")),
        order(2, None, Some("bob@example.com")),
    ] {
        assert_eq!(apply(&client, &before).await, "created");
    }
    // One that is not active counts too: who was here before may be its customer.
    run(
        &client,
        "UPDATE raw_ops.shops SET active = shop_domain = 'uk.example'",
    )
    .await;
    let named = [
        order(11, Some(9001), Some("marie@example.com")),
        order(12, None, Some("bob@example.com")),
    ];
    store(&client, UK, &named).await;
    assert_eq!(drain(&client, 10).await, [2, 2, 0, 0]);
    let expected = [
        " C9001:  1",
        " bob@example.com:  2",
        "uk.example C9001: uk.example 11",
        "uk.example bob@example.com: uk.example 12",
    ];
    assert_eq!(customers(&client).await, expected);
    // Alone again, the shop has rows of its own: those count, and the others are nobody's.
    run(
        &client,
        "DELETE FROM raw_ops.shops WHERE shop_domain = 'eu.example'",
    )
    .await;
    let named = [
        order(21, Some(9001), Some("marie@example.com")),
        order(22, None, Some("bob@example.com")),
    ];
    store(&client, UK, &named).await;
    assert_eq!(drain(&client, 10).await, [2, 2, 0, 0]);
    let expected = [
        " C9001:  1",
        " bob@example.com:  2",
        "uk.example C9001: uk.example 11, uk.example 21",
        "uk.example bob@example.com: uk.example 12, uk.example 22",
    ];
    assert_eq!(customers(&client).await, expected);
}

/// Each meets the customers in another order, some by their id and some by e-mail.
#[tokio::test]
async fn drains_that_take_over_the_same_customers_at_once_wait_for_each_other() {
    let (stack, client) = start(by_hand().setting("lock_timeout", "60s")).await;
    let email = |n: i64| format!("c{n}@example.com");
    for n in 1..=60 {
        apply(&client, &order(n, Some(n), Some(&email(n)))).await;
    }
    let mut orders: Vec<Value> = Vec::new();
    for n in 1..=60 {
        orders.push(order(100 + n, Some(n), Some(&email(n))));
        orders.push(order(200 + n, None, Some(&email(61 - n))));
        orders.push(order(300 + n, Some(1_000 + n % 7), None));
    }
    fastrand::Rng::with_seed(7).shuffle(&mut orders);
    store(&client, UK, &orders).await;
    let (mut sessions, begin) = (tokio::task::JoinSet::new(), Arc::new(Barrier::new(4)));
    for _ in 0..4 {
        let (session, begin) = (stack.connect().await.unwrap(), Arc::clone(&begin));
        sessions.spawn(async move {
            begin.wait().await;
            while drain(&session, 15).await[0] > 0 {}
        });
    }
    sessions.join_all().await;
    let states: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, last_error) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(states, ["success"]);
    let shops = "SELECT string_agg(DISTINCT shop_domain, ' ') || ' ' || count(*) FROM raw_ops.customers";
    assert_eq!(one::<String>(&client, shops).await, "uk.example 67");
    assert!(!stack.cluster.log().contains("deadlock detected"));
}

#[tokio::test]
async fn the_only_shop_that_has_it_counts_also_while_no_shop_is_known() {
    let (_stack, client) = start(by_hand()).await;
    let mut newer = order(1, Some(9001), Some("marie@example.com"));
    let named = format!("SELECT raw_ops.process_order_webhook_txn('{newer}', 'uk.example')->>'outcome'");
    assert_eq!(one::<String>(&client, &named).await, "created");
    assert_eq!(one::<i64>(&client, "SELECT count(*) FROM raw_ops.shops").await, 0);
    newer["note"] = "news".into();
    newer["updated_at"] = "2026-01-19T09:00:00Z".into();
    assert_eq!(apply(&client, &newer).await, "updated");
    let shipped = raw_ops_e2e::courier::fulfillment(8001, 1, &["1550"], "2026-01-19T09:00:00Z");
    receive(
        &client,
        "fulfillments/create",
        "f",
        shipped.to_string().as_bytes(),
    )
    .await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    let rows = "SELECT string_agg(concat_ws(' ', o.shop_domain, o.note, s.shop_domain), ', ')
                  FROM raw_ops.orders o JOIN raw_ops.shipments s ON s.order_id = o.id";
    assert_eq!(one::<String>(&client, rows).await, "uk.example news uk.example");
}

/// Two shops have the same tracking number, one of them another one, too.
#[tokio::test]
async fn an_element_that_could_be_of_several_shops_waits_until_one_is_left() {
    let (_stack, client) = start(by_hand()).await;
    run(
        &client,
        "INSERT INTO raw_ops.shipments (shop_domain, courier_name, tracking_no)
         VALUES ('uk.example', 'DPD', '1550'), ('eu.example', 'DPD', '1550'), ('uk.example', 'DPD', '1551')",
    )
    .await;
    let list: Vec<Value> = ["1550", "1551"]
        .into_iter()
        .map(|number| raw_ops_e2e::courier::dpd_event(number, "01", "", "2026-01-19T10:00:00"))
        .collect();
    let report = |event: &str, shop: &str| {
        format!(
            "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', '{event}', '{{}}', convert_to('{}', 'UTF8'), '{shop}')",
            Value::from(list.clone())
        )
    };
    let recorded = async || {
        let sql = "SELECT concat_ws(' ', e.shop_domain, s.tracking_no) FROM raw_ops.courier_events e
                     JOIN raw_ops.shipments s ON s.id = e.shipment_id ORDER BY 1";
        column::<String>(&client, sql).await
    };
    let waiting = "SELECT count(*) FROM raw_ops.webhook_elements WHERE state = 'waiting'";
    run(&client, &report("nameless", "")).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    assert_eq!(recorded().await, ["uk.example 1551"]);
    let again = "SELECT raw_ops.fn_retry_courier_notifications_v1()";
    run(&client, again).await;
    assert_eq!(one::<i64>(&client, waiting).await, 1, "nobody says of which");
    // Named, it is done; what nobody has named waits on.
    run(&client, &report("named", "eu.example")).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    assert_eq!(recorded().await, ["eu.example 1550", "uk.example 1551"]);
    run(
        &client,
        "UPDATE raw_ops.shipments SET status = 'replaced' WHERE shop_domain = 'eu.example'",
    )
    .await;
    run(&client, again).await;
    assert_eq!(
        recorded().await,
        ["eu.example 1550", "uk.example 1550", "uk.example 1551"]
    );
    // 1551 named as eu.example's: that shop has none.
    assert_eq!(one::<i64>(&client, waiting).await, 1);
}
