//! `setup()`: creates, and after an upgrade migrates, everything that holds or shows data, as ordinary objects of
//! whoever calls it. So `pg_dump` keeps every row and everything an owner added, and DROP EXTENSION destroys none.

pub mod definitions;
pub mod objects;
pub mod views;

use crate::db::schema::LATEST_VERSION;
use crate::db::{self, Session, Statement, Value, owner, schema};
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

const BOOKKEEPING: &str = include_str!("../../sql/setup/bookkeeping.sql");
const ATTACH: &str = include_str!("../../sql/setup/attach.sql");
const MISSING: &str = include_str!("../../sql/setup/missing.sql");

thread_local! {
    /// Two setups at once run one after the other. The key is arbitrary: "raw_ops" in ASCII.
    static LOCK: Statement = const { Statement::new("select pg_catalog.pg_advisory_xact_lock(32197711979868275)", &[]) };
    static APPLIED: Statement = const { Statement::new(
        "select coalesce(max(version), 0) from raw_ops.schema_migrations", &[]) };
    static RECORD: Statement = const { Statement::new(
        "insert into raw_ops.schema_migrations (version, name) values ($1, $2)",
        &[pg_sys::INT4OID, pg_sys::TEXTOID]) };
    static MISSING_TABLES: Statement = const { Statement::new(MISSING, &[pg_sys::TEXTARRAYOID]) };
    static PROVIDERS: Statement = const { Statement::new(
        include_str!("../../sql/setup/providers.sql"), &[pg_sys::TEXTARRAYOID]) };
    static ENCODING: Statement = const { Statement::new("select pg_catalog.current_setting('server_encoding')", &[]) };
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
    session.execute(&LOCK, vec![])?;
    db::run_script(session, BOOKKEEPING)?;
    let found = session
        .execute(&APPLIED, vec![])?
        .first(|row| row.int4(1))
        .flatten()
        .unwrap_or(0);
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
    let kept = views::kept(session)?;
    let mut applied = Vec::new();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        db::run_script(session, migration.sql)?;
        session.execute(
            &RECORD,
            vec![Value::Int4(migration.version), Value::Text(migration.name)],
        )?;
        applied.push(migration.name);
    }
    db::run_script(session, ATTACH)?;
    let known = Value::TextArray(providers::NAMES.to_vec());
    let check = session.execute(&PROVIDERS, vec![known])?;
    if let Some(check) = check.first(|row| row.text(1)).flatten() {
        db::run_script(session, &check)?;
    }
    let are_views_new = views::make(session, &kept)?;
    definitions::record_definitions(session, &before)?;
    if are_views_new {
        definitions::record_views(session)?;
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
    let rows = session.execute(&MISSING_TABLES, vec![Value::TextArray(made)])?;
    let missing = rows.map(|row| row.text(1).unwrap_or_default());
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
    let encoding = session
        .execute(&ENCODING, vec![])?
        .first(|row| row.text(1))
        .flatten()
        .unwrap_or_default();
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
