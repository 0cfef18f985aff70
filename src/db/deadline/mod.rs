//! A timer of our own: work that is not through by its deadline is cut off, and told apart from what others cancel. To set
//! `statement_timeout` inside a statement that runs changes nothing for it.

#[cfg(any(test, feature = "pg_test"))]
mod tests;

use super::subtransaction::{attempt_and_tell, raise};
use crate::error::{Error, Result};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

// The server's timers, of utils/timeout.h, which pgrx does not bind.
unsafe extern "C-unwind" {
    fn RegisterTimeout(id: c_int, handler: unsafe extern "C" fn()) -> c_int;
    fn enable_timeout_after(id: c_int, delay_ms: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
    fn get_timeout_active(id: c_int) -> bool;
}

/// `STATEMENT_TIMEOUT` of utils/timeout.h, in every version.
const STATEMENT_TIMEOUT: c_int = 3;
/// At or above `USER_TIMEOUT` and below `MAX_TIMEOUTS` in every version (8 and 16 in PostgreSQL 13, 13 and 23 in 18): from here on
/// the server looks for one that is free.
const FIRST_TIMEOUT: c_int = 15;

/// Whether the cancel that is pending, or was raised last, is the timer's.
static HAS_FIRED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The timer's number, once it is registered: once a process.
    static TIMER: Cell<Option<c_int>> = const { Cell::new(None) };
    /// The deadline of the innermost work that has one.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// [`attempt`](super::attempt) for whoever must answer whatever is wrong with the server: what is not through by `deadline` is
/// cut off. Inside other work with a deadline, the earlier one counts.
///
/// # Errors
/// Whatever stops `work`; [`Error::OutOfTime`] when it was cut off. Raised again are only cancels of others, and a server that
/// shuts down.
pub fn attempt_until<T>(deadline: Instant, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match attempt_until_and_tell(deadline, work) {
        Err(error) if error.is_cancelled() => raise(error),
        outcome => outcome,
    }
}

/// [`attempt_until`] for those who have something to do before what others cancel is raised again: nothing is.
pub fn attempt_until_and_tell<T>(deadline: Instant, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let was_cut_off = Cell::new(false);
    let outcome = attempt_and_tell(|| {
        // Ends before the sub-transaction does: what rolls it back must not be cut off.
        let _armed = Armed::until(deadline, &was_cut_off);
        work()
    });
    let is_cancel =
        |error: &Error| error.is_cancelled() && error.sqlstate() == PgSqlErrorCode::ERRCODE_QUERY_CANCELED;
    match outcome {
        Err(error) if was_cut_off.get() && is_cancel(&error) => Err(Error::OutOfTime),
        outcome => outcome,
    }
}

/// While it lives, the timer runs.
struct Armed<'a> {
    outer: Option<Instant>,
    /// To be seen to at the end: whose a cancel was that came in between.
    had_statement_timeout: bool,
    was_cut_off: &'a Cell<bool>,
}

impl<'a> Armed<'a> {
    fn until(deadline: Instant, was_cut_off: &'a Cell<bool>) -> Self {
        let outer = UNTIL.get();
        let armed = Self {
            outer,
            // SAFETY: reads a flag of the server's timers.
            had_statement_timeout: unsafe { get_timeout_active(STATEMENT_TIMEOUT) },
            was_cut_off,
        };
        start(outer.map_or(deadline, |outer| outer.min(deadline)));
        armed
    }
}

impl Drop for Armed<'_> {
    /// Also while an ERROR unwinds: it calls nothing that may raise one.
    fn drop(&mut self) {
        stop();
        let has_fired = HAS_FIRED.swap(false, Ordering::Relaxed);
        // SAFETY: as above.
        let ran_out = self.had_statement_timeout && !unsafe { get_timeout_active(STATEMENT_TIMEOUT) };
        if has_fired && !ran_out {
            self.was_cut_off.set(true);
            take_back();
        }
        UNTIL.set(self.outer);
        if let Some(outer) = self.outer {
            start(outer);
        }
    }
}

fn start(deadline: Instant) {
    UNTIL.set(Some(deadline));
    HAS_FIRED.store(false, Ordering::Relaxed);
    let left = deadline.saturating_duration_since(Instant::now());
    let left = c_int::try_from(left.as_millis()).unwrap_or(c_int::MAX).max(1);
    // SAFETY: a timer that was registered for this process; a deadline that is over fires at once.
    unsafe { enable_timeout_after(timer(), left) };
}

fn stop() {
    // SAFETY: as above; one that does not run, or has been stopped with all others after an ERROR, may be stopped again.
    unsafe { disable_timeout(timer(), false) };
}

fn timer() -> c_int {
    TIMER.get().unwrap_or_else(|| {
        // SAFETY: the handler does what a signal handler may. The server has ten such timers and ends the process where all
        // are taken.
        let timer = unsafe { RegisterTimeout(FIRST_TIMEOUT, cancel) };
        TIMER.set(Some(timer));
        timer
    })
}

/// The timer's handler, called while a signal is handled: asks for what SIGINT asks for, unless somebody has already.
unsafe extern "C" fn cancel() {
    // SAFETY: flags of this process that its signal handlers write; the server has set the latch.
    unsafe {
        if pg_sys::proc_exit_inprogress || (&raw const pg_sys::QueryCancelPending).read_volatile() != 0 {
            return;
        }
        HAS_FIRED.store(true, Ordering::Relaxed);
        (&raw mut pg_sys::QueryCancelPending).write_volatile(1);
        (&raw mut pg_sys::InterruptPending).write_volatile(1);
    }
}

/// Takes the timer's own cancel back where the work has ended before it was heeded.
fn take_back() {
    // SAFETY: as above; the server resets it just so when it heeds it. What else may be pending keeps its own flag.
    unsafe { (&raw mut pg_sys::QueryCancelPending).write_volatile(0) };
}

/// So much of the time that is left until `deadline` that as much again is left for what comes after.
pub fn half_of_what_is_left(deadline: Instant) -> Option<Instant> {
    const LEAST: Duration = Duration::from_millis(20);
    let now = Instant::now();
    let left = deadline.checked_duration_since(now)?;
    (left >= LEAST).then(|| now + left / 2)
}
