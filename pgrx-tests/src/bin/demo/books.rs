//! What is in the database after the wave, as tables.

use anyhow::Result;
use tokio_postgres::{Client, Row};

use crate::screen::{Screen, grouped, milliseconds};
use raw_ops_e2e::table::Table;

const INBOX: &str =
    "SELECT topic, processing_status, count(*), min(attempts), max(attempts), coalesce(error_category, '')
       FROM raw_ops.webhook_inbox GROUP BY topic, processing_status, error_category
      ORDER BY processing_status <> 'success', error_category, count(*) DESC, topic";
/// Currency, orders, items, sum of total_price.
pub const CURRENCIES: &str = "SELECT currency, count(*), sum(items)::int8, sum(total_price)::text
       FROM raw_ops.orders AS o
       JOIN LATERAL (SELECT count(*) AS items FROM raw_ops.order_items AS i WHERE i.order_id = o.id) AS n ON true
      GROUP BY currency ORDER BY currency";
const BUYERS: &str = "SELECT CASE WHEN c.id IS NULL THEN 'nobody known'
                 WHEN c.shopify_customer_id IS NULL THEN 'guests, by e-mail address'
                 ELSE 'customers, by Shopify''s id' END,
            count(DISTINCT c.id), count(DISTINCT o.id)
       FROM raw_ops.orders AS o FULL JOIN raw_ops.customers AS c ON c.id = o.customer_id GROUP BY 1 ORDER BY 2 DESC";
const SAMPLES: &str =
    "SELECT DISTINCT ON (o.currency) o.order_name, to_char(o.ordered_at, 'YYYY-MM-DD HH24:MI'),
            concat_ws(' ', c.first_name, c.last_name),
            (SELECT count(*) FROM raw_ops.order_items AS i WHERE i.order_id = o.id),
            o.total_price::text, o.currency, o.financial_status
       FROM raw_ops.orders AS o JOIN raw_ops.customers AS c ON c.id = o.customer_id
      WHERE c.last_name <> '' ORDER BY o.currency, o.cancelled_at IS NULL, o.ordered_at DESC";
const SAMPLE_HEADS: &[&str] = &[
    "order",
    "ordered (UTC)",
    "customer",
    ">items",
    ">total_price",
    "currency",
    "payment",
];
const LATENCY: &str = "SELECT percentile_cont(array[0.5, 0.95]) WITHIN GROUP
            (ORDER BY extract(epoch FROM processed_at - received_at)::float8 * 1000)
       FROM raw_ops.webhook_inbox WHERE processing_status = 'success'";

/// Shows the tables.
pub async fn show(screen: &Screen, client: &Client) -> Result<()> {
    screen.say("The inbox, raw_ops.webhook_inbox:");
    screen.table(&inbox(client).await?);
    screen.say("What became of it, raw_ops.orders and raw_ops.order_items:");
    screen.table(&currencies(client).await?);
    screen.say("Who bought, raw_ops.customers:");
    let mut buyers = Table::new(&["buyers", ">rows", ">orders"]);
    for row in client.query(BUYERS, &[]).await? {
        let (rows, orders): (i64, i64) = (row.get(1), row.get(2));
        buyers.row([row.get(0), grouped(rows), grouped(orders)]);
    }
    screen.table(&buyers);
    screen.say("One order of each currency (the #9999 are test orders that Shopify itself sends):");
    let mut samples = Table::new(SAMPLE_HEADS);
    for row in client.query(SAMPLES, &[]).await? {
        samples.row(sample(&row));
    }
    screen.table(&samples);
    let latency: Option<Vec<f64>> = client.query_one(LATENCY, &[]).await?.get(0);
    if let Some([half, most]) = latency.as_deref() {
        screen.say(&format!(
            "From stored to order (processed_at - received_at), waiting in line included: p50 {}, p95 {}.",
            milliseconds(*half),
            milliseconds(*most)
        ));
    }
    Ok(())
}

async fn inbox(client: &Client) -> Result<Table> {
    let mut table = Table::new(&["topic", "status", ">webhooks", ">attempts", "error_category"]);
    for row in client.query(INBOX, &[]).await? {
        let attempts: (i32, i32) = (row.get(3), row.get(4));
        let attempts = match attempts {
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least}-{most}"),
        };
        table.row([
            row.get(0),
            row.get(1),
            grouped(row.get::<_, i64>(2)),
            attempts,
            row.get(5),
        ]);
    }
    Ok(table)
}

async fn currencies(client: &Client) -> Result<Table> {
    let mut table = Table::new(&["currency", ">orders", ">items", ">sum of total_price"]);
    let (mut all_orders, mut all_items) = (0, 0);
    for row in client.query(CURRENCIES, &[]).await? {
        let (currency, total): (Option<String>, Option<String>) = (row.get(0), row.get(3));
        let (orders, items): (i64, i64) = (row.get(1), row.get(2));
        all_orders += orders;
        all_items += items;
        let [currency, total] = [currency, total].map(Option::unwrap_or_default);
        table.row([currency, grouped(orders), grouped(items), grouped(total)]);
    }
    table.rule();
    table.row(["all".to_owned(), grouped(all_orders), grouped(all_items)]);
    Ok(table)
}

fn sample(row: &Row) -> [String; 7] {
    let text = |column: usize| row.get::<_, Option<String>>(column).unwrap_or_default();
    [
        text(0),
        text(1),
        text(2),
        row.get::<_, i64>(3).to_string(),
        grouped(text(4)),
        text(5),
        text(6),
    ]
}
