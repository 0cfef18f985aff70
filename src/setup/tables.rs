//! Tables that a migration has made and that are gone. Few are made anew: settings that have defaults, and the history of
//! the monitors; it is told what was lost with them. What held the shop's data is not: what was in it would seem never to
//! have been.

use super::MIGRATIONS;
use super::objects::{self, Kind, Object, objects};
use crate::db::{self, Session, result_row, statements};
use crate::error::{Error, Result};

/// A table that may be made anew.
struct Remade {
    table: &'static str,
    /// Whether it gets the rows it began with.
    with_defaults: bool,
    /// What this means, for people.
    told: &'static str,
}

const REMADE: &[Remade] = &[
    Remade {
        table: "retry_schedule",
        with_defaults: true,
        told: "made anew with its defaults; what had been changed in it is lost",
    },
    Remade {
        table: "monitors",
        with_defaults: true,
        told: "made anew with its defaults; what had been changed in it is lost",
    },
    Remade {
        table: "monitor_thresholds",
        with_defaults: true,
        told: "made anew with its defaults; what had been changed in it is lost",
    },
    Remade {
        table: "monitoring_runs",
        with_defaults: false,
        told: "made anew, empty; what earlier runs of the monitors found is lost",
    },
    Remade {
        table: "pg_net_epoch",
        with_defaults: false,
        told: "made anew, empty, as after a crash: what pg_net had in hand is tried again",
    },
    // Its defaults could be shorter than what had been set, and the next night would delete by them.
    Remade {
        table: "log_retention",
        with_defaults: false,
        told: "made anew, empty: logs are kept until there is a row for them; what had been set in it is lost",
    },
];

statements! {
    query find_missing(tables: Vec<&str>, columns: Vec<&str>) -> Lost = file "setup/missing.sql";
    execute find_missing_by_now(tables: Vec<&str>, columns: Vec<&str>) -> Lost = file "setup/missing.sql";
    execute find_emptied() -> String = file "setup/emptied.sql";
}

result_row! {
    /// A table that is not where it belongs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Lost {
        pub name: String,
        /// The statement that brings it back, where it stands elsewhere.
        pub back: Option<String>,
    }
}

/// Whether `setup()` makes this table anew; how things are defined it records again as they stand.
pub fn is_remade(table: &str) -> bool {
    table == "schema_objects" || REMADE.iter().any(|one| one.table == table)
}

/// Tables of `setup()` that are gone, and where they stand. Only reads.
///
/// # Errors
/// Those of the database.
pub fn lost(session: &Session) -> Result<Vec<Lost>> {
    let all = objects().iter().filter(|object| object.kind == Kind::Table);
    let (names, columns) = names_and_columns(all);
    find_missing(session, names, columns.iter().map(String::as_str).collect())?.all()
}

/// Makes anew what may be, of the migrations up to a version; returns what it did, line by line.
///
/// # Errors
/// [`Error::CannotSetUp`] where another table is gone, or one stands elsewhere.
pub(super) fn make_anew(session: &Session, version: i32) -> Result<Vec<String>> {
    let (names, columns) = names_and_columns(tables_of(version));
    let columns = columns.iter().map(String::as_str).collect();
    // Not as the calling query saw it: another setup may have ended while this one waited.
    let lost = find_missing_by_now(session, names, columns)?.all()?;
    let is_anew = |one: &Lost| one.back.is_none() && is_remade(&one.name);
    let refused: Vec<&Lost> = lost.iter().filter(|one| !is_anew(one)).collect();
    if !refused.is_empty() {
        return Err(cannot_make(&refused));
    }
    let mut done = Vec::new();
    // In the order of REMADE: thresholds need their monitors.
    for one in REMADE
        .iter()
        .filter(|one| lost.iter().any(|lost| lost.name == one.table))
    {
        db::run_script(session, &script_of(one.table, one.with_defaults))?;
        done.push(format!("table raw_ops.{} was missing: {}", one.table, one.told));
    }
    Ok(done)
}

/// Fills tables of settings that somebody has emptied and nothing works without; returns what it did.
///
/// # Errors
/// Those of the database.
pub(super) fn fill_emptied(session: &Session) -> Result<Vec<String>> {
    let emptied = find_emptied(session)?.all()?;
    let fill = |table: &String| {
        for statement in statements_about(table).filter(|text| text.starts_with("insert ")) {
            db::run_script(session, statement)?;
        }
        Ok(format!(
            "table raw_ops.{table} was empty: filled with its defaults"
        ))
    };
    emptied.iter().map(fill).collect()
}

