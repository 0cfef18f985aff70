//! One order: as its payloads say it, and as the tables have it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio_postgres::Client;

use super::Decimal;

/// An order as its newest payload says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// Of the newest payload: its `updated_at`, else when it was triggered. Seconds since 1970.
    pub version: Option<i64>,
    /// Currency code; empty if nobody said it.
    pub currency: String,
    /// To pay. A sum that nobody said is 0.
    pub total: Decimal,
    /// What the items cost after discounts.
    pub subtotal: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// Shipping.
    pub shipping: Decimal,
    /// How many items.
    pub items: usize,
    /// Their prices times quantities.
    pub line_items: Decimal,
    /// Their discounts.
    pub discounts: Decimal,
    /// Was it cancelled?
    pub cancelled: bool,
    /// Who bought: a customer's id at Shopify, a guest's address in lower case.
    pub buyer: Option<String>,
}

impl Order {
    /// `said`: versions and payloads, oldest first; what a newer one leaves out, an older one tells.
    pub(super) fn from_webhooks(said: &[(i64, Value)], buyer: Option<String>) -> Result<Self> {
        let mut order = Self {
            buyer,
            ..Self::default()
        };
        for (version, body) in said {
            order.version = Some(*version);
            if let Some(currency) = body["currency"].as_str() {
                currency.clone_into(&mut order.currency);
            }
            for (sum, said) in [
                (&mut order.total, &body["total_price"]),
                (&mut order.subtotal, &body["subtotal_price"]),
                (&mut order.tax, &body["total_tax"]),
            ] {
                if let Some(said) = said.as_str() {
                    *sum = Decimal::parse(said)?;
                }
            }
            if let Some(shipping) = shipping(body)? {
                order.shipping = shipping;
            }
            if let Some(items) = body["line_items"].as_array() {
                order.learn_items(items)?;
            }
            order.cancelled |= body["cancelled_at"].is_string();
        }
        Ok(order)
    }

    fn learn_items(&mut self, items: &[Value]) -> Result<()> {
        self.items = items.len();
        (self.line_items, self.discounts) = Default::default();
        for item in items {
            if let Some(price) = item["price"].as_str() {
                self.line_items += Decimal::parse(price)? * item["quantity"].as_i64().unwrap_or(0);
            }
            if let Some(discount) = item["total_discount"].as_str() {
                self.discounts += Decimal::parse(discount)?;
            }
        }
        Ok(())
    }
}

/// Old payloads name no sum of it, only its lines.
fn shipping(body: &Value) -> Result<Option<Decimal>> {
    if let Some(sum) = body["total_shipping_price_set"]["shop_money"]["amount"].as_str() {
        return Decimal::parse(sum).map(Some);
    }
    let Some(lines) = body["shipping_lines"]
        .as_array()
        .filter(|lines| !lines.is_empty())
    else {
        return Ok(None);
    };
    let mut sum = Decimal::default();
    for line in lines {
        sum += Decimal::parse(line["price"].as_str().unwrap_or("0"))?;
    }
    Ok(Some(sum))
}

const STORED: &str = "SELECT o.shopify_order_id, floor(extract(epoch FROM o.shopify_updated_at))::int8, coalesce(o.currency, ''),
        ARRAY[o.total_price, o.subtotal_price, o.total_tax, o.total_shipping, i.line_items, i.discounts]::text[],
        i.items, o.cancelled_at IS NOT NULL, coalesce(c.shopify_customer_id::text, lower(c.email))
   FROM raw_ops.orders AS o
   LEFT JOIN raw_ops.customers AS c ON c.id = o.customer_id,
   LATERAL (SELECT count(*) AS items, sum(price * quantity) AS line_items, sum(total_discount) AS discounts
              FROM raw_ops.order_items WHERE order_id = o.id) AS i";

/// The orders that the tables hold, by Shopify's id.
///
/// # Errors
///
/// If the tables cannot be read, or hold an order twice.
pub async fn stored(client: &Client) -> Result<BTreeMap<i64, Order>> {
    let mut orders = BTreeMap::new();
    for row in client.query(STORED, &[]).await? {
        let sums: Vec<Option<&str>> = row.get(3);
        let sums: Vec<Decimal> = sums
            .iter()
            .map(|sum| Decimal::parse(sum.unwrap_or("0")))
            .collect::<Result<_>>()?;
        let &[total, subtotal, tax, shipping, line_items, discounts] = sums.as_slice() else {
            anyhow::bail!("not six sums");
        };
        let order = Order {
            version: row.get(1),
            currency: row.get(2),
            total,
            subtotal,
            tax,
            shipping,
            items: usize::try_from(row.get::<_, i64>(4)).context("a count below 0")?,
            line_items,
            discounts,
            cancelled: row.get(5),
            buyer: row.get(6),
        };
        let id: i64 = row.get(0);
        anyhow::ensure!(orders.insert(id, order).is_none(), "order {id} is there twice");
    }
    Ok(orders)
}
