//! A sub-transaction around work that may fail, and what may never be swallowed.

use super::owners_triggers;
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, panic::CaughtError, panic::ErrorReport};
use pgrx::{PgSqlErrorCode, PgTryBuilder};
use std::panic::AssertUnwindSafe;

/// Runs `work` in a sub-transaction: all of it holds, or none. A PostgreSQL ERROR or a Rust panic inside becomes an
/// `Err`; one that is the server's own trouble (cancelled, shutting down, out of disk) is raised again.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    match in_subtransaction(work) {
        Err(error) if error.is_servers_fault() => raise(error),
        Err(error) => Err(owners_triggers::explained(error)),
        outcome => outcome,
    }
}

/// [`attempt`] for whoever must answer whatever is wrong with the server: only a cancelled call and a server that shuts
/// down are raised again.
pub fn attempt_whatever<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    match in_subtransaction(work) {
        Err(error) if error.is_cancelled() => raise(error),
        outcome => outcome,
    }
}

fn in_subtransaction<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: the pattern of every procedural language: begin, keep memory context and resource owner, end with
    // release or rollback, restore both. Nothing of `work` outlives a rollback but plain Rust values.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);

        let outcome = PgTryBuilder::new(AssertUnwindSafe(work))
            .catch_others(|caught| Err(caught_error(caught)))
            .execute();

        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}

/// [`attempt`], and again when another transaction got in between; it has committed, so the next look finds its rows.
pub fn attempt_until_unraced<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    const TIMES: usize = 5;
    let mut outcome = attempt(&mut work);
    for _ in 1..TIMES {
        if !matches!(outcome, Err(Error::Raced(_))) {
            break;
        }
        outcome = attempt(&mut work);
    }
    outcome
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