fn cannot_make(lost: &[&Lost]) -> Error {
    let names: Vec<&str> = lost.iter().map(|one| one.name.as_str()).collect();
    let back: Vec<&str> = lost.iter().filter_map(|one| one.back.as_deref()).collect();
    let dropped = lost.iter().filter(|one| one.back.is_none());
    let dropped: Vec<&str> = dropped.map(|one| one.name.as_str()).collect();
    let mut next = back;
    let restore = restore(&db::current_database(), &dropped);
    if !dropped.is_empty() {
        next.push("Restore from the last dump, data and all:");
        next.push(&restore);
    }
    Error::CannotSetUp {
        problem: format!(
            "tables that setup() has made before are missing: {}",
            names.join(", ")
        ),
        next: format!("{} Then run again: SELECT raw_ops.setup();", next.join(" ")),
    }
}

/// How to get tables of a database back from a dump. Pure.
pub fn restore(database: &str, tables: &[&str]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| format!("-t {table}")).collect();
    format!("pg_restore -d {database} -n raw_ops {} <file>", tables.join(" "))
}

/// The tables of the migrations up to a version.
pub(super) fn tables_of(version: i32) -> impl Iterator<Item = &'static Object> {
    let is_table = |object: &&Object| object.kind == Kind::Table;
    let tables = objects().iter().filter(is_table);
    tables.filter(move |object| (1..=version).contains(&object.version))
}

fn names_and_columns(tables: impl Iterator<Item = &'static Object>) -> (Vec<&'static str>, Vec<String>) {
    tables
        .map(|table| (table.name.as_str(), objects::columns_of(table).join(",")))
        .unzip()
}

/// What the migrations say about a table, and who may not see it.
fn script_of(table: &str, with_defaults: bool) -> String {
    let wanted = statements_about(table).filter(|text| with_defaults || !text.starts_with("insert "));
    let mut script: Vec<String> = wanted.map(str::to_owned).collect();
    // One statement of the migration takes them from several tables at once.
    script.push(format!("revoke all on raw_ops.{table} from public"));
    script.join(";\n")
}

/// The statements of the migrations that are about a table: they name it, or an index on it, before anything else.
fn statements_about(table: &str) -> impl Iterator<Item = &'static str> {
    let indexes = objects().iter().filter(move |object| object.kind == Kind::Index);
    let indexes: Vec<&str> = indexes
        .filter(|object| object.table == table)
        .map(|object| object.name.as_str())
        .collect();
    let is_about = move |text: &&str| {
        let first = text.split("raw_ops.").nth(1).unwrap_or_default();
        let end = first.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let first = &first[..end.unwrap_or(first.len())];
        first == table || indexes.contains(&first)
    };
    let scripts = MIGRATIONS.iter().map(|migration| migration.sql);
    scripts.flat_map(objects::statements_of).filter(is_about.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_anew_with_everything_that_belongs_to_it() {
        let count = |script: &str, begins: &str| {
            let lines = script.lines().filter(|line| line.starts_with(begins));
            lines.count()
        };
        let script = script_of("monitoring_runs", true);
        assert_eq!(count(&script, "create table raw_ops.monitoring_runs"), 1);
        assert_eq!(count(&script, "create index"), 2);
        assert_eq!(count(&script, "insert "), 0);
        assert!(count(&script, "comment on ") >= 3, "{script}");
        assert_eq!(
            count(&script, "alter table raw_ops.monitoring_runs enable row level"),
            1
        );
        assert!(!script.contains("raw_ops.alerts"), "{script}");
        let script = script_of("retry_schedule", true);
        assert_eq!(
            count(&script, "insert into raw_ops.retry_schedule"),
            2,
            "webhooks, then requests"
        );
        assert_eq!(count(&script_of("retry_schedule", false), "insert "), 0);
        for one in REMADE {
            let has_rows = count(&script_of(one.table, true), "insert ") > 0;
            let begins_empty = matches!(one.table, "monitoring_runs" | "pg_net_epoch");
            assert_eq!(has_rows, !begins_empty, "{}", one.table);
            let script = script_of(one.table, true);
            let made = format!("table raw_ops.{} (", one.table);
            assert_eq!(script.matches(&made).count(), 1, "{}", one.table);
        }
    }

    #[test]
    fn no_table_that_holds_the_shops_data_is_made_anew() {
        for table in [
            "webhook_inbox",
            "orders",
            "customers",
            "http_requests",
            "secrets",
            "clone_guard",
            "courier_event_mapping",
            "alerts",
            "webhook_totals",
        ] {
            assert!(!is_remade(table), "{table}");
        }
        for one in REMADE {
            assert!(
                tables_of(i32::MAX).any(|table| table.name == one.table),
                "{}",
                one.table
            );
        }
    }
}
