//! Shipments, converged from Shopify's fulfillments.

use super::fulfillment::{FULFILLMENT, Fulfillment, Known, Shipment};
use super::{Id, shown};
use crate::command::{Applied, Envelope};
use crate::convergence::Version;
use crate::convergence::columns::{push_version, state, version};
use crate::db::statement::Row;
use crate::db::{Rowset, Session, Statement, Value};
use crate::error::{Error, Result};
use crate::providers::shopify::fulfillment::Fulfillment as Payload;
use pgrx::pg_sys;
use serde_json::json;

thread_local! {
    static ORDER: Statement = const { Statement::new(
        include_str!("../../sql/courier/find_order.sql"), &[pg_sys::INT8OID]) };
    /// Two payloads of one fulfillment are applied one after the other: what it comes to is a matter of several rows.
    static LOCK: Statement = const { Statement::new(
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('raw_ops fulfillment ' || $1::text, 0))",
        &[pg_sys::INT8OID]) };
    static FULFILLMENTS: Statement = const { Statement::new(
        include_str!("../../sql/courier/find_fulfillment.sql"), &[pg_sys::INT8OID]) };
    static SHIPMENTS: Statement = const { Statement::new(
        include_str!("../../sql/courier/find_shipments.sql"), &[pg_sys::INT8OID]) };
    static WRITE_FULFILLMENT: Statement = const { Statement::new(
        include_str!("../../sql/courier/write_fulfillment.sql"), &[]) };
    static WRITE_SHIPMENTS: Statement = const { Statement::new(
        include_str!("../../sql/courier/write_shipments.sql"), &[]) };
}

/// # Errors
/// [`Error::MissingReference`] while its order is not here.
pub fn converge(session: &Session, webhook: &Envelope<Payload<'_>>) -> Result<Applied> {
    let payload = &webhook.command;
    let order = session.execute(&ORDER, vec![Value::Int8(payload.shopify_order_id)])?;
    let Some(order_id) = order.first(|row| row.uuid(1)).flatten() else {
        let id = payload.shopify_order_id;
        return Err(Error::MissingReference(format!(
            "fulfillment.order_id: there is no order {id} here yet"
        )));
    };
    let id = payload.shopify_fulfillment_id;
    session.execute(&LOCK, vec![Value::Int8(id)])?;
    let mut known = find(session, id)?;
    let (before, count) = (known.fulfillment.state.clone(), known.shipments.len());
    let version = Version {
        at: payload.version.map(|version| version.0).or(webhook.triggered_at),
        triggered_at: webhook.triggered_at,
        hash: webhook.payload_hash,
    };
    let changed = known.hear(payload, version);
    if known.fulfillment.state != before {
        write_fulfillment(session, id, &known.fulfillment)?;
    }
    write_shipments(session, payload, order_id, &known.shipments, &changed)?;
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

fn find(session: &Session, id: i64) -> Result<Known> {
    let fulfillment = session.execute(&FULFILLMENTS, vec![Value::Int8(id)])?;
    let shipments = session.execute(&SHIPMENTS, vec![Value::Int8(id)])?;
    Ok(Known {
        fulfillment: fulfillment
            .first(known_fulfillment)
            .unwrap_or_else(Fulfillment::unknown),
        shipments: shipments.map(known_shipment),
    })
}

fn known_fulfillment(row: Row) -> Fulfillment {
    Fulfillment {
        courier_name: row.text(1),
        status: row.text(2),
        formal_status: row.text(3),
        tracking_numbers: row.texts(4),
        state: state(row, &FULFILLMENT, version(row, 5), 8),
    }
}

fn known_shipment(row: Row) -> Shipment {
    Shipment {
        id: row.uuid(1).unwrap_or_default(),
        tracking_no: row.text(2),
        courier_name: row.text(3),
        tracking_url: row.text(4),
        url_version: row.jsonb(5).map_or(Version::NEVER, Version::from_json),
        status: row.text(6).unwrap_or_default(),
    }
}

fn write_fulfillment(session: &Session, id: i64, fulfillment: &Fulfillment) -> Result<()> {
    let mut rows = Rowset::new(
        c"fulfillment",
        &[
            (c"shopify_fulfillment_id", pg_sys::INT8OID),
            (c"courier_name", pg_sys::TEXTOID),
            (c"status", pg_sys::TEXTOID),
            (c"formal_status", pg_sys::TEXTOID),
            (c"tracking_numbers", pg_sys::TEXTARRAYOID),
            (c"version", pg_sys::TIMESTAMPTZOID),
            (c"triggered_at", pg_sys::TIMESTAMPTZOID),
            (c"payload_hash", pg_sys::INT8OID),
            (c"field_versions", pg_sys::JSONBOID),
        ],
    );
    rows.int8(Some(id))
        .text(fulfillment.courier_name.as_deref())
        .text(fulfillment.status.as_deref())
        .text(fulfillment.formal_status.as_deref())
        .texts(&fulfillment.tracking_numbers);
    push_version(&mut rows, fulfillment.state.version);
    rows.optional_json(FULFILLMENT.own_to_json(&fulfillment.state.own).as_ref())
        .end_row();
    rows.register(session)?;
    session.execute(&WRITE_FULFILLMENT, vec![])?;
    Ok(())
}

fn write_shipments(
    session: &Session,
    payload: &Payload<'_>,
    order_id: Id,
    shipments: &[Shipment],
    changed: &[usize],
) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut rows = Rowset::new(
        c"changed",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"order_id", pg_sys::UUIDOID),
            (c"courier_name", pg_sys::TEXTOID),
            (c"tracking_no", pg_sys::TEXTOID),
            (c"tracking_url", pg_sys::TEXTOID),
            (c"tracking_url_version", pg_sys::JSONBOID),
            (c"status", pg_sys::TEXTOID),
            (c"shopify_fulfillment_id", pg_sys::INT8OID),
            (c"shopify_created_at", pg_sys::TIMESTAMPTZOID),
        ],
    );
    for shipment in changed.iter().map(|place| &shipments[*place]) {
        rows.uuid(shipment.id)
            .uuid(order_id)
            .text(shipment.courier_name.as_deref())
            .text(shipment.tracking_no.as_deref())
            .text(shipment.tracking_url.as_deref());
        rows.optional_json(shipment.url_version.to_json().as_ref())
            .text(Some(&shipment.status))
            .int8(Some(payload.shopify_fulfillment_id))
            .timestamp(payload.created_at.map(|time| time.0))
            .end_row();
    }
    rows.register(session)?;
    session.execute(&WRITE_SHIPMENTS, vec![])?;
    Ok(())
}
