//! Who may do with what is ours what nobody but its owner should: through the schema, or because everybody may.

use super::fault::Fault;
use super::sight::Sight;
use crate::db::{Session, Statement, Value, owner};
use crate::setup::objects::{Kind, objects};
use pgrx::prelude::*;

thread_local! {
    static GRANTS: Statement = const { Statement::new(
        include_str!("../../../sql/monitoring/health/grants.sql"), &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID]) };
}

/// Asked with the rights of the function's owner, set up or not. Catalogs only.
pub fn faults(session: &Session, sight: &Sight) -> Vec<Fault> {
    let owner = owner::name_of_table_owner();
    let shown = objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Table | Kind::View));
    let shown: Vec<&str> = shown.map(|object| object.name.as_str()).collect();
    let found = sight.ask(session, "who may do what", |session| {
        let values = vec![Value::OptionalText(owner.as_deref()), Value::TextArray(shown)];
        Ok(session.query(&GRANTS, values)?.map(Fault::from_row))
    });
    found.unwrap_or_default()
}
