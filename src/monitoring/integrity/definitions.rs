//! What is defined otherwise than `setup()` has defined it: the same name over another index, trigger, key or check; columns
//! dropped, renamed or changed. What is missing or switched off as a whole is [`super::structure`]'s, but for columns and
//! checks. What an owner has added is no fault.

use super::structure::made_again;
use crate::alerts::Severity::{self, Critical, Info, Warning};
use crate::db::{self, Session, schema};
use crate::error::Result;
use crate::monitoring::Fault;
use crate::setup::definitions::{self, Definition, Definitions, Key};
use crate::setup::objects::{Kind, Object, objects};
use crate::setup::views;
use std::collections::BTreeSet;

/// Every fault of definition.
pub fn faults(session: &Session) -> Result<Vec<Fault>> {
    // Missing, it is told among the tables.
    if schema::oid_of(c"schema_objects").is_none() {
        return Ok(Vec::new());
    }
    let recorded = definitions::recorded(session)?;
    if recorded.is_empty() {
        let problem = "how setup() defined its tables is not recorded (raw_ops.schema_objects is empty): nothing is compared";
        let fault = Fault::warning("definitions", problem);
        return Ok(vec![
            fault.next("SELECT raw_ops.setup(); -- takes what stands now as right"),
        ]);
    }
    let standing = definitions::standing(session)?;
    let mut faults = compare(&recorded, &standing, objects());
    faults.extend(outdated_views(&views::find_outdated_views(&recorded)));
    Ok(faults)
}

/// After an upgrade, until `setup()` has run: a view may lack a column, or count otherwise.
fn outdated_views(names: &[&str]) -> Option<Fault> {
    (!names.is_empty()).then(|| {
        let problem = format!("views are another version's: {}", names.join(", "));
        Fault::warning("views", problem).next("SELECT raw_ops.setup();")
    })
}

/// One thing that differs.
struct Difference {
    /// As in [`Fault::what`].
    what: &'static str,
    severity: Severity,
    told: String,
    next: Vec<String>,
}

/// What differs, gathered by what it is and how grave. Pure.
fn compare(recorded: &Definitions, standing: &Definitions, objects: &[Object]) -> Vec<Fault> {
    let world = World {
        recorded,
        standing,
        objects,
    };
    let mut differences = Vec::new();
    // Columns first: what hangs on them is made again after them.
    let mut reshaped = BTreeSet::new();
    for ((kind, table, name), wanted) in recorded {
        if kind == "column" && world.has_table(table) {
            differences.extend(world.column(table, name, wanted, &mut reshaped));
        }
    }
    let mut printed_elsewhere = Vec::new();
    for (key, wanted) in recorded {
        // A column renamed or of another type changes how everything on its table is printed.
        if !world.has_table(&key.1) || reshaped.contains(&key.1) {
            continue;
        }
        let Some(difference) = world.on_a_table(key, wanted) else {
            continue;
        };
        match wanted.is_of_another_version && standing.contains_key(key) {
            true => printed_elsewhere.push(key.2.as_str()),
            false => differences.push(difference),
        }
    }
    let mut faults = gathered(differences);
    faults.extend(another_version(&printed_elsewhere));
    faults
}

fn gathered(differences: Vec<Difference>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for difference in differences {
        let same =
            |fault: &&mut Fault| fault.what == difference.what && fault.severity == difference.severity;
        let fault = match faults.iter_mut().find(same) {
            Some(fault) => {
                fault.problem = format!("{}; {}", fault.problem, difference.told);
                fault
            }
            None => {
                let problem = format!("not as setup() made it: {}", difference.told);
                faults.push(Fault::new(difference.what, difference.severity, problem));
                let last = faults.len() - 1;
                &mut faults[last]
            }
        };
        for statement in difference.next {
            // setup() once, after the last that it is to make again.
            fault.next.retain(|known| *known != statement);
            fault.next.push(statement);
        }
    }
    faults
}

fn another_version(names: &[&str]) -> Option<Fault> {
    (!names.is_empty()).then(|| {
        let problem = format!(
            "recorded under another major version of PostgreSQL, and printed otherwise by this one: {}",
            names.join(", ")
        );
        Fault::new("definitions", Info, problem)
            .next("SELECT kind, table_name, name, definition FROM raw_ops.schema_objects ORDER BY 1, 2, 3;")
            .next("-- As it should be? This records it anew: DELETE FROM raw_ops.schema_objects; SELECT raw_ops.setup();")
    })
}

