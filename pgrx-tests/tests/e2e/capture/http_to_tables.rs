//! From Shopify's bytes on a socket to rows: real payloads and a thousand generated orders.

use std::collections::BTreeMap;

use crate::support::*;
use chrono::DateTime;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::payloads::{self, Payload};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::Value;
use tokio_postgres::Client;

/// A row as exact text, member by member.
type Row = BTreeMap<String, Option<String>>;

async fn rows(client: &Client, from: &str) -> Vec<Row> {
    let sql = format!(
        "SELECT numbered.n, member.key, member.value
           FROM (SELECT row_number() OVER () AS n, to_jsonb(found) AS row FROM ({from}) AS found) AS numbered,
                jsonb_each_text(numbered.row) AS member"
    );
    let mut found: BTreeMap<i64, Row> = BTreeMap::new();
    for row in client.query(&sql, &[]).await.unwrap() {
        found
            .entry(row.get(0))
            .or_default()
            .insert(row.get(1), row.get(2));
    }
    found.into_values().collect()
}

/// A JSON scalar as the text PostgreSQL shows of it; null, absent and the empty text are nothing.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn assert_same_time(stored: &Option<String>, sent: &Value, what: &str) {
    let parse = |time: &str| {
        DateTime::parse_from_rfc3339(time).unwrap_or_else(|error| panic!("{what}: {time}: {error}"))
    };
    assert_eq!(stored.as_deref().map(parse), sent.as_str().map(parse), "{what}");
}

/// A decimal in millionths: exact, whatever its scale.
fn millionths(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    assert!(fraction.len() <= 6, "{decimal}");
    format!("{whole}{fraction:0<6}").parse().unwrap()
}

async fn assert_order_is(client: &Client, payload: &Payload) {
    let name = &payload.name;
    let json: Value = serde_json::from_slice(&payload.body).unwrap();
    let orders = rows(client, "SELECT * FROM raw_ops.orders").await;
    assert_eq!(orders.len(), 1, "{name}");
    let order = &orders[0];
    for (column, member) in [
        ("shopify_order_id", "id"),
        ("order_number", "order_number"),
        ("order_name", "name"),
        ("currency", "currency"),
        ("total_price", "total_price"),
        ("subtotal_price", "subtotal_price"),
        ("total_tax", "total_tax"),
        ("total_discounts", "total_discounts"),
        ("financial_status", "financial_status"),
        ("fulfillment_status", "fulfillment_status"),
        ("note", "note"),
        ("cancel_reason", "cancel_reason"),
    ] {
        assert_eq!(order[column], text(&json[member]), "{name}: {column}");
    }
    let shipping = &json["total_shipping_price_set"]["shop_money"]["amount"];
    if !shipping.is_null() {
        assert_eq!(order["total_shipping"], text(shipping), "{name}: total_shipping");
    }
    let email = text(&json["email"]).or_else(|| text(&json["contact_email"]));
    assert_eq!(order["email"], email, "{name}: email");
    assert_eq!(
        order["tags"].clone().unwrap_or_default(),
        json["tags"].as_str().unwrap_or_default(),
        "{name}: tags"
    );
    assert_eq!(
        order["is_test"].as_deref() == Some("true"),
        json["test"] == true,
        "{name}: is_test"
    );
    assert_eq!(order["export_state"].as_deref(), Some("pending"), "{name}");
    for (column, member) in [
        ("ordered_at", "created_at"),
        ("cancelled_at", "cancelled_at"),
        ("shopify_updated_at", "updated_at"),
    ] {
        // A payload without it is of the moment at which it was triggered.
        if column != "shopify_updated_at" || !json[member].is_null() {
            assert_same_time(&order[column], &json[member], &format!("{name}: {column}"));
        }
    }
    for address in ["shipping_address", "billing_address"] {
        let stored: Value = order[address]
            .as_deref()
            .map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        assert_eq!(stored, json[address], "{name}: {address}");
    }
    assert_customer_is(client, order, &json, name).await;
    assert_items_are(client, &json, name).await;
}

async fn assert_customer_is(client: &Client, order: &Row, json: &Value, name: &str) {
    let customers = rows(client, "SELECT * FROM raw_ops.customers").await;
    let sent = &json["customer"];
    if text(&sent["id"]).is_none() && order["email"].is_none() {
        assert_eq!((customers.len(), &order["customer_id"]), (0, &None), "{name}");
        return;
    }
    assert_eq!(customers.len(), 1, "{name}");
    let customer = &customers[0];
    assert_eq!(order["customer_id"], customer["id"], "{name}");
    assert_eq!(customer["shopify_customer_id"], text(&sent["id"]), "{name}");
    let email = if sent["id"].is_null() {
        order["email"].clone()
    } else {
        text(&sent["email"])
    };
    assert_eq!(customer["email"], email, "{name}: customer.email");
    for member in ["first_name", "last_name", "phone"] {
        assert_eq!(customer[member], text(&sent[member]), "{name}: customer.{member}");
    }
}

async fn assert_items_are(client: &Client, json: &Value, name: &str) {
    let sent = json["line_items"].as_array().unwrap();
    let stored = rows(client, "SELECT * FROM raw_ops.order_items").await;
    assert_eq!(stored.len(), sent.len(), "{name}");
    for item in sent {
        let id = text(&item["id"]);
        let row = stored.iter().find(|row| row["shopify_line_item_id"] == id);
        let row = row.unwrap_or_else(|| panic!("{name}: item {id:?} is missing"));
        for member in [
            "product_id",
            "variant_id",
            "sku",
            "title",
            "variant_title",
            "vendor",
            "quantity",
            "price",
            "total_discount",
        ] {
            assert_eq!(
                row[member],
                text(&item[member]),
                "{name}: {member} of item {id:?}"
            );
        }
    }
    let expected: i128 = sent
        .iter()
        .map(|item| {
            millionths(item["price"].as_str().unwrap()) * i128::from(item["quantity"].as_i64().unwrap())
        })
        .sum();
    let sum: String = one(
        client,
        "SELECT coalesce(sum(price * quantity), 0)::text FROM raw_ops.order_items",
    )
    .await;
    assert_eq!(millionths(&sum), expected, "{name}: prices times quantities");
}

