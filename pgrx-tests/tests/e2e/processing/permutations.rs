//! Any set of payloads, whole and partial, of one second and without a time, in any order, any batches, over any way in:
//! the same rows.

use crate::support::*;
use fastrand::Rng;
use raw_ops_e2e::Stack;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

const TIMES: [&str; 3] = [
    "2026-01-05T10:00:00+01:00",
    "2026-01-05T10:00:01+01:00",
    "2026-01-06T10:00:00+01:00",
];
const TRIGGERED: [&str; 3] = [
    "2026-01-05T09:00:00.100Z",
    "2026-01-05T09:00:00.500Z",
    "2026-01-05T09:00:00.900Z",
];
const EMAILS: [&str; 4] = [
    "ada@example.com",
    "ADA@example.com",
    "bob@example.com",
    "Zoë@example.com",
];

/// A webhook of the set.
#[derive(Clone, Debug)]
struct Webhook {
    topic: &'static str,
    triggered_at: Option<&'static str>,
    body: Value,
}

/// Two orders, three customers, guests with the same addresses.
fn any_set(rng: &mut Rng) -> Vec<Webhook> {
    let is_triggered = rng.u8(..4) > 0;
    let count = rng.usize(3..9);
    let mut set: Vec<Webhook> = (0..count)
        .map(|_| Webhook {
            topic: [
                "orders/updated",
                "orders/create",
                "orders/paid",
                "orders/cancelled",
            ][rng.usize(..4)],
            triggered_at: (is_triggered && rng.u8(..5) > 0).then(|| TRIGGERED[rng.usize(..3)]),
            body: any_payload(rng),
        })
        .collect();
    // A cancellation alone waits for its order for ever.
    for id in 1..=2 {
        let mut of_order = set.iter_mut().filter(|webhook| webhook.body["id"] == id);
        if let Some(first) = of_order.next() {
            first.topic = "orders/updated";
        }
    }
    set
}

fn any_payload(rng: &mut Rng) -> Value {
    let is_whole = rng.bool();
    let mut order = Map::new();
    let mut put = |rng: &mut Rng, name: &str, value: Value| {
        if is_whole || rng.u8(..3) == 0 {
            let is_null = rng.u8(..4) == 0;
            order.insert(name.to_owned(), if is_null { Value::Null } else { value });
        }
    };
    let pick = |rng: &mut Rng, values: &[&str]| json!(values[rng.usize(..values.len())]);
    for (name, values) in [
        ("name", &["#1001", "#1002"][..]),
        ("currency", &["EUR", "USD"]),
        ("total_price", &["10.00", "20.00", "30.00"]),
        ("total_tax", &["1.00", "2.00"]),
        ("created_at", &TIMES),
        ("financial_status", &["pending", "paid", "refunded"]),
        ("fulfillment_status", &["partial", "fulfilled"]),
        ("note", &["ring twice", "leave it", ""]),
        ("tags", &["vip", "vip, gift", ""]),
        ("cancelled_at", &TIMES),
        ("cancel_reason", &["customer", "fraud"]),
        ("email", &EMAILS),
    ] {
        let value = pick(rng, values);
        put(rng, name, value);
    }
    let (address, test, items, customer) = (
        any_address(rng),
        json!(rng.bool()),
        any_items(rng),
        any_customer(rng),
    );
    put(rng, "shipping_address", address);
    put(rng, "test", test);
    put(rng, "line_items", items);
    put(rng, "customer", customer);
    if rng.u8(..10) > 0 {
        order.insert("updated_at".to_owned(), pick(rng, &TIMES));
    }
    order.insert("id".to_owned(), json!(rng.i64(1..=2)));
    Value::Object(order)
}

fn any_address(rng: &mut Rng) -> Value {
    match rng.u8(..4) {
        0 => json!({"country": "DE"}),
        1 => json!({"country": "AT", "address1": null}),
        n => json!({"country": "DE", "address1": format!("Street {n}")}),
    }
}

fn any_items(rng: &mut Rng) -> Value {
    let mut items = Vec::new();
    for id in 1..=4 {
        if rng.bool() {
            let mut item =
                json!({"id": id, "quantity": rng.i32(1..4), "price": format!("{}.00", rng.u8(1..4))});
            for name in ["sku", "title", "vendor"] {
                if rng.bool() {
                    item[name] = json!(format!("{name} {}", rng.u8(..3)));
                }
            }
            items.push(item);
        }
    }
    json!(items)
}

fn any_customer(rng: &mut Rng) -> Value {
    let mut customer = json!({});
    if rng.u8(..3) > 0 {
        customer["id"] = json!(rng.i64(71..=73));
    }
    for (name, values) in [
        ("email", &EMAILS[..]),
        ("first_name", &["Ada", "Bob"]),
        ("phone", &["+49 1", "+49 2"]),
    ] {
        if rng.bool() {
            customer[name] = json!(values[rng.usize(..values.len())]);
        }
    }
    customer
}

