//! Is what is in the database what the payloads say? Each number is held against the truth that the plan tells.

use std::collections::HashMap;

use anyhow::Result;
use raw_ops_e2e::truth::{self, Decimal, Truth};
use tokio_postgres::Client;

use crate::books::CURRENCIES;
use crate::checks::Checks;
use crate::plan::{Fate, Kind, Plan};
use crate::screen::grouped;
use crate::sending::{Sent, number};

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
    let sums = truth.sums()?;
    checks.count("currencies", sums.len(), i64::try_from(rows.len())?);
    let orders = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
    let items = rows.iter().map(|row| row.get::<_, i64>(2)).sum();
    checks.count(
        "orders, one for each id of Shopify's",
        sums.values().map(|sum| sum.orders).sum(),
        orders,
    );
    checks.count("items", sums.values().map(|sum| sum.items).sum(), items);
    for (currency, expected) in &sums {
        let row = rows
            .iter()
            .find(|row| row.get::<_, Option<&str>>(0) == Some(currency));
        let found = match row.and_then(|row| row.get::<_, Option<String>>(3)) {
            Some(total) => Decimal::parse(&total)?,
            None => Decimal::default(),
        };
        checks.holds(
            &format!("sum of total_price in {currency}, exact"),
            expected.total == found,
            &grouped(expected.total),
            &grouped(found),
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

/// Every order by itself: version, currency, sums, items, cancellation, buyer.
pub async fn check_each_order(checks: &mut Checks, client: &Client, truth: &Truth, what: &str) -> Result<()> {
    let expected = truth.orders()?;
    let wrong = truth::differing_orders(&expected, &truth::stored(client).await?);
    let found = match wrong.first() {
        None => grouped(expected.len()),
        Some(first) => format!("{} are not: {first}", wrong.len()),
    };
    checks.holds(what, wrong.is_empty(), &grouped(expected.len()), &found);
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
