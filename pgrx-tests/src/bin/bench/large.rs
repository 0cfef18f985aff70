//! One order with very many items: created, sent again, edited. What an item costs must not grow with their number.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use raw_ops_e2e::Cluster;
use raw_ops_e2e::table::Table;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{show, verdict};

/// A tenth of the items, and all of them.
const SIZES: [i64; 2] = [1_000, 10_000];
const ROUNDS: usize = 5;

/// Of one size, the best of the rounds.
pub struct Timing {
    items: i64,
    created: Duration,
    edited: Duration,
}

/// Times orders of both sizes in a database of their own.
pub async fn measure(cluster: &Cluster) -> Result<Vec<Timing>> {
    cluster.create_database("large").await?;
    let client = cluster.connect("large").await?;
    client
        .batch_execute("create extension raw_ops; select raw_ops.setup()")
        .await?;
    let mut timings: Vec<Timing> = Vec::new();
    for round in 0..=ROUNDS {
        for (index, items) in SIZES.into_iter().enumerate() {
            client.batch_execute("truncate raw_ops.orders cascade").await?;
            let created = apply(&client, &order(items, 0), "created").await?;
            let edited = apply(&client, &order(items, 1), "updated").await?;
            match timings.get_mut(index) {
                // The first round warms caches and plans.
                _ if round == 0 => {}
                Some(timing) => {
                    timing.created = timing.created.min(created);
                    timing.edited = timing.edited.min(edited);
                }
                None => timings.push(Timing {
                    items,
                    created,
                    edited,
                }),
            }
        }
    }
    Ok(timings)
}

async fn apply(client: &Client, order: &Value, expected: &str) -> Result<Duration> {
    let start = Instant::now();
    let said: Value = client
        .query_one("select raw_ops.process_order_webhook_txn($1)", &[order])
        .await?
        .get(0);
    let time = start.elapsed();
    ensure!(said["outcome"] == expected, "{said}");
    Ok(time)
}

/// Its items, of which an edit takes every hundredth out, puts as many in, and changes every tenth.
fn order(items: i64, edit: i64) -> Value {
    let item = |n: i64| {
        let is_changed = edit > 0 && n % 10 == 0;
        json!({
            "id": if n % 100 == 1 { n + edit * items } else { n }, "quantity": if is_changed { 2 } else { 1 },
            "price": "10.00", "sku": format!("SKU-{n}"), "title": "A thing", "product_id": n, "variant_id": n,
        })
    };
    json!({
        "id": 1, "updated_at": format!("2026-01-0{}T10:00:00Z", edit + 1), "total_price": "1.00",
        "line_items": (1..=items).map(item).collect::<Vec<_>>(),
    })
}

/// Prints them.
pub fn report(timings: &[Timing]) {
    println!("\nOne order with very many items");
    let per_item = |time: Duration, timing: &Timing| time.as_secs_f64() * 1e6 / timing.items as f64;
    let mut table = Table::new(&[
        ">items",
        ">created, ms",
        ">µs an item",
        ">edited, ms",
        ">µs an item",
    ]);
    for timing in timings {
        table.row([
            timing.items.to_string(),
            format!("{:.1}", timing.created.as_secs_f64() * 1e3),
            format!("{:.1}", per_item(timing.created, timing)),
            format!("{:.1}", timing.edited.as_secs_f64() * 1e3),
            format!("{:.1}", per_item(timing.edited, timing)),
        ]);
    }
    show(&table);
    if let [few, many] = timings {
        let growth = per_item(many.edited, many) / per_item(few.edited, few);
        verdict("an edited item among ten times as many", growth, 1.5, false);
    }
}
