//! Triggers that the owner has put on our tables run under our `search_path` when a statement of ours fires them. One that
//! relies on another path fails there: its error says how to mend it. Not where the name is one in our own statement: a
//! table of ours that was dropped is no trigger's fault.

use super::{session, statements};
use crate::error::Error;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder};
use std::cell::Cell;
use std::panic::AssertUnwindSafe;

statements! {
    query find_without_path() -> String = file "db/owners_triggers.sql";
}

thread_local! {
    /// Whether what runs now, or has just failed, cannot fire a trigger.
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Runs what fires no trigger: a statement of ours that is parsed, or that only reads. A name that is not found there is
/// in our own text.
pub fn without_triggers<T>(work: impl FnOnce() -> T) -> T {
    let within = IS_OURS.replace(true);
    let done = work();
    IS_OURS.set(within);
    done
}

/// To be told before a statement runs that may fire triggers: an ERROR has left the mark behind.
pub fn may_fire_triggers() {
    IS_OURS.set(false);
}

/// How a name that is not found along the path is reported.
const NAME_NOT_FOUND: [PgSqlErrorCode; 4] = [
    PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
    PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
    PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
    PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
];

const HINT: &str = "Does a trigger of yours stand on this table? Fired by raw_ops it runs with search_path = pg_catalog, \
                    pg_temp: write its names with their schema, or run: ALTER FUNCTION <schema>.<function>() SET \
                    search_path = <schema>, pg_catalog, pg_temp;";

/// The same error with the statement that mends it, where a name was not found and such a trigger stands. To be called when
/// what failed is rolled back: it looks into the catalogs.
pub fn explained(error: Error) -> Error {
    let Error::Database { code, message } = error else {
        return error;
    };
    if !NAME_NOT_FOUND.contains(&code) || IS_OURS.take() {
        return Error::Database { code, message };
    }
    let found = session(|session| find_without_path(session)?.all());
    let next = found.unwrap_or_default();
    match next.is_empty() {
        true => Error::Database { code, message },
        false => Error::OwnersTrigger {
            code,
            message,
            next: next.join(" "),
        },
    }
}

/// Runs `work`; an ERROR for a name that was not found leaves with a hint. Costs nothing while all goes well.
pub fn hinted<T>(work: impl FnOnce() -> T) -> T {
    PgTryBuilder::new(AssertUnwindSafe(work))
        .catch_others(|caught| match &caught {
            CaughtError::PostgresError(report)
                if NAME_NOT_FOUND.contains(&report.sql_error_code()) && !IS_OURS.get() =>
            {
                let (message, own_hint) = (report.message().to_owned(), report.hint().unwrap_or_default());
                let hint = match own_hint.ends_with(HINT) {
                    true => own_hint.to_owned(),
                    false => format!("{own_hint} {HINT}").trim_start().to_owned(),
                };
                ErrorReport::new(report.sql_error_code(), message, "raw_ops")
                    .set_hint(hint)
                    .report(PgLogLevel::ERROR);
                unreachable!("an ERROR does not return")
            }
            _ => caught.rethrow(),
        })
        .execute()
}