/// Brackets and blanks apart, in which the server's prints of one expression differ before and after a restore.
fn is_same(one: &str, other: &str) -> bool {
    let essence = |text: &str| -> String {
        let kept = text
            .chars()
            .filter(|one| !matches!(one, '(' | ')') && !one.is_whitespace());
        kept.collect()
    };
    one == other || essence(one) == essence(other)
}

struct World<'a> {
    recorded: &'a Definitions,
    standing: &'a Definitions,
    objects: &'a [Object],
}

impl World<'_> {
    fn wanted(&self, kind: &str, table: &str, name: &str) -> Option<&str> {
        let key = (kind.to_owned(), table.to_owned(), name.to_owned());
        self.recorded.get(&key).map(|one| one.text.as_str())
    }

    fn stands(&self, kind: &str, table: &str, name: &str) -> Option<&str> {
        let key = (kind.to_owned(), table.to_owned(), name.to_owned());
        self.standing.get(&key).map(|one| one.text.as_str())
    }

    fn has_table(&self, table: &str) -> bool {
        let first = ("column".to_owned(), table.to_owned(), String::new());
        let next = self.standing.range(first..).next();
        next.is_some_and(|((kind, of, _), _)| kind == "column" && of == table)
    }

    /// What is wrong with a column; notes its table when it is another column now.
    fn column(
        &self,
        table: &str,
        name: &str,
        wanted: &Definition,
        reshaped: &mut BTreeSet<String>,
    ) -> Vec<Difference> {
        let of = |severity, how: &str, next: String| Difference {
            what: "columns",
            severity,
            told: format!("{how} {table}.{name}"),
            next: vec![next],
        };
        let alter = |how: &str| format!("ALTER TABLE raw_ops.{table} ALTER COLUMN {name} {how};");
        let Some(found) = self.stands("column", table, name) else {
            if let Some(now) = self.renamed(table, wanted) {
                reshaped.insert(table.to_owned());
                let now = db::quoted(now);
                let next = format!("ALTER TABLE raw_ops.{table} RENAME COLUMN {now} TO {name};");
                return vec![of(Critical, &format!("renamed to {now}:"), next)];
            }
            let next = format!(
                "ALTER TABLE raw_ops.{table} ADD COLUMN {name} {}; -- its values are in the last dump",
                self.definition(table, name, &wanted.text)
            );
            return vec![of(Critical, "dropped:", next)];
        };
        let mut differences = Vec::new();
        if found != wanted.text {
            reshaped.insert(table.to_owned());
            let next = alter(&format!("TYPE {0} USING {name}::{0}", wanted.text));
            differences.push(of(Critical, &format!("of type {found}:"), next));
        }
        let is_required = self.wanted("required", table, name).is_some();
        match (is_required, self.stands("required", table, name).is_some()) {
            (true, false) => {
                let next = format!(
                    "{} -- first fill the rows where it is null",
                    alter("SET NOT NULL")
                );
                differences.push(of(Warning, "no longer NOT NULL:", next));
            }
            (false, true) => differences.push(of(Critical, "now NOT NULL:", alter("DROP NOT NULL"))),
            _ => {}
        }
        if let Some(default) = self.wanted("default", table, name) {
            let next = alter(&format!("SET DEFAULT {default}"));
            match self.stands("default", table, name) {
                None if is_required => differences.push(of(Critical, "without its default:", next)),
                None => differences.push(of(Warning, "without its default:", next)),
                Some(found) if !is_same(found, default) => {
                    differences.push(of(Warning, "with another default:", next));
                }
                Some(_) => {}
            }
        }
        differences
    }

    /// The column that stands where this one stood, if nobody knows it.
    fn renamed(&self, table: &str, wanted: &Definition) -> Option<&str> {
        let found = self.standing.iter().find(|((kind, of, name), one)| {
            kind == "column"
                && of == table
                && one.position == wanted.position
                && one.text == wanted.text
                && self.wanted("column", table, name).is_none()
        });
        found.map(|((_, _, name), _)| name.as_str())
    }

    fn definition(&self, table: &str, name: &str, kind: &str) -> String {
        let mut text = kind.to_owned();
        if let Some(expression) = self.wanted("generated", table, name) {
            text = format!("{text} GENERATED ALWAYS AS ({expression}) STORED");
        }
        if let Some(default) = self.wanted("default", table, name) {
            text = format!("{text} DEFAULT {default}");
        }
        match self.wanted("required", table, name) {
            Some(_) => format!("{text} NOT NULL"),
            None => text,
        }
    }

    /// What is wrong with something that has a name of its own, or is computed.
    fn on_a_table(&self, (kind, table, name): &Key, wanted: &Definition) -> Option<Difference> {
        let found = self.stands(kind, table, name);
        if found.is_some_and(|found| is_same(found, &wanted.text)) {
            return None;
        }
        let difference = |what, severity, told: String, next| Difference {
            what,
            severity,
            told,
            next,
        };
        let add = format!("ADD CONSTRAINT {name} {};", wanted.text);
        match (kind.as_str(), found) {
            ("generated", _) => {
                self.stands("column", table, name)?;
                let next = format!(
                    "ALTER TABLE raw_ops.{table} DROP COLUMN {name}, ADD COLUMN {name} {};",
                    self.definition(table, name, self.wanted("column", table, name)?)
                );
                let told = format!("computed otherwise or not at all: {table}.{name}");
                Some(difference("columns", Critical, told, vec![next]))
            }
            ("check", None) => {
                let told = format!("the check {name} of {table} is gone");
                let next = vec![format!("ALTER TABLE raw_ops.{table} {add}")];
                Some(difference("constraints", Warning, told, next))
            }
            ("check" | "constraint", Some(found)) => {
                let what = if kind == "check" { "constraints" } else { "indexes" };
                let told = format!("{name} of {table} is {found} now");
                let next = vec![format!(
                    "ALTER TABLE raw_ops.{table} DROP CONSTRAINT {name}, {add}"
                )];
                Some(difference(what, Critical, told, next))
            }
            ("trigger", Some(_)) => {
                let told = format!("the trigger {name} on {table} is another under its name");
                let next = vec![
                    format!("DROP TRIGGER {name} ON raw_ops.{table};"),
                    "SELECT raw_ops.setup();".to_owned(),
                ];
                Some(difference("triggers", Critical, told, next))
            }
            ("index" | "constraint", found) => self.index(kind, table, name, wanted, found),
            // A trigger that is gone is told elsewhere, so is what a column lacks.
            _ => None,
        }
    }

    /// An index that is another one; or a key for which an index stands, an index for which a key does.
    fn index(
        &self,
        kind: &str,
        table: &str,
        name: &str,
        wanted: &Definition,
        found: Option<&str>,
    ) -> Option<Difference> {
        let mut named = self
            .standing
            .iter()
            .filter(|((kind, _, other), _)| matches!(kind.as_str(), "index" | "constraint") && other == name);
        // Gone: told elsewhere.
        let ((found_kind, found_table, _), found) = match found {
            Some(_) => self
                .standing
                .get_key_value(&(kind.to_owned(), table.to_owned(), name.to_owned()))?,
            None => named.next()?,
        };
        let serves = found_kind != kind && found_table == table && {
            let key = if kind == "constraint" {
                &wanted.text
            } else {
                &found.text
            };
            let index = if kind == "constraint" {
                &found.text
            } else {
                &wanted.text
            };
            key.split_once('(').is_some_and(|(word, columns)| {
                matches!(word.trim(), "UNIQUE" | "PRIMARY KEY")
                    && is_same(
                        index,
                        &format!("CREATE UNIQUE INDEX {name} ON raw_ops.{table} USING btree ({columns}"),
                    )
            })
        };
        if serves {
            return None;
        }
        let is_key = |text: &str| !text.starts_with("CREATE INDEX") && !text.starts_with("FOREIGN KEY");
        let severity = if is_key(&wanted.text) || is_key(&found.text) {
            Critical
        } else {
            Warning
        };
        let is_partitioned = found.text.contains(" ON ONLY ");
        let drop = match found_kind.as_str() {
            "constraint" => format!("ALTER TABLE raw_ops.{found_table} DROP CONSTRAINT {name};"),
            _ if is_partitioned => format!("drop index raw_ops.{name};"),
            _ => format!("drop index concurrently raw_ops.{name};"),
        };
        let object = self
            .objects
            .iter()
            .find(|object| matches!(object.kind, Kind::Index | Kind::Constraint) && object.name == name);
        let make = object.map_or_else(
            || format!("{};", wanted.text),
            |object| made_again(object, wanted.text.contains(" ON ONLY ")),
        );
        Some(Difference {
            what: "indexes",
            severity,
            told: format!("{name} is now: {}", found.text),
            next: vec![drop, make],
        })
    }
}
