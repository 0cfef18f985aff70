//! What the server does to us, and one webhook to the others: full disks, too little memory, locked tables, crashes.

mod bytes;
mod durability;
mod encodings;
mod isolation;
mod killers;
mod locked_tables;
mod poison;
mod small_disk;

use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::orders::{Change, Generator, Order};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// An order with this note is what the triggers of these tests wait for.
const POISON: &str = "poison";

/// Orders of which the one at `position` carries [`POISON`].
fn orders_with_poison(seed: u64, count: u64, position: usize) -> Vec<Order> {
    let mut orders: Vec<Order> = Generator::new(seed).orders(0..count).collect();
    orders[position] = orders[position].updated(0, &[Change::Note(POISON.into())]);
    orders
}

/// An order with so many line items.
fn large_order(seed: u64, number: u64, items: usize) -> Order {
    let order = Generator::new(seed).order(number);
    let item = order.line_items()[0].clone();
    let lines: Vec<Value> = (0..items)
        .map(|position| {
            let mut line = item.clone();
            line["id"] = json!(7_000_000_000_000_i64 + position as i64);
            line["title"] = json!(format!("Item {position} {}", "x".repeat(60)));
            line
        })
        .collect();
    order.updated(0, &[Change::Set("line_items", Value::Array(lines))])
}

/// Each webhook's state, attempts and error category, by event id.
async fn fates(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' ', event_id, processing_status, attempts, error_category)
           FROM raw_ops.webhook_inbox ORDER BY received_at, id",
    )
    .await
}

/// What the fates of all but one order are, once they have succeeded.
async fn assert_only_failed(client: &Client, event_id: &str, others: i64, attempts: i32) {
    let odd: Vec<String> = column(
        client,
        "SELECT concat_ws(' ', event_id, processing_status, attempts, error_category)
           FROM raw_ops.webhook_inbox WHERE processing_status <> 'success' OR attempts <> 1",
    )
    .await;
    assert_eq!(odd, [format!("{event_id} failed {attempts} transient")]);
    let succeeded: i64 = one(
        client,
        "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'success'",
    )
    .await;
    assert_eq!(succeeded, others);
}

/// Makes every failed webhook due.
async fn make_due(client: &Client) {
    run(
        client,
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
    )
    .await;
}

/// How often a process of the server has died, and all others with it.
fn crashes(stack: &Stack) -> usize {
    stack.cluster.log().matches("was terminated by signal").count()
}