/// All rows but for ids and our own times; who bought, by what Shopify calls them.
async fn rows(client: &Client) -> Vec<String> {
    column(
        client,
        "WITH people AS (
             SELECT id, coalesce(shopify_customer_id::text, lower(email)) AS who FROM raw_ops.customers
         )
         SELECT row::text FROM (
             SELECT 'order' AS what, to_jsonb(o) - '{id,customer_id,created_at,updated_at}'::text[]
                    || jsonb_build_object('who', p.who) AS row
               FROM raw_ops.orders o LEFT JOIN people p ON p.id = o.customer_id
             UNION ALL
             SELECT 'item', to_jsonb(i) - '{id,order_id,created_at,updated_at}'::text[]
                    || jsonb_build_object('order', o.shopify_order_id)
               FROM raw_ops.order_items i JOIN raw_ops.orders o ON o.id = i.order_id
             UNION ALL
             SELECT 'customer', to_jsonb(c) - '{id,created_at,updated_at}'::text[] FROM raw_ops.customers c
             UNION ALL
             SELECT 'former e-mail', jsonb_build_object('key', f.email_key, 'who', p.who)
               FROM raw_ops.customer_former_emails f JOIN people p ON p.id = f.customer_id
         ) all_rows ORDER BY what, row::text",
    )
    .await
}

/// How a set gets in.
#[derive(Clone, Copy, Debug)]
enum Way {
    Drained(i32),
    OneByOne,
    /// `process_order_webhook_txn`, which knows no time of triggering.
    Called,
}

async fn apply(client: &Client, set: &[Webhook], way: Way) -> Vec<String> {
    run(
        client,
        "TRUNCATE raw_ops.webhook_inbox, raw_ops.customers, raw_ops.orders, raw_ops.order_items CASCADE",
    )
    .await;
    if matches!(way, Way::Called) {
        for webhook in set {
            let call = "SELECT raw_ops.process_order_webhook_txn($1)";
            client.query_one(call, &[&webhook.body]).await.unwrap();
        }
        return rows(client).await;
    }
    for (n, webhook) in set.iter().enumerate() {
        let headers = json!({"x-shopify-triggered-at": webhook.triggered_at});
        let body = serde_json::to_vec(&webhook.body).unwrap();
        let sql = "SELECT raw_ops.receive_webhook('shopify', $1, $2, $3, $4)";
        client
            .query_one(sql, &[&webhook.topic, &format!("delivery {n}"), &headers, &body])
            .await
            .unwrap();
        if matches!(way, Way::OneByOne) {
            drain(client, 1).await;
        }
    }
    if let Way::Drained(batch) = way {
        while drain(client, batch).await[0] > 0 {}
    }
    // What overtook its order waited for it.
    while states(client).await.contains_key("failed") {
        run(
            client,
            "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
        )
        .await;
        retry(client).await;
    }
    assert_eq!(states(client).await, in_states([("success", set.len() as i64)]));
    rows(client).await
}

fn difference(found: &[String], truth: &[String]) -> String {
    let only = |these: &[String], those: &[String]| {
        let rows = these.iter().filter(|row| !those.contains(row));
        rows.cloned().collect::<Vec<_>>().join("\n  ")
    };
    format!("{}\ninstead of\n  {}", only(found, truth), only(truth, found))
}

#[tokio::test]
async fn any_permutation_of_any_set_of_payloads_in_any_batches_ends_in_the_same_rows() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let sets: u64 = std::env::var("RAW_OPS_SETS").map_or(60, |sets| sets.parse().unwrap());
    for seed in 0..sets {
        let mut rng = Rng::with_seed(seed);
        let set = any_set(&mut rng);
        let truth = apply(&client, &set, Way::OneByOne).await;
        for shuffle in 0..5 {
            let mut shuffled = set.clone();
            shuffled.extend(rng.choose_multiple(set.iter().cloned(), 2));
            rng.shuffle(&mut shuffled);
            let is_triggered = set.iter().any(|webhook| webhook.triggered_at.is_some());
            let way = match shuffle {
                0 => Way::OneByOne,
                1 if !is_triggered => Way::Called,
                _ => Way::Drained([1, 2, 3, 100][rng.usize(..4)]),
            };
            if matches!(way, Way::Called) {
                shuffled
                    .iter_mut()
                    .for_each(|webhook| webhook.topic = "orders/updated");
            }
            let found = apply(&client, &shuffled, way).await;
            assert!(
                found == truth,
                "seed {seed}, {way:?}:\n  {}\n{}",
                difference(&found, &truth),
                shuffled
                    .iter()
                    .map(|webhook| format!("{:?} {}", webhook.triggered_at, webhook.body))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
        }
    }
}
