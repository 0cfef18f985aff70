//! The views, one a file in `sql/views/`. They hold nothing, so `setup()` makes them of its own scripts whenever one of them
//! is missing or another; no migration does. While all stand as they were made, nothing is touched: replacing a view waits
//! for everybody who reads it, a dump included.
//!
//! What an owner has granted and set on a view stays, also where it has to be dropped because its columns are others now.
//! What an owner has built on such a view is never dropped: `setup()` names it and stops.

use super::definitions::{self, Definition, Definitions, Key};
use super::view_scripts::{VIEWS, View};
use crate::db::settings::Temporarily;
use crate::db::{self, Session, attempt, result_row, statements};
use crate::error::{Error, Result};
use pgrx::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

statements! {
    execute find_printed(names: Vec<&str>) -> PrintedRow = file "setup/views_printed.sql";
    execute find_kept(names: Vec<&str>) -> String = file "setup/views_kept.sql";
    execute find_hanging(view: &str, names: Vec<&str>) -> HangingRow = file "setup/views_hanging.sql";
}

result_row! {
    struct PrintedRow {
        name: String,
        definition: String,
    }
}

result_row! {
    struct HangingRow {
        /// `None`: the view itself, with those of ours that hang on it.
        name: Option<String>,
        removal: Option<String>,
    }
}

/// What an owner has granted and set on the views, as statements. To be asked before a migration may drop one of them.
pub struct OwnersSettings(Vec<String>);

pub fn find_owners_settings(session: &Session) -> Result<OwnersSettings> {
    Ok(OwnersSettings(find_kept(session, names())?.all()?))
}

/// A view that did not stand as it should.
pub struct Altered {
    name: &'static str,
    is_missing: bool,
}

impl Altered {
    /// What was done about it, for people.
    pub fn line(&self) -> String {
        let was = if self.is_missing { "missing" } else { "another" };
        format!("view raw_ops.{} was {was}: made anew", self.name)
    }
}

/// Makes all views, unless all stand as `setup()` has made them of these scripts; returns those that did not.
///
/// # Errors
/// [`Error::CannotSetUp`] where something of an owner's is in the way: built on a view whose columns are others now, or in
/// the place of a view.
pub fn make_views(session: &Session, before: &OwnersSettings) -> Result<Vec<Altered>> {
    let altered = altered(&definitions::recorded_by_now(session)?, &printed(session)?);
    if altered.is_empty() {
        return Ok(altered);
    }
    for view in VIEWS {
        make_one(session, view)?;
    }
    let OwnersSettings(now) = find_owners_settings(session)?;
    for statement in before.0.iter().filter(|statement| !now.contains(statement)) {
        match attempt(|| db::run_script(session, statement)) {
            // Granted on a column that is no more.
            Err(Error::Database {
                code: PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                ..
            }) => {}
            outcome => outcome?,
        }
    }
    Ok(altered)
}

/// Records how the views stand when [`make_views`] has made them.
pub fn record_views(session: &Session) -> Result<()> {
    let printed = printed(session)?;
    let of = |view: &View| {
        let text = printed.get(view.name).cloned().unwrap_or_default();
        [(SCRIPT, fingerprint(view)), (PRINT, text)].map(|(name, text)| (key(view, name), definition(text)))
    };
    let made: Definitions = VIEWS.iter().flat_map(of).collect();
    definitions::write(session, &made.iter().collect::<Vec<_>>())
}

/// The views that another version's `setup()` has made, of other scripts than ours.
pub fn find_outdated_views(recorded: &Definitions) -> Vec<&'static str> {
    let is_another =
        |view: &&View| text_of(recorded, view, SCRIPT).is_some_and(|script| script != fingerprint(view));
    VIEWS.iter().filter(is_another).map(|view| view.name).collect()
}

/// Names in `schema_objects` of what is recorded of a view.
const SCRIPT: &str = "script";
const PRINT: &str = "print";

fn key(view: &View, name: &str) -> Key {
    ("view".to_owned(), view.name.to_owned(), name.to_owned())
}

fn definition(text: String) -> Definition {
    Definition {
        text,
        position: None,
        is_of_another_version: false,
    }
}

fn text_of<'a>(recorded: &'a Definitions, view: &View, name: &str) -> Option<&'a str> {
    recorded
        .get(&key(view, name))
        .map(|definition| definition.text.as_str())
}

fn altered(recorded: &Definitions, printed: &BTreeMap<String, String>) -> Vec<Altered> {
    let of = |view: &View| {
        let stands = printed.get(view.name).map(String::as_str);
        let is_as_made = stands.is_some()
            && text_of(recorded, view, PRINT) == stands
            && text_of(recorded, view, SCRIPT) == Some(fingerprint(view).as_str());
        (!is_as_made).then_some(Altered {
            name: view.name,
            is_missing: stands.is_none(),
        })
    };
    VIEWS.iter().filter_map(of).collect()
}

fn fingerprint(view: &View) -> String {
    let digest = Sha256::digest(view.sql);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names() -> Vec<&'static str> {
    VIEWS.iter().map(|view| view.name).collect()
}

