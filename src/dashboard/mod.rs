//! `fn_dashboard_html_v1()`: the page "Webhook Operations", one self-contained HTML document.
//!
//! `load` (and `load_shops`) reads what stands in `data`; everything after that is pure: `page` puts together what `advice`, the
//! `questions` (`trends` and `shares`), the choice of `shops` and the `panels` (and `courier`) make of it, of the same `parts`, in tags that `maud`
//! escapes; `chart` draws with `svg`, `figures` are for people, and `html` is how the page leaves.

mod advice;
mod chart;
mod courier;
mod data;
mod figures;
mod html;
mod load;
mod load_shops;
mod page;
mod panels;
mod parts;
mod questions;
mod shares;
mod shops;
mod svg;
mod trends;

use crate::db::{self, owner, schema};
use crate::health;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_dashboard_html_v1() -> Result<String, ErrorReport> {
    let health = health::look(std::time::Duration::from_millis(1800))?;
    Ok(owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            Ok(page::render(&load::load_data(session, health)?))
        })
    })?)
}
