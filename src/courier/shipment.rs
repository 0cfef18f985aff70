//! Shipments, converged from Shopify's fulfillments.

use super::fulfillment::{FULFILLMENT, Fulfillment, Known, Shipment};
use super::{Id, shown};
use crate::command::{Applied, Envelope};
use crate::convergence::Version;
use crate::convergence::columns::{state, version};
use crate::db::{Jsonb, Session, TypedRowset, result_row, rowset_row, statements};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use crate::providers::shopify::fulfillment::Fulfillment as Payload;
use crate::shop;
use serde_json::{Value as Json, json};

statements! {
    execute find_orders(shop: &str, shopify_order_id: i64) -> OrderFound = file "courier/find_order.sql";
    /// Two payloads of one fulfillment are applied one after the other: what it comes to is a matter of several rows.
    execute lock_fulfillment(shop: &str, shopify_fulfillment_id: i64) = text
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('raw_ops fulfillment ' || $1 || ' ' || $2::text, 0))";
    execute find_fulfillment(shop: &str, shopify_fulfillment_id: i64) -> FulfillmentFound<'s>
        = file "courier/find_fulfillment.sql";
    execute find_shipments(shop: &str, shopify_fulfillment_id: i64) -> ShipmentFound<'s>
        = file "courier/find_shipments.sql";
    execute write_fulfillments(shop: &str) with (fulfillment: FulfillmentRow<'static>)
        = file "courier/write_fulfillment.sql";
    execute write_changed_shipments(shop: &str) with (changed: ShipmentRow<'static>)
        = file "courier/write_shipments.sql";
}

result_row! {
    struct OrderFound {
        id: Id,
        shop_domain: String,
    }
}

result_row! {
    struct FulfillmentFound<'s> {
        courier_name: Option<String>,
        status: Option<String>,
        formal_status: Option<String>,
        tracking_numbers: Option<Vec<String>>,
        shopify_updated_at: Option<Timestamp>,
        shopify_triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
        blank: i32,
        field_versions: Option<Jsonb<'s>>,
    }
}

result_row! {
    struct ShipmentFound<'s> {
        id: Id,
        tracking_no: Option<String>,
        courier_name: Option<String>,
        tracking_url: Option<String>,
        tracking_url_version: Option<Jsonb<'s>>,
        status: Option<String>,
    }
}

rowset_row! {
    struct FulfillmentRow<'a> {
        shopify_fulfillment_id: i64,
        courier_name: Option<&'a str>,
        status: Option<&'a str>,
        formal_status: Option<&'a str>,
        tracking_numbers: &'a [String],
        version: Option<Timestamp>,
        triggered_at: Option<Timestamp>,
        payload_hash: Option<i64>,
        field_versions: Option<Json>,
    }
}

rowset_row! {
    struct ShipmentRow<'a> {
        id: Id,
        order_id: Id,
        courier_name: Option<&'a str>,
        tracking_no: Option<&'a str>,
        tracking_url: Option<&'a str>,
        tracking_url_version: Option<Json>,
        status: &'a str,
        shopify_fulfillment_id: i64,
        shopify_created_at: Option<Timestamp>,
    }
}

/// # Errors
/// [`Error::MissingReference`] while its order is not here.
pub fn converge(session: &Session, webhook: &Envelope<Payload<'_>>) -> Result<Applied> {
    let payload = &webhook.command;
    let order = order(session, &webhook.shop, payload.shopify_order_id)?;
    // An order of no known shop may be fulfilled by one.
    let shop = match webhook.shop.as_str() {
        "" => order.shop_domain.as_str(),
        shop => shop,
    };
    let order_id = order.id;
    let id = payload.shopify_fulfillment_id;
    lock_fulfillment(session, shop, id)?;
    let mut known = find(session, shop, id)?;
    let (before, count) = (known.fulfillment.state.clone(), known.shipments.len());
    let version = Version {
        at: payload.version.map(|version| version.0).or(webhook.triggered_at),
        triggered_at: webhook.triggered_at,
        hash: webhook.payload_hash,
    };
    let changed = known.hear(payload, version);
    if known.fulfillment.state != before {
        write_fulfillment(session, shop, id, &known.fulfillment)?;
    }
    write_shipments(session, shop, payload, order_id, &known.shipments, &changed)?;
    let outcome = match changed.last() {
        Some(last) if *last >= count => "created",
        Some(_) => "updated",
        None if version < before.version => "stale",
        None => "unchanged",
    };
    let shipments = payload.shipments.len();
    Ok(Applied::new(
        outcome,
        move || json!({"order_id": shown(order_id), "shopify_fulfillment_id": id, "shipments": shipments}),
    ))
}

