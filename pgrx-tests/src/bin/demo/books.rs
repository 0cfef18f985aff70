//! What is in the database after the wave, as tables; and whether it is what the payloads say.

use std::collections::HashMap;

use anyhow::Result;
use tokio_postgres::{Client, Row};

use crate::checks::Checks;
use crate::plan::{Fate, Kind, Plan};
use crate::screen::{Screen, grouped, milliseconds};
use crate::sending::{Sent, number};
use crate::table::Table;
use crate::truth::{Decimal, Order, Truth};

const INBOX: &str =
    "SELECT topic, processing_status, count(*), min(attempts), max(attempts), coalesce(error_category, '')
       FROM raw_ops.webhook_inbox GROUP BY topic, processing_status, error_category
      ORDER BY processing_status <> 'success', error_category, count(*) DESC, topic";
const CURRENCIES: &str = "SELECT currency, count(*), sum(items)::int8, sum(total_price)::text
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
const LATENCY: &str = "SELECT percentile_cont(array[0.5, 0.95]) WITHIN GROUP
            (ORDER BY extract(epoch FROM processed_at - received_at)::float8 * 1000)
       FROM raw_ops.webhook_inbox WHERE processing_status = 'success'";
const ORDERS: &str = "SELECT shopify_order_id, extract(epoch FROM shopify_updated_at)::int8, currency,
            total_price::text, (SELECT count(*) FROM raw_ops.order_items AS i WHERE i.order_id = o.id),
            cancelled_at IS NOT NULL, customer_id IS NOT NULL
       FROM raw_ops.orders AS o";

/// Shows the tables.
pub async fn show(screen: &Screen, client: &Client) -> Result<()> {
    screen.say("The inbox, raw_ops.webhook_inbox:");
    let mut inbox = Table::new(&["topic", "status", ">webhooks", ">attempts", "error_category"]);
    for row in client.query(INBOX, &[]).await? {
        let attempts: (i32, i32) = (row.get(3), row.get(4));
        inbox.row([
            row.get(0),
            row.get(1),
            grouped(row.get::<_, i64>(2)),
            match attempts {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least}-{most}"),
            },
            row.get(5),
        ]);
    }
    screen.table(&inbox);
    screen.say("What became of it, raw_ops.orders and raw_ops.order_items:");
    let mut currencies = Table::new(&["currency", ">orders", ">items", ">sum of total_price"]);
    let (mut orders, mut items) = (0, 0);
    for row in client.query(CURRENCIES, &[]).await? {
        let (currency, total): (Option<String>, Option<String>) = (row.get(0), row.get(3));
        let (some_orders, some_items): (i64, i64) = (row.get(1), row.get(2));
        orders += some_orders;
        items += some_items;
        currencies.row([
            currency.unwrap_or_default(),
            grouped(some_orders),
            grouped(some_items),
            grouped(total.unwrap_or_default()),
        ]);
    }
    currencies.rule();
    currencies.row(["all".to_owned(), grouped(orders), grouped(items)]);
    screen.table(&currencies);
    screen.say("Who bought, raw_ops.customers:");
    let mut buyers = Table::new(&["buyers", ">rows", ">orders"]);
    for row in client.query(BUYERS, &[]).await? {
        buyers.row([
            row.get(0),
            grouped(row.get::<_, i64>(1)),
            grouped(row.get::<_, i64>(2)),
        ]);
    }
    screen.table(&buyers);
    screen.say("One order of each currency (the #9999 are test orders that Shopify itself sends):");
    let heads = [
        "order",
        "ordered (UTC)",
        "customer",
        ">items",
        ">total_price",
        "currency",
        "payment",
    ];
    let mut samples = Table::new(&heads);
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