fn printed(session: &Session) -> Result<BTreeMap<String, String>> {
    let printing = Temporarily::set(definitions::PRINTING);
    let found = find_printed(session, names())?;
    drop(printing);
    let rows = found.map(|row| (row.name, row.definition))?;
    Ok(rows.into_iter().collect())
}

fn make_one(session: &Session, view: &View) -> Result<()> {
    let make = || db::run_script(session, view.sql);
    match attempt(make) {
        // A view can be replaced by one with the same columns, and more behind them; by no other.
        Err(Error::Database {
            code: PgSqlErrorCode::ERRCODE_INVALID_TABLE_DEFINITION,
            ..
        }) => {
            drop_one(session, view)?;
            make()
        }
        Err(Error::Database {
            code: PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            ..
        }) => Err(Error::CannotSetUp {
            problem: format!(
                "raw_ops.{0} is no view; setup() makes a view of that name",
                view.name
            ),
            next: format!(
                "Give it another name: ALTER TABLE raw_ops.{0} RENAME TO my_{0}; SELECT raw_ops.setup();",
                view.name
            ),
        }),
        outcome => outcome,
    }
}

/// Drops a view and those of ours that read it; they are made after it.
fn drop_one(session: &Session, view: &View) -> Result<()> {
    let (mut others, mut ours) = (Vec::new(), None);
    for row in find_hanging(session, view.name, names())?.all()? {
        match row.name {
            Some(name) => others.push((name, row.removal)),
            None => ours = row.removal,
        }
    }
    if !others.is_empty() {
        return Err(in_the_way(view, &others));
    }
    match ours {
        Some(statement) => db::run_script(session, &statement),
        None => Ok(()),
    }
}

fn in_the_way(view: &View, others: &[(String, Option<String>)]) -> Error {
    let named: Vec<&str> = others.iter().map(|(name, _)| name.as_str()).collect();
    let drops: Vec<&str> = others.iter().filter_map(|(_, drop)| drop.as_deref()).collect();
    Error::CannotSetUp {
        problem: format!(
            "the view raw_ops.{} has other columns in this version, and something of yours is built on it: {}",
            view.name,
            named.join(", ")
        ),
        next: format!(
            "Keep its definition (\\sv or \\sf in psql, pg_dump for others), run: {} SELECT raw_ops.setup(); then make it anew.",
            drops.join(" ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_stands_after_those_it_reads_in_a_file_of_its_own() {
        for (index, view) in VIEWS.iter().enumerate() {
            assert!(view.sql.starts_with("-- "), "{}: what does it answer?", view.name);
            let name = view.name;
            for part in [
                format!("\ncreate or replace view raw_ops.{name} as\n"),
                format!("\ncomment on view raw_ops.{name} is\n"),
                format!("\nrevoke all on raw_ops.{name} from public;\n"),
            ] {
                assert!(view.sql.contains(&part), "{name} lacks {part}");
            }
            for later in &VIEWS[index + 1..] {
                let reads = view
                    .sql
                    .match_indices(&format!("raw_ops.{}", later.name))
                    .any(|(at, found)| {
                        let next = view.sql[at + found.len()..].chars().next();
                        !next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_')
                    });
                assert!(!reads, "{name} reads {}", later.name);
            }
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/views");
        let files = std::fs::read_dir(folder).unwrap().filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".sql")
        });
        assert_eq!(files.count(), VIEWS.len(), "a file that is not in the list");
    }

    #[test]
    fn views_are_made_anew_when_one_is_missing_or_another() {
        let mut recorded = Definitions::new();
        let mut printed = BTreeMap::new();
        for view in VIEWS {
            for (name, text) in [(SCRIPT, fingerprint(view)), (PRINT, "SELECT 1".to_owned())] {
                recorded.insert(key(view, name), definition(text));
            }
            printed.insert(view.name.to_owned(), "SELECT 1".to_owned());
        }
        let told = |recorded: &Definitions, printed: &BTreeMap<String, String>| {
            let altered = altered(recorded, printed);
            altered.iter().map(Altered::line).collect::<Vec<_>>()
        };
        assert_eq!(told(&recorded, &printed), [] as [&str; 0]);
        assert_eq!(find_outdated_views(&recorded), Vec::<&str>::new());
        assert_eq!(
            told(&Definitions::new(), &printed).len(),
            VIEWS.len(),
            "nothing recorded"
        );
        assert_eq!(find_outdated_views(&Definitions::new()), Vec::<&str>::new());
        let mut replaced = printed.clone();
        replaced.insert("webhook_health".to_owned(), "SELECT 2".to_owned());
        assert_eq!(
            told(&recorded, &replaced),
            ["view raw_ops.webhook_health was another: made anew"]
        );
        replaced.remove("webhook_health");
        assert_eq!(
            told(&recorded, &replaced),
            ["view raw_ops.webhook_health was missing: made anew"]
        );
        let health = VIEWS.iter().find(|view| view.name == "webhook_health").unwrap();
        recorded.insert(key(health, SCRIPT), definition("another".to_owned()));
        assert_eq!(told(&recorded, &printed).len(), 1, "of another version");
        assert_eq!(find_outdated_views(&recorded), ["webhook_health"]);
    }
}
