//! `setup()`: creates, and after an upgrade migrates, everything that holds or shows data, as ordinary objects of
//! whoever calls it. So `pg_dump` keeps every row and everything an owner added, and DROP EXTENSION destroys none.

pub mod definitions;
pub mod objects;
mod view_scripts;
pub mod views;

use crate::db::schema::LATEST_VERSION;
use crate::db::{self, Session, owner, schema, statements};
use crate::error::{Error, Result};
use crate::providers;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

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
    execute find_missing(tables: Vec<&str>) -> String = file "setup/missing.sql";
    execute find_outdated_check(providers: Vec<&str>) -> String = file "setup/providers.sql";
    execute find_encoding() -> String = text "select pg_catalog.current_setting('server_encoding')";
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn setup() -> Result<JsonB, ErrorReport> {
    let migrate = || db::session(run);
    // What stands here already is its owner's, and may run what its owner made: never with more rights than they have.
    Ok(match schema::owner_so_far() {
        Some(owner) => owner::as_member_of(owner, migrate),
        None => migrate(),
    }?)
}

fn run(session: &Session) -> Result<JsonB> {
    refuse_other_encodings(session)?;
    lock_setup(session)?;
    db::run_script(session, BOOKKEEPING)?;
    let found = find_version(session)?.first()?.unwrap_or(0);
    if found > LATEST_VERSION {
        return Err(Error::CannotSetUp {
            problem: format!(
                "the raw_ops schema is at version {found}, newer than this library's {LATEST_VERSION}"
            ),
            next: "Install the raw_ops package this database was set up with, or a later one.".into(),
        });
    }
    refuse_what_lost_tables(session, found)?;
    let before = definitions::standing_by_now(session)?;
    let kept = views::find_owners_settings(session)?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        db::run_script(session, migration.sql)?;
        record_migration(session, migration.version, migration.name)?;
        applied.push(migration.name);
    }
    db::run_script(session, ATTACH)?;
    let check = find_outdated_check(session, providers::NAMES.to_vec())?.first()?;
    if let Some(check) = check {
        db::run_script(session, &check)?;
    }
    let are_views_new = views::make_views(session, &kept)?;
    definitions::record_definitions(session, &before)?;
    if are_views_new {
        views::record_views(session)?;
    }
    Ok(JsonB(serde_json::json!({
        "schema_version": LATEST_VERSION,
        "previous_version": found,
        "applied": applied,
    })))
}

/// A table that a migration has made and that is gone is not made again: what was in it would seem never to have been.
fn refuse_what_lost_tables(session: &Session, found: i32) -> Result<()> {
    let made: Vec<&str> = tables_of(found).collect();
    // Not as the calling query saw it: another setup may have ended while this one waited.
    let missing = find_missing(session, made)?.all()?;
    if missing.is_empty() {
        return Ok(());
    }
    let tables: Vec<String> = missing.iter().map(|table| format!("-t {table}")).collect();
    Err(Error::CannotSetUp {
        problem: format!(
            "tables that setup() has made before are missing: {}",
            missing.join(", ")
        ),
        next: format!(
            "Renamed, or moved to another schema? ALTER TABLE it back. Dropped? Restore it from the last dump, data and all: \
             pg_restore -d {} -n raw_ops {} <file>. Then run setup() again; fn_health_v1() names what is still missing.",
            db::current_database(),
            tables.join(" ")
        ),
    })
}

/// The tables of the migrations up to a version.
fn tables_of(version: i32) -> impl Iterator<Item = &'static str> {
    let made_by = move |table: &str| {
        let begins = format!("table raw_ops.{table} ");
        let mut scripts = MIGRATIONS.iter().filter(|migration| migration.version <= version);
        scripts.any(|migration| migration.sql.contains(&begins))
    };
    let tables = objects::objects()
        .iter()
        .filter(|object| object.kind == objects::Kind::Table);
    tables
        .map(|object| object.name.as_str())
        .filter(move |table| made_by(table))
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
        let tables = objects::objects().iter().filter(|object| {
            object.kind == objects::Kind::Table && !bookkeeping.contains(&object.name.as_str())
        });
        let all: Vec<&str> = tables.map(|object| object.name.as_str()).collect();
        assert!(all.len() > 15, "{all:?}");
        assert_eq!(tables_of(LATEST_VERSION).collect::<Vec<_>>(), all);
        assert_eq!(tables_of(0).count(), 0);
        assert!(tables_of(1).any(|table| table == "webhook_inbox"));
        assert!(tables_of(1).all(|table| table != "orders"));
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