/// Holds everything against what was sent.
pub async fn check(checks: &mut Checks, client: &Client, plan: &Plan, sent: &Sent) -> Result<()> {
    sent.check(checks);
    check_inbox(checks, client, plan, sent).await?;
    check_refused(checks, client, plan).await?;
    check_bodies(checks, client, plan).await?;
    check_sums(checks, client, &plan.truth).await?;
    check_customers(checks, client, &plan.truth).await?;
    check_each_order(
        checks,
        client,
        &plan.truth,
        "each order is what its newest payload says",
    )
    .await?;
    check_changes(checks, client, plan).await
}

async fn check_inbox(checks: &mut Checks, client: &Client, plan: &Plan, sent: &Sent) -> Result<()> {
    let stored = number(client, "SELECT count(*) FROM raw_ops.webhook_inbox").await?;
    checks.count(
        "each signed webhook is in the inbox, once",
        plan.signed().count(),
        stored,
    );
    let repeats = number(
        client,
        "SELECT coalesce(sum(duplicate_count), 0)::int8 FROM raw_ops.webhook_inbox",
    )
    .await?;
    let again = plan
        .wave
        .iter()
        .filter(|webhook| webhook.kind == Kind::Again)
        .count();
    checks.count(
        "deliveries sent twice were answered as known already",
        again,
        i64::try_from(sent.duplicates())?,
    );
    checks.count(
        "they are counted in the inbox, and no row of their own",
        again,
        repeats,
    );

    let query = "SELECT event_id, processing_status, coalesce(error_category, '') FROM raw_ops.webhook_inbox";
    let rows = client.query(query, &[]).await?;
    let states: HashMap<String, (String, String)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    let fates = [
        ("every order webhook is processed", Fate::Success),
        (
            "every body that is no order waits, as malformed_payload",
            Fate::Failed("malformed_payload"),
        ),
        (
            "a draft order is not taken for an order: unknown_topic",
            Fate::Failed("unknown_topic"),
        ),
        (
            "the early cancellation waits, as missing_reference",
            Fate::Failed("missing_reference"),
        ),
    ];
    for (what, fate) in fates {
        let of: Vec<_> = plan.signed().filter(|webhook| webhook.fate == fate).collect();
        let found = of.iter().filter(|webhook| {
            states
                .get(webhook.id())
                .is_some_and(|(status, category)| match fate {
                    Fate::Failed(wanted) => status == "failed" && category == wanted,
                    Fate::Success | Fate::Refused => status == "success",
                })
        });
        checks.count(what, of.len(), i64::try_from(found.count())?);
    }
    Ok(())
}

async fn check_refused(checks: &mut Checks, client: &Client, plan: &Plan) -> Result<()> {
    let refused: Vec<&str> = plan
        .wave
        .iter()
        .filter(|webhook| webhook.fate == Fate::Refused)
        .map(|webhook| webhook.id())
        .collect();
    let query = "SELECT (SELECT count(*) FROM raw_ops.webhook_inbox WHERE event_id = ANY ($1))
                      + (SELECT count(*) FROM raw_ops.orders WHERE shopify_order_id = ANY ($2))";
    let traces = client.query_one(query, &[&refused, &plan.forged]).await?.get(0);
    checks.count(
        "what was refused left nothing behind, neither webhook nor order",
        0,
        traces,
    );
    Ok(())
}

/// What cannot be jsonb is kept byte for byte, the rest as jsonb.
async fn check_bodies(checks: &mut Checks, client: &Client, plan: &Plan) -> Result<()> {
    let malformed: Vec<_> = plan
        .wave
        .iter()
        .filter(|webhook| webhook.kind == Kind::Malformed)
        .collect();
    let query = "SELECT raw_body, payload FROM raw_ops.webhook_inbox WHERE event_id = $1";
    let mut kept = 0;
    for webhook in &malformed {
        let Some(row) = client.query_opt(query, &[&webhook.id()]).await? else {
            continue;
        };
        let sent = &webhook.delivery.body;
        let (bytes, json): (Option<Vec<u8>>, Option<serde_json::Value>) = (row.get(0), row.get(1));
        let same = match (bytes, json) {
            (Some(bytes), _) => bytes == *sent,
            (None, Some(json)) => {
                serde_json::from_slice::<serde_json::Value>(sent).is_ok_and(|sent| sent == json)
            }
            (None, None) => false,
        };
        kept += i64::from(same);
    }
    checks.count(
        "bodies that are no order are kept as they came",
        malformed.len(),
        kept,
    );
    Ok(())
}

