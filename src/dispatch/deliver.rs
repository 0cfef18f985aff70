//! The door for pg_cron: sending through pg_net without a background worker.

use super::{Pass, Work};
use crate::db::{self, owner};
use crate::error::Result;
use crate::outbox;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn fn_deliver_outbox_v1() -> Result<JsonB, ErrorReport> {
    Ok(JsonB(owner::as_table_owner(deliver)?))
}

/// One pass, where pg_net is the carrier; elsewhere says who sends.
fn deliver() -> Result<serde_json::Value> {
    // No room: only looks who is to send, and takes nothing.
    let nothing = super::Room {
        limit: 0,
        lanes: &outbox::Lanes::default(),
        just_started: false,
    };
    let (carrier, pass) = match super::take(&nothing)? {
        Work::Builtin(_) => ("builtin", Pass::default()),
        Work::Held => ("held", Pass::default()),
        Work::PgNet => ("pg_net", super::pg_net_pass()?),
    };
    let due = db::session(outbox::next_due_request)?.map(|due| (due - db::clock()) as f64 / 1e6);
    Ok(json!({
        "carrier": carrier, "dispatched": pass.dispatched, "recorded": pass.recorded, "in_flight": pass.in_flight,
        "next_due_seconds": due,
    }))
}
