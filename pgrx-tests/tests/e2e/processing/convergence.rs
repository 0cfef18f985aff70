//! Whatever order payloads arrive in, however often and in what batches: the tables come out as if in order.

use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Change, Generator, Order};
use serde_json::json;
use tokio_postgres::Client;

/// Five orders in four full versions each, in the order they happened: buyers who come back, a guest whose address
/// belongs to a customer, changed addresses, items added and taken out, cancellations.
fn history() -> Vec<Order> {
    let orders: Vec<Order> = Generator::new(6).customers(3).orders(0..40).collect();
    let mut chosen: Vec<Order> = orders
        .iter()
        .filter(|order| order.line_items().len() >= 2)
        .take(5)
        .cloned()
        .collect();
    let customer = orders.iter().find(|order| order.customer_id.is_some()).unwrap();
    let email = customer.email.clone().unwrap();
    let guest = chosen.iter_mut().last().unwrap();
    guest.customer_id = None;
    *guest = guest.updated(0, &[Change::Set("customer", json!(null)), Change::Email(email)]);
    let mut versions = Vec::new();
    for (n, first) in chosen.iter().enumerate() {
        let first = first.updated(
            0,
            &[Change::Note(format!("order {n}")), Change::Tags("a".to_owned())],
        );
        let second = first.updated(
            3_600,
            &[
                Change::FinancialStatus("paid"),
                Change::Tags("a, b".to_owned()),
                Change::RemoveItem(0),
            ],
        );
        let mut customer = second.json["customer"].clone();
        if customer["id"].is_i64() {
            customer["first_name"] = json!(format!("Renamed {n}"));
        }
        let fewer: Vec<_> = second.line_items()[1..].to_vec();
        let third = second.updated(
            7_200,
            &[
                Change::Set("customer", customer),
                Change::Set("line_items", json!(fewer)),
                Change::FulfillmentStatus("partial"),
            ],
        );
        let customer = first.json["customer"].clone();
        let fourth = match n % 2 {
            0 => third.updated(
                60,
                &[Change::Cancelled("customer"), Change::Note("gone".to_owned())],
            ),
            // Everything as it was at first, the name too.
            _ => third.updated(
                60,
                &[
                    Change::Set("customer", customer),
                    Change::Set("line_items", first.json["line_items"].clone()),
                ],
            ),
        };
        versions.extend([first, second, third, fourth]);
    }
    versions.sort_by_key(|version| version.updated_at);
    versions
}

async fn deliver(client: &Client, versions: &[&Order], batch: i32) -> Vec<String> {
    let all =
        "TRUNCATE raw_ops.webhook_inbox, raw_ops.customers, raw_ops.orders, raw_ops.order_items CASCADE";
    run(client, all).await;
    for (n, version) in versions.iter().enumerate() {
        receive(client, "orders/updated", &format!("delivery {n}"), &version.bytes).await;
    }
    while drain(client, batch).await[0] > 0 {}
    assert_eq!(
        states(client).await,
        in_states([("success", versions.len() as i64)])
    );
    tables(client).await
}

#[tokio::test]
async fn any_order_of_arrival_repeats_and_batches_come_to_the_same_tables() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let history = history();
    assert_eq!(history.len(), 20);
    let in_order: Vec<&Order> = history.iter().collect();
    let truth = deliver(&client, &in_order, 1).await;
    assert_tables_hold(&client, &history).await;
    assert!(truth.len() > 10 && truth.iter().any(|row| row.contains("Renamed")));
    let mut seeds_that_differ = Vec::new();
    for seed in 0..24_u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let repeated = rng.choose_multiple(&history, 8);
        let mut shuffled: Vec<&Order> = history.iter().chain(repeated).collect();
        rng.shuffle(&mut shuffled);
        let batch = [1, 2, 5, 100][(seed % 4) as usize];
        let found = deliver(&client, &shuffled, batch).await;
        if found != truth {
            let only = |these: &[String], those: &[String]| {
                let rows = these.iter().filter(|row| !those.contains(row));
                rows.cloned().collect::<Vec<_>>().join("\n  ")
            };
            let (wrong, right) = (only(&found, &truth), only(&truth, &found));
            eprintln!("seed {seed}, batches of {batch}:\n  {wrong}\ninstead of\n  {right}");
            seeds_that_differ.push(seed);
        }
    }
    assert!(
        seeds_that_differ.is_empty(),
        "other tables than in order: seeds {seeds_that_differ:?}"
    );
}

#[tokio::test]
async fn a_customer_is_who_the_newest_payload_says_even_if_it_told_nothing_new() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let first = Generator::new(4)
        .orders(0..50)
        .find(|order| order.customer_id.is_some())
        .unwrap();
    let named = |name: &str, later: i64| {
        let mut customer = first.json["customer"].clone();
        customer["first_name"] = json!(name);
        first.updated(later, &[Change::Set("customer", customer)])
    };
    for (order, event) in [
        (named("Ada", 0), "first"),
        (named("Ada", 120), "third"),
        (named("Adda", 60), "second, late"),
    ] {
        receive(&client, "orders/updated", event, &order.bytes).await;
        assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    }
    let name: String = one(&client, "SELECT first_name FROM raw_ops.customers").await;
    assert_eq!(name, "Ada");
}

#[tokio::test]
async fn it_makes_no_difference_whether_a_version_came_alone_or_with_the_others() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let first = Generator::new(4).order(9);
    let last = first.updated(60, &[Change::Note("last".to_owned())]);
    receive(&client, "orders/create", "first", &first.bytes).await;
    receive(&client, "orders/updated", "last", &last.bytes).await;
    receive(&client, "orders/create", "first again", &first.bytes).await;
    assert_eq!(drain(&client, 100).await, [3, 3, 0, 0]);
    assert_eq!(
        one::<String>(&client, "SELECT note FROM raw_ops.orders").await,
        "last"
    );
    let said: serde_json::Value = client
        .query_one("SELECT raw_ops.process_order_webhook_txn($1)", &[&last.json])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        (&said["success"], &said["outcome"]),
        (&json!(true), &json!("unchanged"))
    );
    let said: serde_json::Value = client
        .query_one("SELECT raw_ops.process_order_webhook_txn($1)", &[&first.json])
        .await
        .unwrap()
        .get(0);
    assert_eq!(said["outcome"], "stale");
}
