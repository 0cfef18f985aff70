//! A sub-transaction around work that may fail, and what may never be swallowed.

use super::{Found, Session, owners_triggers, statements};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, panic::CaughtError, panic::ErrorReport};
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_guard};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::AssertUnwindSafe;

/// A constraint of raw_ops that only another transaction can have violated: rows are looked up before they are written.
#[derive(Clone, Copy)]
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

statements! {
    query find_locked_table() -> String = file "db/locked_table.sql";
    query find_table_stalled_by() -> String = file "db/stalled_by_table.sql";
}

/// Runs `work` in a sub-transaction: all of it holds, or none. A PostgreSQL ERROR or a Rust panic inside becomes an
/// `Err`; one that is the server's own trouble (cancelled, shutting down, out of disk) is raised again.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    raise_servers_fault(attempt_and_tell(work))
}

/// [`attempt`] for those who sort a webhook's faults from the server's: nothing is raised again. What
/// [`ends_transaction`] says is to be handed on.
pub fn attempt_and_tell<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    attempt_against(&[], work)
}

/// [`attempt`], and again when another transaction got in between: when one of these races was lost. The other has
/// committed, so the next look finds its rows.
pub fn attempt_until_unraced<T>(races: &[LostRace], work: impl FnMut() -> Result<T>) -> Result<T> {
    raise_servers_fault(attempt_until_unraced_and_tell(races, work))
}

/// [`attempt_and_tell`], and again when another transaction got in between, by a row or by a deadlock.
pub fn attempt_until_unraced_and_tell<T>(
    races: &[LostRace],
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    const TIMES: usize = 5;
    let mut outcome = attempt_against(races, &mut work);
    for _ in 1..TIMES {
        let again = |error: &Error| error.is_serialization_failure() && !ends_transaction(error);
        if !outcome.as_ref().is_err_and(again) {
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
        // What a failed attempt has allocated must not be missing to the next.
        let own = memory_within(context);
        pg_sys::MemoryContextSwitchTo(own);
        forget_waits();

        let (outcome, violation) = noting_violations(|| {
            PgTryBuilder::new(AssertUnwindSafe(|| work().map_err(|error| (error, false))))
                .catch_others(|caught| Err((caught_error(caught), has_waited_for_a_table())))
                .execute()
        });

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
            true if error.is_lock_timeout() => table_locked(),
            false if error.is_lock_timeout() => stalled(error),
            _ => match lost_race(races, &error, violation.as_ref()) {
                Some(what) => Error::Raced(what),
                None => owners_triggers::explained(error),
            },
        })
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

/// Before work of which [`has_waited_for_a_table`] is to tell.
fn forget_waits() {
    // SAFETY: this process's own entry; nobody reads the mode while it does not wait.
    unsafe { (*pg_sys::MyProc).waitLockMode = pg_sys::NoLock as i32 };
}

/// Whether the last lock that was waited for was a whole table's. Its wait over, the server forgets what it was, but for
/// the mode: statements take these three of tables only. For a row, another transaction is waited for (a share lock on
/// that), or the queue for the row (an exclusive one).
fn has_waited_for_a_table() -> bool {
    // SAFETY: this process's own entry.
    let mode = unsafe { (*pg_sys::MyProc).waitLockMode } as u32;
    (pg_sys::AccessShareLock..=pg_sys::RowExclusiveLock).contains(&mode)
}

/// Names a table that somebody has locked. To be called when what failed is rolled back: it looks into the catalogs.
fn table_locked() -> Error {
    Error::TableLocked {
        table: table_named_by(find_locked_table),
    }
}

/// A wait for a row whose holder waits for a table is a wait for that table. To be called as [`table_locked`].
fn stalled(waited_for_a_row: Error) -> Error {
    match table_named_by(find_table_stalled_by) {
        None => waited_for_a_row,
        table => Error::TableLocked { table },
    }
}

fn table_named_by(find: fn(&Session) -> Result<Found<'_, String>>) -> Option<String> {
    super::session(|session| find(session)?.first()).ok().flatten()
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