#[tokio::test]
async fn every_real_order_payload_becomes_the_order_it_describes() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let payloads: Vec<Payload> = payloads::shopify()
        .unwrap()
        .into_iter()
        .filter(Payload::is_order)
        .collect();
    assert_eq!(payloads.len(), 24);
    for payload in &payloads {
        // The samples show the same few orders again and again.
        run(
            &client,
            "TRUNCATE raw_ops.webhook_inbox, raw_ops.customers, raw_ops.orders, raw_ops.order_items CASCADE",
        )
        .await;
        if payload.topic == "orders/cancelled" {
            // What is cancelled must be here: the same order, before it was.
            let mut before: Value = serde_json::from_slice(&payload.body).unwrap();
            before["cancelled_at"] = Value::Null;
            before["updated_at"] = "2020-01-01T00:00:00Z".into();
            assert!(
                sender
                    .send(&Delivery::new("orders/create", before.to_string()))
                    .await
                    .accepted()
            );
            stack.wait_drained(LIMIT).await.unwrap();
        }
        let outcome = sender
            .send(&Delivery::new(&payload.topic, payload.compact()))
            .await;
        assert_eq!(outcome.status, Some(200), "{}: {outcome:?}", payload.name);
        stack.wait_drained(LIMIT).await.unwrap();
        let unsuccessful: Vec<String> = column(
            &client,
            "SELECT last_error FROM raw_ops.webhook_inbox WHERE processing_status <> 'success'",
        )
        .await;
        assert!(unsuccessful.is_empty(), "{}: {unsuccessful:?}", payload.name);
        assert_order_is(&client, payload).await;
    }
}

#[tokio::test]
async fn ids_beyond_what_a_float_holds_keep_every_digit() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let payload = payloads::shopify_named("orders-create__admin-test-notification-exact-int64-ids").unwrap();
    let outcome = stack
        .sender()
        .unwrap()
        .send(&Delivery::new(&payload.topic, payload.compact()))
        .await;
    assert!(outcome.accepted());
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    let ids: Vec<i64> = column(
        &client,
        "SELECT shopify_order_id FROM raw_ops.webhook_inbox
         UNION ALL SELECT shopify_order_id FROM raw_ops.orders
         UNION ALL SELECT (event_payload->>'shopify_order_id')::bigint FROM raw_ops.ops_events WHERE message = 'order.created'",
    )
    .await;
    assert_eq!(ids, [820982911946154508; 3]);
    let items: Vec<i64> = column(
        &client,
        "SELECT shopify_line_item_id FROM raw_ops.order_items ORDER BY 1",
    )
    .await;
    assert_eq!(items, [141249953214522974, 866550311766439020]);
}

#[tokio::test]
async fn what_is_no_order_is_kept_whole_and_fails_as_unknown_topic() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let payloads: Vec<Payload> = payloads::shopify()
        .unwrap()
        .into_iter()
        .filter(|payload| !payload.is_order() && !payload.is_fulfillment())
        .collect();
    assert_eq!(payloads.len(), 8);
    let deliveries: Vec<Delivery> = payloads
        .iter()
        .map(|payload| Delivery::new(&payload.topic, payload.compact()).webhook_id(&payload.name))
        .collect();
    let outcomes = stack.sender().unwrap().send_all(deliveries, 4).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    for payload in &payloads {
        let body = String::from_utf8(payload.compact()).unwrap();
        let row = client
            .query_one(
                "SELECT topic, processing_status, error_category, attempts, payload = $2::text::jsonb, last_error
                   FROM raw_ops.webhook_inbox WHERE event_id = $1",
                &[&payload.name, &body],
            )
            .await
            .unwrap();
        let found: (&str, &str, &str, i32, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
        assert_eq!(
            found,
            (payload.topic.as_str(), "failed", "unknown_topic", 1, true),
            "{}",
            payload.name
        );
        assert!(row.get::<_, &str>(5).contains(&payload.topic));
    }
    assert!(tables(&client).await.is_empty());
}

#[tokio::test]
async fn a_thousand_orders_at_once_add_up_to_what_was_sold() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let orders: Vec<Order> = Generator::new(2).customers(200).orders(0..1_000).collect();
    let deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    let outcomes = stack.sender().unwrap().send_all(deliveries, 32).await;
    assert!(outcomes.iter().all(|outcome| outcome.status == Some(200)));
    stack.wait_drained(LIMIT).await.unwrap();
    let client = stack.connect().await.unwrap();
    assert_eq!(states(&client).await, in_states([("success", 1_000)]));
    assert_tables_hold(&client, &orders).await;
    let receipts: i64 = one(
        &client,
        "SELECT count(DISTINCT w.id) FROM raw_ops.ops_events e
           JOIN raw_ops.webhook_inbox w ON w.id = (e.event_payload->>'webhook_id')::uuid
          WHERE e.kind = 'INFO' AND e.entity_type = 'order' AND e.message = 'order.created'",
    )
    .await;
    assert_eq!(receipts, 1_000, "the clock of the SLO starts once for each");
}
