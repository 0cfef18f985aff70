//! Parcels, converged from Shopify's fulfillments whatever the order they come in: the newest `updated_at` wins.

use super::{Id, shown};
use crate::db::{Rowset, Session, Statement, Value, ids};
use crate::error::{Error, Result};
use crate::providers::shopify_fulfillment::Fulfillment;
use pgrx::pg_sys;
use serde_json::{Value as Json, json};

thread_local! {
    static ORDER: Statement = const { Statement::new(
        include_str!("../../sql/courier/find_order.sql"), &[pg_sys::INT8OID]) };
    /// Two payloads of one fulfillment are applied one after the other: which parcels it has is a matter of several rows.
    static LOCK: Statement = const { Statement::new(
        "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('raw_ops fulfillment ' || $1::text, 0))",
        &[pg_sys::INT8OID]) };
    static VERSION: Statement = const { Statement::new(
        "select max(shopify_updated_at) from raw_ops.shipments where shopify_fulfillment_id = $1", &[pg_sys::INT8OID]) };
    static NAME: Statement = const { Statement::new(
        include_str!("../../sql/courier/name_parcel.sql"), &[pg_sys::INT8OID, pg_sys::TEXTOID]) };
    static UPSERT: Statement = const { Statement::new(include_str!("../../sql/courier/upsert_parcels.sql"), &[]) };
    static REPLACE: Statement = const { Statement::new(
        include_str!("../../sql/courier/replace_parcels.sql"), &[pg_sys::INT8OID, pg_sys::TEXTARRAYOID]) };
}

/// What a fulfillment did.
pub struct Converged {
    outcome: &'static str,
    order_id: Id,
    shopify_fulfillment_id: i64,
    /// In the payload.
    parcels: usize,
}

impl Converged {
    pub fn to_json(&self) -> Json {
        json!({
            "success": true, "outcome": self.outcome, "order_id": shown(self.order_id),
            "shopify_fulfillment_id": self.shopify_fulfillment_id, "parcels": self.parcels,
        })
    }
}

/// # Errors
/// [`Error::MissingReference`] while its order is not here.
pub fn converge(
    session: &Session,
    fulfillment: &Fulfillment<'_>,
    triggered_at: Option<i64>,
) -> Result<Converged> {
    let order = session.run(&ORDER, vec![Value::Int8(fulfillment.shopify_order_id)])?;
    let Some(order_id) = order.first(|row| row.uuid(1)).flatten() else {
        let id = fulfillment.shopify_order_id;
        return Err(Error::MissingReference(format!(
            "fulfillment.order_id: there is no order {id} here yet"
        )));
    };
    let id = fulfillment.shopify_fulfillment_id;
    session.run(&LOCK, vec![Value::Int8(id)])?;
    let known = session.run(&VERSION, vec![Value::Int8(id)])?;
    let known = known.first(|row| row.timestamp(1)).flatten();
    let version = fulfillment.version.map(|version| version.0).or(triggered_at);
    let outcome = if matches!((version, known), (Some(own), Some(known)) if own < known) {
        "stale"
    } else {
        write(session, fulfillment, order_id, version)?
    };
    Ok(Converged {
        outcome,
        order_id,
        shopify_fulfillment_id: id,
        parcels: fulfillment.parcels.len(),
    })
}

fn write(
    session: &Session,
    fulfillment: &Fulfillment<'_>,
    order_id: Id,
    version: Option<i64>,
) -> Result<&'static str> {
    let id = fulfillment.shopify_fulfillment_id;
    let mut changed = 0;
    if let Some(first) = fulfillment.parcels.first() {
        let values = vec![Value::Int8(id), Value::Text(&first.tracking_no)];
        changed += session.run(&NAME, values)?.affected();
    }
    let mut rows = parcels(fulfillment, order_id, version);
    rows.register(session)?;
    let created = session
        .run(&UPSERT, vec![])?
        .map(|row| row.boolean(2) == Some(true));
    changed += created.len();
    if !fulfillment.parcels.is_empty() {
        let numbers = fulfillment
            .parcels
            .iter()
            .map(|parcel| parcel.tracking_no.as_str());
        let values = vec![Value::Int8(id), Value::TextArray(numbers.collect())];
        changed += session.run(&REPLACE, values)?.affected();
    }
    Ok(match (changed, created.contains(&true)) {
        (0, _) => "unchanged",
        (_, true) => "created",
        (_, false) => "updated",
    })
}

/// The rowset `parcels`: a fulfillment without a tracking number yet is one parcel without a number.
fn parcels(fulfillment: &Fulfillment<'_>, order_id: Id, version: Option<i64>) -> Rowset {
    let mut rows = Rowset::new(
        c"parcels",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"order_id", pg_sys::UUIDOID),
            (c"courier_name", pg_sys::TEXTOID),
            (c"tracking_no", pg_sys::TEXTOID),
            (c"tracking_url", pg_sys::TEXTOID),
            (c"status", pg_sys::TEXTOID),
            (c"shopify_fulfillment_id", pg_sys::INT8OID),
            (c"version", pg_sys::TIMESTAMPTZOID),
        ],
    );
    let named = fulfillment
        .parcels
        .iter()
        .map(|parcel| (Some(parcel.tracking_no.as_str()), parcel.tracking_url));
    let unnamed = fulfillment.parcels.is_empty().then_some((None, None));
    for (tracking_no, tracking_url) in named.chain(unnamed) {
        rows.uuid(ids::uuid_v7()).uuid(order_id);
        rows.text(fulfillment.courier_name)
            .text(tracking_no)
            .text(tracking_url);
        rows.text(fulfillment.status)
            .int8(Some(fulfillment.shopify_fulfillment_id))
            .timestamp(version)
            .end_row();
    }
    rows
}
