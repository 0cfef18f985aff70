//! What is missing or does not work of what `setup()` makes. How what is there is defined: [`super::definitions`].

use super::objects::{Kind, Object};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

statements! {
    query find_parts() -> Part = file "setup/parts.sql";
    execute find_parts_by_now() -> Part = file "setup/parts.sql";
}

result_row! {
    /// What is there of what `setup()` makes.
    #[derive(Clone, Debug)]
    pub struct Part {
        pub kind: String,
        pub name: String,
        pub table: String,
        /// ok, invalid, disabled; of a table also partitioned.
        pub state: String,
    }
}

/// Everything of these kinds in the schema. Only reads.
///
/// # Errors
/// Those of the database.
pub fn parts(session: &Session) -> Result<Vec<Part>> {
    find_parts(session)?.all()
}

/// The same, what this call of `setup()` has made included.
///
/// # Errors
/// Those of the database.
pub fn parts_by_now(session: &Session) -> Result<Vec<Part>> {
    find_parts_by_now(session)?.all()
}

/// What is not as it should be.
#[derive(Debug, Default)]
pub struct Differences<'a> {
    /// Without what belonged to a table that is gone: that goes without saying.
    pub missing: Vec<&'a Object>,
    /// An index or key that is not valid, a trigger that is disabled.
    pub broken: Vec<&'a Object>,
    partitioned: BTreeSet<&'a str>,
}

impl<'a> Differences<'a> {
    /// What differs. Pure.
    pub fn of(wanted: impl IntoIterator<Item = &'a Object>, parts: &[Part]) -> Self {
        let here: BTreeMap<(&str, &str), &Part> = parts
            .iter()
            .map(|part| ((part.kind.as_str(), part.name.as_str()), part))
            .collect();
        let find = |kind: &str, name: &str| here.get(&(kind, name)).copied();
        let mut found = Self::default();
        for object in wanted {
            let index = || find("index", &object.name);
            let part = match object.kind {
                Kind::Table => find("table", &object.name),
                Kind::View => find("view", &object.name),
                Kind::Index => index(),
                // ORD's index may stand for a unique key of the same name; a key is as valid as its index.
                Kind::Constraint => index()
                    .filter(|part| part.state == "invalid")
                    .or_else(|| find("constraint", &object.name))
                    .or_else(index),
                Kind::Trigger => find("trigger", &object.name).filter(|part| part.table == object.table),
            };
            match part.map(|part| part.state.as_str()) {
                None => found.missing.push(object),
                Some("invalid" | "disabled") => found.broken.push(object),
                Some("partitioned") => {
                    found.partitioned.insert(&object.name);
                }
                Some(_) => {}
            }
        }
        let tables = found.missing.iter().filter(|one| one.kind == Kind::Table);
        let gone: BTreeSet<&str> = tables.map(|one| one.table.as_str()).collect();
        let stands = |one: &&Object| {
            matches!(one.kind, Kind::Table | Kind::View) || !gone.contains(one.table.as_str())
        };
        found.missing.retain(stands);
        found
    }

    /// Whether the table of an object is partitioned.
    pub fn is_partitioned(&self, object: &Object) -> bool {
        self.partitioned.contains(object.table.as_str())
    }

    /// Whether this object is among what differs.
    pub fn has(&self, object: &Object) -> bool {
        let is_same = |other: &&Object| (other.kind, &other.name) == (object.kind, &object.name);
        self.missing.iter().chain(&self.broken).any(is_same)
    }
}
