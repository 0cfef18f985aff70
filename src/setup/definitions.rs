//! How what `setup()` made is defined. It is recorded as the server prints it when it has just been made, so that the record
//! cannot disagree with the scripts; only what a call of `setup()` has itself made or changed is recorded, so that calling
//! it again never makes damage the rule.

use super::objects::{Kind, objects};
use crate::db::settings::Temporarily;
use crate::db::{Found, Session, result_row, statements};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;

/// What it is (`kind` of `raw_ops.schema_objects`), its table, its name.
pub type Key = (String, String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub text: String,
    /// A column's number.
    pub position: Option<i64>,
    /// Printed by a server of another major version than this.
    pub is_of_another_version: bool,
}

pub type Definitions = BTreeMap<Key, Definition>;

/// Under these the server prints an expression always alike.
pub(super) const PRINTING: &[(&CStr, &CStr)] = &[
    (c"timezone", c"UTC"),
    (c"datestyle", c"ISO, YMD"),
    (c"intervalstyle", c"postgres"),
    (c"bytea_output", c"hex"),
    (c"quote_all_identifiers", c"off"),
    (c"extra_float_digits", c"1"),
    (c"standard_conforming_strings", c"on"),
];

statements! {
    query find_standing() -> StandingRow = file "setup/definitions.sql";
    execute find_standing_by_now() -> StandingRow = file "setup/definitions.sql";
    query find_recorded() -> RecordedRow = file "setup/recorded.sql";
    execute find_recorded_by_now() -> RecordedRow = file "setup/recorded.sql";
    execute write_definitions(
        kinds: Vec<&str>,
        tables: Vec<&str>,
        names: Vec<&str>,
        definitions: Vec<&str>,
        positions: Vec<i64>,
    ) = file "setup/record.sql";
    execute forget_definitions(kinds: Vec<&str>, tables: Vec<&str>, names: Vec<&str>) = file "setup/forget.sql";
}

result_row! {
    struct StandingRow {
        kind: Option<String>,
        table_name: Option<String>,
        name: Option<String>,
        definition: Option<String>,
        position: Option<i64>,
    }
}

result_row! {
    struct RecordedRow {
        kind: Option<String>,
        table_name: Option<String>,
        name: Option<String>,
        definition: Option<String>,
        position: Option<i64>,
        is_of_another_version: Option<bool>,
    }
}

/// Everything in the schema as it is defined now, what an owner added included. Only reads.
pub fn standing(session: &Session) -> Result<Definitions> {
    printed(|| find_standing(session))
}

/// The same, what this call of `setup()` has made included.
pub fn standing_by_now(session: &Session) -> Result<Definitions> {
    printed(|| find_standing_by_now(session))
}

fn printed<'s>(ask: impl FnOnce() -> Result<Found<'s, StandingRow>>) -> Result<Definitions> {
    let printing = Temporarily::set(PRINTING);
    let rows = ask()?;
    drop(printing);
    let rows = rows.map(|row| {
        let texts = [row.kind, row.table_name, row.name, row.definition];
        (texts, row.position, false)
    })?;
    Ok(read(rows))
}

/// What `setup()` has recorded. The table of it must be there.
pub fn recorded(session: &Session) -> Result<Definitions> {
    Ok(read_recorded(find_recorded(session)?.all()?))
}

/// The same, what this call of `setup()` has recorded included.
pub fn recorded_by_now(session: &Session) -> Result<Definitions> {
    Ok(read_recorded(find_recorded_by_now(session)?.all()?))
}

fn read_recorded(rows: Vec<RecordedRow>) -> Definitions {
    let texts = |row: RecordedRow| {
        let is_of_another_version = row.is_of_another_version.unwrap_or(false);
        let texts = [row.kind, row.table_name, row.name, row.definition];
        (texts, row.position, is_of_another_version)
    };
    read(rows.into_iter().map(texts).collect())
}

fn read(rows: Vec<([Option<String>; 4], Option<i64>, bool)>) -> Definitions {
    rows.into_iter()
        .map(|(texts, position, is_of_another_version)| {
            let [kind, table, name, text] = texts.map(Option::unwrap_or_default);
            let definition = Definition {
                text,
                position,
                is_of_another_version,
            };
            ((kind, table, name), definition)
        })
        .collect()
}

/// Records what has changed since `before`, by this call of `setup()`. Where nothing is recorded (the owner has emptied the
/// table) what stands now is.
pub fn record_definitions(session: &Session, before: &Definitions) -> Result<()> {
    let now = standing_by_now(session)?;
    let nothing = Definitions::new();
    let is_empty = find_recorded_by_now(session)?.count() == 0;
    let before = if is_empty { &nothing } else { before };
    let made: Vec<(&Key, &Definition)> = now
        .iter()
        .filter(|(key, definition)| before.get(*key) != Some(*definition) && is_ours(key))
        .collect();
    let gone: Vec<&Key> = before.keys().filter(|key| !now.contains_key(*key)).collect();
    write(session, &made)?;
    if !gone.is_empty() {
        let (kinds, tables, names) = columns(&gone);
        forget_definitions(session, kinds, tables, names)?;
    }
    Ok(())
}

/// Writes down what has been made.
pub(super) fn write(session: &Session, made: &[(&Key, &Definition)]) -> Result<()> {
    if made.is_empty() {
        return Ok(());
    }
    let keys: Vec<&Key> = made.iter().map(|(key, _)| *key).collect();
    let texts = made.iter().map(|(_, definition)| definition.text.as_str());
    let positions = made
        .iter()
        .map(|(_, definition)| definition.position.unwrap_or(0));
    let (kinds, tables, names) = columns(&keys);
    write_definitions(
        session,
        kinds,
        tables,
        names,
        texts.collect(),
        positions.collect(),
    )?;
    Ok(())
}

/// Kinds, tables, names.
fn columns<'a>(keys: &[&'a Key]) -> (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>) {
    let column = |of: fn(&'a Key) -> &'a str| keys.iter().map(|key| of(key)).collect();
    (column(|key| &key.0), column(|key| &key.1), column(|key| &key.2))
}

/// Not what an owner has added beside our tables, or on them.
fn is_ours((kind, table, name): &Key) -> bool {
    static OURS: std::sync::LazyLock<BTreeSet<(&str, &str)>> = std::sync::LazyLock::new(|| {
        let named = |kind| match kind {
            Kind::Table => Some("table"),
            Kind::Index => Some("index"),
            Kind::Trigger => Some("trigger"),
            Kind::View | Kind::Constraint => None,
        };
        let ours = objects()
            .iter()
            .filter_map(|object| Some((named(object.kind)?, object.name.as_str())));
        ours.collect()
    });
    OURS.contains(&("table", table.as_str()))
        && (!matches!(kind.as_str(), "index" | "trigger") || OURS.contains(&(kind.as_str(), name.as_str())))
}
