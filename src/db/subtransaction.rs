//! A sub-transaction around work that may fail, and what may never be swallowed.

use crate::error::{Error, Result};
use pgrx::pg_sys::{self, panic::CaughtError, panic::ErrorReport};
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_guard};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::AssertUnwindSafe;

/// A constraint of raw_ops that only another transaction can have violated: rows are looked up before they are written.
pub struct LostRace {
    table: &'static str,
    constraint: &'static str,
    /// What the other transaction wrote.
    what: &'static str,
}

impl LostRace {
    pub const fn of(table: &'static str, constraint: &'static str, what: &'static str) -> Self {
        Self {
            table,
            constraint,
            what,
        }
    }
}

/// Runs `work` in a sub-transaction: all of it holds, or none. A PostgreSQL ERROR or a Rust panic inside becomes an
/// `Err`; one that is the server's own trouble (cancelled, shutting down, out of disk) is raised again.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    attempt_against(&[], work)
}

/// [`attempt`], and again when another transaction got in between: when one of these races was lost. The other has
/// committed, so the next look finds its rows.
pub fn attempt_until_unraced<T>(races: &[LostRace], mut work: impl FnMut() -> Result<T>) -> Result<T> {
    const TIMES: usize = 5;
    let mut outcome = attempt_against(races, &mut work);
    for _ in 1..TIMES {
        if !matches!(outcome, Err(Error::Raced(_))) {
            break;
        }
        outcome = attempt_against(races, &mut work);
    }
    outcome
}

fn attempt_against<T>(races: &[LostRace], work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: the pattern of every procedural language: begin, keep memory context and resource owner, end with
    // release or rollback, restore both. Nothing of `work` outlives a rollback but plain Rust values.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);

        let (outcome, violation) = noting_violations(|| {
            PgTryBuilder::new(AssertUnwindSafe(work))
                .catch_others(|caught| Err(caught_error(caught)))
                .execute()
        });

        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;

        match outcome {
            Err(error) if error.is_servers_fault() => raise(error),
            Err(error) => Err(lost_race(races, &error, violation.as_ref()).map_or(error, Error::Raced)),
            outcome => outcome,
        }
    }
}

/// A constraint that stopped a statement, as the server names it.
struct Violation {
    schema: String,
    table: String,
    constraint: String,
}

thread_local! {
    static VIOLATION: RefCell<Option<Violation>> = const { RefCell::new(None) };
}

/// Runs `work`, and tells which constraint its error is about. pgrx keeps of an error what people read (in the language
/// of `lc_messages`), not its fields: they are read while the server puts the error together, where it asks for context.
fn noting_violations<T>(work: impl FnOnce() -> T) -> (T, Option<Violation>) {
    VIOLATION.set(None);
    // SAFETY: the stack is taken back to where it was before this frame's entry ends; an error on the way has been
    // caught inside `work`.
    unsafe {
        let mut entry = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(note_violation),
            arg: pg_sys::CurrentMemoryContext.cast(),
        };
        pg_sys::error_context_stack = &raw mut entry;
        let done = work();
        pg_sys::error_context_stack = entry.previous;
        (done, VIOLATION.take())
    }
}

/// Called by the server for every message it puts together inside [`noting_violations`].
#[pg_guard]
unsafe extern "C-unwind" fn note_violation(context: *mut c_void) {
    // SAFETY: called while an error is being put together, so there is one to copy; into memory that outlives this call.
    unsafe {
        if !is_violation(PgSqlErrorCode::from(pg_sys::geterrcode())) {
            return;
        }
        let before = pg_sys::MemoryContextSwitchTo(context.cast());
        let error = pg_sys::CopyErrorData();
        let text = |text: *mut c_char| match text.is_null() {
            true => String::new(),
            false => CStr::from_ptr(text).to_string_lossy().into_owned(),
        };
        VIOLATION.set(Some(Violation {
            schema: text((*error).schema_name),
            table: text((*error).table_name),
            constraint: text((*error).constraint_name),
        }));
        pg_sys::FreeErrorData(error);
        pg_sys::MemoryContextSwitchTo(before);
    }
}

fn is_violation(code: PgSqlErrorCode) -> bool {
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION | PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION
    )
}

fn lost_race(races: &[LostRace], error: &Error, violation: Option<&Violation>) -> Option<&'static str> {
    let Error::Database { code, .. } = error else {
        return None;
    };
    let violation = violation.filter(|violation| is_violation(*code) && violation.schema == "raw_ops")?;
    let is_it = |race: &&LostRace| race.table == violation.table && race.constraint == violation.constraint;
    races.iter().find(is_it).map(|race| race.what)
}

/// Raises an error as PostgreSQL raises its own.
pub fn raise(error: Error) -> ! {
    ErrorReport::from(error).report(pgrx::PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// What a raised error is to us: its code, and words that quote nobody's data.
pub fn caught_error(caught: CaughtError) -> Error {
    match caught {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
            Error::database(report.sql_error_code(), report.message())
        }
        // The words of a panic may quote what it stumbled over; where it did tells as much.
        CaughtError::RustPanic { ereport, .. } => {
            Error::Internal(format!("stopped at {}:{}", ereport.file(), ereport.line_number()))
        }
    }
}