async fn check_sums(checks: &mut Checks, client: &Client, truth: &Truth) -> Result<()> {
    let rows = client.query(CURRENCIES, &[]).await?;
    let sums = truth.sums();
    checks.count("currencies", sums.len(), i64::try_from(rows.len())?);
    let orders = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
    let items = rows.iter().map(|row| row.get::<_, i64>(2)).sum();
    checks.count("orders, one for each id of Shopify's", truth.orders.len(), orders);
    checks.count("items", sums.values().map(|sum| sum.items).sum(), items);
    for (currency, expected) in &sums {
        let row = rows
            .iter()
            .find(|row| row.get::<_, Option<&str>>(0) == Some(currency));
        let found = match row.and_then(|row| row.get::<_, Option<String>>(3)) {
            Some(total) => Decimal::parse(&total)?,
            None => Decimal::default(),
        };
        checks.equal(
            &format!("sum of total_price in {currency}, exact"),
            &expected.total,
            &found,
        );
    }
    Ok(())
}

async fn check_customers(checks: &mut Checks, client: &Client, truth: &Truth) -> Result<()> {
    let counts = [
        (
            "customers with an id of Shopify's",
            truth.customers(),
            "SELECT count(*) FROM raw_ops.customers WHERE shopify_customer_id IS NOT NULL",
        ),
        (
            "guests, one for each e-mail address",
            truth.guests(),
            "SELECT count(*) FROM raw_ops.customers WHERE shopify_customer_id IS NULL",
        ),
        (
            "orders whose buyer nobody knows",
            truth.without_buyer(),
            "SELECT count(*) FROM raw_ops.orders WHERE customer_id IS NULL",
        ),
    ];
    for (what, expected, query) in counts {
        checks.count(what, expected, number(client, query).await?);
    }
    Ok(())
}

/// Every order by itself: version, currency, total, number of items, cancellation, buyer.
pub async fn check_each_order(checks: &mut Checks, client: &Client, truth: &Truth, what: &str) -> Result<()> {
    let rows = client.query(ORDERS, &[]).await?;
    let (mut right, mut wrong) = (0_usize, None);
    for row in &rows {
        let id: i64 = row.get(0);
        let found = Order {
            version: row.get(1),
            currency: row.get::<_, Option<String>>(2).unwrap_or_default(),
            total: Decimal::parse(&row.get::<_, Option<&str>>(3).unwrap_or("0"))?,
            items: usize::try_from(row.get::<_, i64>(4))?,
            cancelled: row.get(5),
            has_buyer: row.get(6),
        };
        match truth.orders.get(&id) {
            Some(expected) if *expected == found => right += 1,
            expected => wrong = wrong.or(Some(format!("order {id}: {found:?} instead of {expected:?}"))),
        }
    }
    let holds = wrong.is_none() && right == truth.orders.len();
    let found = wrong.map_or_else(|| grouped(right), |wrong| format!("{right}; {wrong}"));
    checks.holds(what, holds, &grouped(truth.orders.len()), &found);
    Ok(())
}

async fn check_changes(checks: &mut Checks, client: &Client, plan: &Plan) -> Result<()> {
    let mut newest = 0;
    for (id, note) in &plan.changed {
        let query = "SELECT FROM raw_ops.orders WHERE shopify_order_id = $1 AND note = $2";
        newest += i64::from(client.query_opt(query, &[id, note]).await?.is_some());
    }
    checks.count(
        "changed orders keep the newest change; the older one, sent later, is not applied",
        plan.changed.len(),
        newest,
    );
    Ok(())
}
