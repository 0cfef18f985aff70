//! `fn_dashboard_html_v1()`: the page "Webhook Operations", one self-contained HTML document.
//!
//! `load` (and `load_shops`) reads what stands in `data`; everything after that is pure: `page` puts together health's
//! faults and what the `questions` (`trends` and `shares`), the choice of `shops` and the `panels` (and `courier`) make of it, of the same `parts`, in tags that `maud`
//! escapes; `chart` draws with `svg`, `figures` are for people, and `html` is how the page leaves.

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

use crate::db::{self, owner};
use crate::health;
use crate::monitoring::{Sight, locks};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::time::Duration;

/// Whoever asks for the page is answered within five seconds: health has the one half of it, the page's own figures the other.
const PATIENCE: Duration = Duration::from_millis(1800);

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_dashboard_html_v1() -> Result<String, ErrorReport> {
    let health = health::look(PATIENCE)?;
    let sight = Sight::new(PATIENCE);
    let mut data = owner::as_table_owner(|| db::session(|session| load::load_data(session, health, &sight)))?;
    let holders = match sight.was_locked_out() {
        true => db::session(|session| Ok(locks::ask_for_holders(session, &sight)))?,
        false => Vec::new(),
    };
    load::tell_unread(&mut data, sight.into_unread(), holders);
    Ok(page::render(&data))
}
