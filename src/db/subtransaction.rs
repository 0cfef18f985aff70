//! A sub-transaction around work that may fail, and what may never be swallowed.

use super::owners_triggers;
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, panic::CaughtError, panic::ErrorReport};
use pgrx::{PgSqlErrorCode, PgTryBuilder};
use std::panic::AssertUnwindSafe;

/// Runs `work` in a sub-transaction: all of it holds, or none. A PostgreSQL ERROR or a Rust panic inside becomes an
/// `Err`; one that is the server's own trouble (cancelled, shutting down, out of disk) is raised again.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    raise_servers_fault(attempt_and_tell(work))
}

/// [`attempt`] for those who sort a webhook's faults from the server's: nothing is raised again. What
/// [`ends_transaction`] says is to be handed on.
pub fn attempt_and_tell<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: the pattern of every procedural language: begin, keep memory context and resource owner, end with
    // release or rollback, restore both. Nothing of `work` outlives a rollback but plain Rust values.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        // What a failed attempt has allocated must not be missing to the next.
        let own = memory_within(context);
        pg_sys::MemoryContextSwitchTo(own);

        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| work().map_err(|error| (error, None))))
            // What was waited for the server has forgotten after the rollback.
            .catch_others(|caught| Err((caught_error(caught), table_waited_for())))
            .execute();

        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        if outcome.is_err() {
            pg_sys::MemoryContextDelete(own);
        }
        outcome.map_err(|(error, waited_for)| match waited_for {
            Some(table) if error.is_lock_timeout() => Error::TableLocked {
                table: super::schema::name_of(table),
            },
            _ => owners_triggers::explained(error),
        })
    }
}

/// [`attempt`], and again when another transaction got in between; it has committed, so the next look finds its rows.
pub fn attempt_until_unraced<T>(work: impl FnMut() -> Result<T>) -> Result<T> {
    raise_servers_fault(attempt_until_unraced_and_tell(work))
}

/// [`attempt_and_tell`], and again when another transaction got in between, by a row or by a deadlock.
pub fn attempt_until_unraced_and_tell<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    const TIMES: usize = 5;
    let mut outcome = attempt_and_tell(&mut work);
    for _ in 1..TIMES {
        let again = |error: &Error| error.is_serialization_failure() && !ends_transaction(error);
        if !outcome.as_ref().is_err_and(again) {
            break;
        }
        outcome = attempt_and_tell(&mut work);
    }
    outcome
}

fn raise_servers_fault<T>(outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(error) if error.is_servers_fault() || ends_transaction(&error) => raise(error),
        outcome => outcome,
    }
}

/// Whether nothing more can come of this transaction: the server wants it to end, or it sees the tables as they were
/// before somebody else changed them, however often it looks.
pub fn ends_transaction(error: &Error) -> bool {
    // SAFETY: reads the transaction's isolation level.
    let sees_one_state = unsafe { pg_sys::XactIsoLevel } >= pg_sys::XACT_REPEATABLE_READ as i32;
    error.wants_the_end() || (sees_one_state && error.is_serialization_failure())
}

/// Memory that ends with `parent`, or before.
///
/// # Safety
/// `parent` is a memory context.
unsafe fn memory_within(parent: pg_sys::MemoryContext) -> pg_sys::MemoryContext {
    // SAFETY: the sizes keep an empty one cheap (the server keeps a list of those for use again).
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            c"raw_ops attempt".as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// The table whose lock was waited for when the ERROR that has just been caught was raised; `None` where it was a row's,
/// another transaction's or no lock at all.
fn table_waited_for() -> Option<pg_sys::Oid> {
    use pg_sys::LockTagType::{LOCKTAG_RELATION, LOCKTAG_RELATION_EXTEND};
    // SAFETY: this process's own entry; the lock it waits for stands in shared memory for as long as it is named there,
    // and only the rollback (or being granted it) takes the name away.
    unsafe {
        let lock = (*pg_sys::MyProc).waitLock;
        if lock.is_null() {
            return None;
        }
        let tag = (*lock).tag;
        let kind = u32::from(tag.locktag_type);
        (kind == LOCKTAG_RELATION || kind == LOCKTAG_RELATION_EXTEND)
            .then(|| pg_sys::Oid::from(tag.locktag_field2))
    }
}

/// Raises an error as PostgreSQL raises its own.
pub fn raise(error: Error) -> ! {
    ErrorReport::from(error).report(pgrx::PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// What a raised error is to us.
pub fn caught_error(caught: CaughtError) -> Error {
    let report = match &caught {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
        CaughtError::RustPanic { ereport, .. } => ereport,
    };
    let (code, message) = (report.sql_error_code(), report.message());
    if code == PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION {
        // Rows are looked up before they are inserted: somebody else inserted the same ones in between.
        let raced = |constraint: &&(&str, &'static str)| message.contains(constraint.0);
        if let Some((_, what)) = LOOKED_UP_BEFORE.iter().find(raced) {
            return Error::Raced(what);
        }
    }
    Error::Database {
        code,
        message: message.to_owned(),
    }
}

const LOOKED_UP_BEFORE: &[(&str, &str)] = &[
    ("\"orders_shopify_order_id_key\"", "the order"),
    ("\"customers_shopify_customer_id_key\"", "the customer"),
    ("\"customers_guest_email_key\"", "the guest"),
    ("\"order_items_order_id_shopify_line_item_id_key\"", "the items"),
];