/// The order of a shop; of any, where none is named, if exactly one has it.
fn order(session: &Session, shop: &str, shopify_order_id: i64) -> Result<OrderFound> {
    let mut found = find_orders(session, shop, shopify_order_id)?.all()?;
    match (found.pop(), found.is_empty()) {
        (Some(order), true) => Ok(order),
        (Some(order), false) => {
            found.push(order);
            let shops: Vec<String> = found.into_iter().map(|order| order.shop_domain).collect();
            let what = format!("fulfillment.order_id: order {shopify_order_id}");
            Err(shop::ambiguous(
                &what,
                &shops,
                "Shopify's header names it, and so does p_shop_domain of raw_ops.receive_webhook()",
            ))
        }
        (None, _) => Err(Error::MissingReference(format!(
            "fulfillment.order_id: there is no order {shopify_order_id} here yet"
        ))),
    }
}

fn find(session: &Session, shop: &str, id: i64) -> Result<Known> {
    let fulfillment = find_fulfillment(session, shop, id)?.first()?;
    Ok(Known {
        fulfillment: fulfillment.map_or_else(Fulfillment::unknown, known_fulfillment),
        shipments: find_shipments(session, shop, id)?.map(known_shipment)?,
    })
}

fn known_fulfillment(row: FulfillmentFound<'_>) -> Fulfillment {
    let version = version(row.shopify_updated_at, row.shopify_triggered_at, row.payload_hash);
    Fulfillment {
        courier_name: row.courier_name,
        status: row.status,
        formal_status: row.formal_status,
        tracking_numbers: row.tracking_numbers.unwrap_or_default(),
        state: state(&FULFILLMENT, version, row.blank, row.field_versions),
    }
}

fn known_shipment(row: ShipmentFound<'_>) -> Shipment {
    Shipment {
        id: row.id,
        tracking_no: row.tracking_no,
        courier_name: row.courier_name,
        tracking_url: row.tracking_url,
        url_version: row
            .tracking_url_version
            .map_or(Version::NEVER, Version::from_json),
        status: row.status.unwrap_or_default(),
    }
}

fn write_fulfillment(session: &Session, shop: &str, id: i64, fulfillment: &Fulfillment) -> Result<()> {
    let version = fulfillment.state.version;
    let mut rows = TypedRowset::new(session);
    rows.push(FulfillmentRow {
        shopify_fulfillment_id: id,
        courier_name: fulfillment.courier_name.as_deref(),
        status: fulfillment.status.as_deref(),
        formal_status: fulfillment.formal_status.as_deref(),
        tracking_numbers: &fulfillment.tracking_numbers,
        version: version.updated_at(),
        triggered_at: version.triggered_at(),
        payload_hash: version.payload_hash(),
        field_versions: FULFILLMENT.own_to_json(&fulfillment.state.own),
    })?;
    write_fulfillments(session, shop, &mut rows)?;
    Ok(())
}

fn write_shipments(
    session: &Session,
    shop: &str,
    payload: &Payload<'_>,
    order_id: Id,
    shipments: &[Shipment],
    changed: &[usize],
) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut rows = TypedRowset::new(session);
    for shipment in changed.iter().map(|place| &shipments[*place]) {
        rows.push(ShipmentRow {
            id: shipment.id,
            order_id,
            courier_name: shipment.courier_name.as_deref(),
            tracking_no: shipment.tracking_no.as_deref(),
            tracking_url: shipment.tracking_url.as_deref(),
            tracking_url_version: shipment.url_version.to_json(),
            status: &shipment.status,
            shopify_fulfillment_id: payload.shopify_fulfillment_id,
            shopify_created_at: payload.created_at,
        })?;
    }
    write_changed_shipments(session, shop, &mut rows)?;
    Ok(())
}
