//! One order payload, one transaction: the function the shop's own code may call.

use super::{Applied, Change, LOST_RACES, apply_orders};
use crate::db::{self, Jsonb, JsonbArgument, owner, schema, settings};
use crate::error::{Error, Result};
use crate::providers::shopify_order;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn process_order_webhook_txn(webhook_data: Option<JsonbArgument<'_>>) -> Result<JsonB, ErrorReport> {
    let payload = webhook_data
        .ok_or_else(|| Error::argument("webhook_data", "is null"))?
        .open();
    let applied = owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            // Whoever calls this may tell Shopify next that the order is here.
            settings::commit_durably();
            db::attempt_until_unraced(LOST_RACES, || one(session, payload))
        })
    })?;
    Ok(JsonB(applied.to_json()))
}

fn one(session: &db::Session, payload: Jsonb<'_>) -> Result<Applied> {
    let order = shopify_order::parse(payload)?;
    let change = Change {
        index: 0,
        order,
        payload_hash: payload.hash(),
        must_exist: false,
        triggered_at: None,
    };
    let outcome = apply_orders(session, vec![change])?.pop();
    outcome.map_or_else(
        || Err(Error::Internal("no outcome".into())),
        |(_, outcome)| outcome,
    )
}
