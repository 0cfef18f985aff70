//! One order payload, one transaction: the function the shop's own code may call.

use super::{Converge, LOST_RACES, converge};
use crate::command::{Applied, Envelope};
use crate::db::{self, Jsonb, JsonbArgument, owner, schema, settings};
use crate::error::{Error, Result};
use crate::providers::shopify::order;
use crate::shop;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn process_order_webhook_txn(
    webhook_data: Option<JsonbArgument<'_>>,
    p_shop_domain: default!(Option<&str>, "''"),
) -> Result<JsonB, ErrorReport> {
    let payload = webhook_data
        .ok_or_else(|| Error::argument("webhook_data", "is null"))?
        .open();
    let shop = shop::argument("p_shop_domain", p_shop_domain)?;
    let applied = owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            // Whoever calls this may tell Shopify next that the order is here.
            settings::commit_durably();
            db::attempt_until_unraced(LOST_RACES, || one(session, payload, &shop))
        })
    })?;
    Ok(JsonB(applied.to_json()))
}

fn one(session: &db::Session, payload: Jsonb<'_>, shop: &str) -> Result<Applied> {
    let command = Converge {
        order: order::parse(payload)?,
        must_exist: false,
    };
    let change = Envelope {
        index: 0,
        webhook: [0; 16],
        shop: shop.to_owned(),
        triggered_at: None,
        payload_hash: payload.hash(),
        lock_key: None,
        command,
    };
    let outcome = converge(session, vec![change])?.pop();
    outcome.map_or_else(
        || Err(Error::Internal("no outcome".into())),
        |(_, outcome)| outcome,
    )
}
