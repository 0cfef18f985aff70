//! What `setup()` does: creates, and after an upgrade migrates, everything that holds or shows data, as ordinary objects of
//! whoever calls it. So `pg_dump` keeps every row and everything an owner added, and DROP EXTENSION destroys none. What was
//! dropped or switched off since it brings back as far as it may, and says so.

pub mod definitions;
pub mod differences;
pub mod functions;
mod mend;
pub mod objects;
pub mod tables;
mod view_scripts;
pub mod views;

use crate::db::schema::LATEST_VERSION;
use crate::db::{self, Session, schema, statements};
use crate::error::{Error, Result};
use crate::providers;
use differences::{Differences, parts_by_now};
use mend::Mended;
use objects::{Kind, Object, objects};

/// One numbered step: tables and what they begin with. Once released a step never changes; what comes later is a step of
/// its own. Views are made anew instead ([`views`]).
struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        [$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../sql/migrations/", $name, ".sql")),
        }),+]
    };
}

const MIGRATIONS: &[Migration] = &migrations![
    1 "0001_inbox",
    2 "0002_orders",
    3 "0003_ops_events",
    4 "0004_retry_schedule",
    5 "0005_outbox",
    6 "0006_monitoring",
    7 "0007_archive",
    8 "0008_courier",
];

const _: () = assert!(MIGRATIONS[MIGRATIONS.len() - 1].version == LATEST_VERSION);

/// What tells a finished restore from one under way: a dump puts keys and triggers after the rows.
pub const RESTORED_LAST: schema::RestoredLast = schema::RestoredLast {
    constraints: &["orders_customer_id_fkey", "order_items_order_id_fkey"],
    triggers: &["trigger_webhook_inbox_status", "trigger_webhook_inbox_wake"],
};

const BOOKKEEPING: &str = include_str!("../../sql/setup/bookkeeping.sql");
const ATTACH: &str = include_str!("../../sql/setup/attach.sql");

statements! {
    /// Two setups at once run one after the other. The key is arbitrary: "raw_ops" in ASCII.
    execute lock_setup() = text "select pg_catalog.pg_advisory_xact_lock(32197711979868275)";
    execute find_version() -> i32 = text "select coalesce(max(version), 0) from raw_ops.schema_migrations";
    execute record_migration(version: i32, name: &str) = text
        "insert into raw_ops.schema_migrations (version, name) values ($1, $2)";
    execute find_outdated_check(providers: Vec<&str>) -> String = file "setup/providers.sql";
    execute find_encoding() -> String = text "select pg_catalog.current_setting('server_encoding')";
}

/// What a call of `setup()` found and did.
pub struct Outcome {
    pub previous_version: i32,
    /// Migrations.
    pub applied: Vec<&'static str>,
    /// What was brought back, line by line.
    pub mended: Vec<String>,
    /// What could not be, and why.
    pub failed: Vec<String>,
}

/// Migrates, and brings back what is missing.
///
/// # Errors
/// [`Error::CannotSetUp`] where it must not go on.
pub fn run(session: &Session) -> Result<Outcome> {
    refuse_other_encodings(session)?;
    lock_setup(session)?;
    let had_definitions = schema::oid_of(c"schema_objects").is_some();
    db::run_script(session, BOOKKEEPING)?;
    let found = find_version(session)?.first()?.unwrap_or(0);
    refuse_what_it_does_not_know(found)?;
    let mut mended = Mended::default();
    if found > 0 && !had_definitions {
        let told = "table raw_ops.schema_objects was missing: made anew; what stands now is taken as right";
        mended.done.push(told.to_owned());
    }
    let parts = parts_by_now(session)?;
    let before = Differences::of(objects_of(found), &parts);
    mended.done.extend(tables::make_anew(session, found)?);
    let standing = definitions::standing_by_now(session)?;
    let kept = views::find_owners_settings(session)?;
    let applied = migrate(session, found)?;
    mend(session, &before, &mut mended, found)?;
    let altered = views::make_views(session, &kept)?;
    definitions::record_definitions(session, &standing)?;
    if !altered.is_empty() {
        views::record_views(session)?;
    }
    // At the first time, and after an upgrade, it is no repair that they are others.
    if found == LATEST_VERSION {
        let lines = altered.iter().map(views::Altered::line);
        mended.done.extend(lines);
    }
    if found > 0 {
        mended.defaults(&standing, &definitions::standing_by_now(session)?);
    }
    Ok(Outcome {
        previous_version: found,
        applied,
        mended: mended.done,
        failed: mended.failed,
    })
}

