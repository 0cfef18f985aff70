//! Who may do with what is ours what nobody but its owner should: through the schema, or because everybody may.

use crate::db::{Session, owner, statements};
use crate::monitoring::{Fault, FaultRow, Sight};
use crate::setup::objects::{Kind, objects};

statements! {
    query find_grants(owner: Option<&str>, shown: Vec<&str>) -> FaultRow = file "health/grants.sql";
}

/// Asked with the rights of the function's owner, set up or not. Catalogs only.
pub fn faults(session: &Session, sight: &Sight) -> Vec<Fault> {
    let owner = owner::name_of_table_owner();
    let shown = objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Table | Kind::View));
    let shown: Vec<&str> = shown.map(|object| object.name.as_str()).collect();
    let found = sight.ask(session, "who may do what", |session| {
        find_grants(session, owner.as_deref(), shown)?.map(Fault::from_row)
    });
    found.unwrap_or_default()
}
