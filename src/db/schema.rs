//! Is the schema there, whole and of this library's version? Asked at every call, answered from a cache.

use super::{Session, statements};
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::cell::Cell;
use std::sync::OnceLock;

/// What a restore creates last, after every row is back: until all of it is here nobody may write beside the restore.
pub struct RestoredLast {
    /// Names of constraints in the schema.
    pub constraints: &'static [&'static str],
    /// Names of triggers on the inbox.
    pub triggers: &'static [&'static str],
}

static RESTORED_LAST: OnceLock<RestoredLast> = OnceLock::new();

/// To be told once, when the library is loaded.
pub fn expect(restored_last: RestoredLast) {
    RESTORED_LAST.get_or_init(|| restored_last);
}

/// The schema version this library works with: that of the last migration.
pub const LATEST_VERSION: i32 = 8;

thread_local! {
    /// The inbox (by oid) that was found whole. Forgotten whenever its definition changes: a trigger dropped, the
    /// table made anew.
    static KNOWN_GOOD: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
    static HEARS_OF_CHANGES: Cell<bool> = const { Cell::new(false) };
}

statements! {
    execute find_version() -> Option<i32> = text "select max(version) from raw_ops.schema_migrations";
    execute count_restored_last(constraints: Vec<&str>, triggers: Vec<&str>) -> i64 = text
        "select count(*)
           from (select from pg_catalog.pg_constraint
                  where conname = any ($1) and connamespace = 'raw_ops'::regnamespace
                 union all
                 select from pg_catalog.pg_trigger
                  where tgname = any ($2) and tgrelid = 'raw_ops.webhook_inbox'::regclass) parts";
}

fn relation(name: &std::ffi::CStr) -> pg_sys::Oid {
    // SAFETY: catalog look-ups by name; a missing schema or table gives InvalidOid.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"raw_ops".as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return pg_sys::InvalidOid;
        }
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    }
}

/// A table of the schema raw_ops, if it is there.
pub fn oid_of(table: &std::ffi::CStr) -> Option<pg_sys::Oid> {
    Some(relation(table)).filter(|oid| *oid != pg_sys::InvalidOid)
}

fn not_set_up(found: Option<i32>) -> Error {
    Error::NotSetUp {
        found,
        wanted: LATEST_VERSION,
    }
}

/// Who owns the inbox.
///
/// # Errors
/// [`Error::NotSetUp`] when there is none.
pub fn owner() -> Result<pg_sys::Oid> {
    owner_of(relation(c"webhook_inbox")).ok_or_else(|| not_set_up(None))
}

/// Who owns what `setup()` has made so far: the inbox, or the list of migrations that comes before it.
pub fn owner_so_far() -> Option<pg_sys::Oid> {
    owner_of(relation(c"webhook_inbox")).or_else(|| owner_of(relation(c"schema_migrations")))
}

fn owner_of(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    if relation == pg_sys::InvalidOid {
        return None;
    }
    // SAFETY: a relation that was just found is in the system cache, or null comes back.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
        );
        if tuple.is_null() {
            return None;
        }
        let class = pg_sys::GETSTRUCT(tuple) as *const pg_sys::FormData_pg_class;
        let owner = (*class).relowner;
        pg_sys::ReleaseSysCache(tuple);
        Some(owner)
    }
}

/// # Errors
/// [`Error::NotSetUp`] unless `setup()` of this library's version has run and a restore is not half done.
pub fn ensure_ready(session: &Session) -> Result<()> {
    let inbox = relation(c"webhook_inbox");
    if inbox != pg_sys::InvalidOid && KNOWN_GOOD.get() == inbox {
        return Ok(());
    }
    if inbox == pg_sys::InvalidOid || relation(c"schema_migrations") == pg_sys::InvalidOid {
        return Err(not_set_up(None));
    }
    let version = find_version(session)?.first()?.flatten();
    if version.is_none_or(|found| found < LATEST_VERSION) {
        return Err(not_set_up(version));
    }
    if !is_whole(session)? {
        return Err(Error::RestoreUnderWay);
    }
    if !HEARS_OF_CHANGES.replace(true) {
        // SAFETY: registered once a backend; the callback only clears a cell.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(forget), pg_sys::Datum::from(0usize)) };
    }
    KNOWN_GOOD.set(inbox);
    Ok(())
}

fn is_whole(session: &Session) -> Result<bool> {
    let Some(wanted) = RESTORED_LAST.get() else {
        return Ok(true);
    };
    let (constraints, triggers) = (wanted.constraints.to_vec(), wanted.triggers.to_vec());
    let count = constraints.len() + triggers.len();
    let found = count_restored_last(session, constraints, triggers)?.first()?;
    Ok(found == i64::try_from(count).ok())
}

/// The server tells of a changed relation; InvalidOid stands for all of them.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn forget(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
    if relation == pg_sys::InvalidOid || relation == KNOWN_GOOD.get() {
        KNOWN_GOOD.set(pg_sys::InvalidOid);
    }
}