fn refuse_what_it_does_not_know(found: i32) -> Result<()> {
    if found == 0 && schema::oid_of(c"webhook_inbox").is_some() {
        return Err(Error::CannotSetUp {
            problem: "which migrations this database has is not known: raw_ops.schema_migrations is missing or empty".into(),
            next: format!(
                "Restore it from the last dump: {} Then run again: SELECT raw_ops.setup();",
                tables::restore(&db::current_database(), &["schema_migrations"])
            ),
        });
    }
    if found > LATEST_VERSION {
        return Err(Error::CannotSetUp {
            problem: format!(
                "the raw_ops schema is at version {found}, newer than this library's {LATEST_VERSION}"
            ),
            next: "Install the raw_ops package this database was set up with, or a later one.".into(),
        });
    }
    Ok(())
}

fn migrate(session: &Session, found: i32) -> Result<Vec<&'static str>> {
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        db::run_script(session, migration.sql)?;
        record_migration(session, migration.version, migration.name)?;
        applied.push(migration.name);
    }
    Ok(applied)
}

/// What hangs on the extension's functions, and what was dropped or switched off.
fn mend(session: &Session, before: &Differences<'_>, mended: &mut Mended, found: i32) -> Result<()> {
    db::run_script(session, ATTACH)?;
    mended.parts(session, before);
    let now = parts_by_now(session)?;
    mended.attached(before, &Differences::of(objects_of(found), &now));
    let check = find_outdated_check(session, providers::NAMES.to_vec())?.first()?;
    if let Some(check) = check {
        db::run_script(session, &check)?;
        if found > 0 {
            let told = "check webhook_inbox_provider_check of raw_ops.webhook_inbox did not name this version's providers: replaced";
            mended.done.push(told.to_owned());
        }
    }
    if found > 0 {
        mended.done.extend(tables::fill_emptied(session)?);
    }
    Ok(())
}

/// What a `setup()` of this version has made: not what only comes with a later one. Views are looked after by themselves.
fn objects_of(version: i32) -> impl Iterator<Item = &'static Object> {
    let known = move |table: &str| {
        let mut tables = objects().iter().filter(|one| one.kind == Kind::Table);
        tables.any(|one| one.name == table && one.version <= version)
    };
    objects().iter().filter(move |object| {
        version > 0 && object.kind != Kind::View && object.version <= version && known(&object.table)
    })
}

/// Payloads are UTF-8, and text is read in place.
fn refuse_other_encodings(session: &Session) -> Result<()> {
    let encoding = find_encoding(session)?.first()?.unwrap_or_default();
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Error::CannotSetUp {
        problem: format!("this database's encoding is {encoding}; webhooks are UTF-8"),
        next: "Create the database anew: CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0;".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_to_be_some_migrations() {
        let bookkeeping = ["schema_migrations", "schema_objects"];
        let tables_of = |version| tables::tables_of(version).map(|table| table.name.as_str());
        let tables = objects()
            .iter()
            .filter(|object| object.kind == Kind::Table && !bookkeeping.contains(&object.name.as_str()));
        let all: Vec<&str> = tables.map(|object| object.name.as_str()).collect();
        assert!(all.len() > 15, "{all:?}");
        assert_eq!(tables_of(LATEST_VERSION).collect::<Vec<_>>(), all);
        assert_eq!(tables_of(0).count(), 0);
        assert!(tables_of(1).any(|table| table == "webhook_inbox"));
        assert!(tables_of(1).all(|table| table != "orders"));
        assert_eq!(objects_of(0).count(), 0);
        assert!(objects_of(1).all(|object| object.table != "http_requests"));
        assert!(objects_of(1).any(|object| object.name == "trigger_webhook_inbox_wake"));
    }

    #[test]
    fn every_script_in_the_folder_is_a_migration() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations");
        let scripts = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut scripts: Vec<String> = scripts.map(|name| name.into_string().unwrap()).collect();
        scripts.sort();
        let migrations = MIGRATIONS
            .iter()
            .map(|migration| format!("{}.sql", migration.name));
        assert_eq!(scripts, migrations.collect::<Vec<_>>());
    }

    #[test]
    fn migrations_are_numbered_one_by_one_and_named_after_their_number() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, index as i32 + 1);
            assert!(
                migration.name.starts_with(&format!("{:04}_", migration.version)),
                "{}",
                migration.name
            );
        }
    }
}
