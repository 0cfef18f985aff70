//! The server process that this code runs in.

use pgrx::pg_sys;
use std::cell::Cell;

/// What the operating system calls it.
pub fn own_pid() -> i32 {
    // SAFETY: set once, when the process starts.
    unsafe { pg_sys::MyProcPid }
}

/// The database it is connected to.
pub fn own_database() -> u32 {
    // SAFETY: set once, when the process has connected.
    unsafe { pg_sys::MyDatabaseId.to_u32() }
}

/// Whether this server has a process of that id now.
pub fn is_alive(pid: i32) -> bool {
    // SAFETY: looks through the server's list of its processes; only whether one was found is used.
    !unsafe { pg_sys::BackendPidGetProc(pid) }.is_null()
}

/// From now until its next statement, `pg_stat_activity` shows this text in place of the statement that runs: one that
/// holds a secret would be shown for as long as the session rests.
pub fn show_instead_of_statement(text: &std::ffi::CStr) {
    // SAFETY: copies the text into this process's own entry; nothing where activities are not tracked.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) };
}

/// Whom to tell of ends.
#[derive(Clone, Copy)]
pub struct Watcher {
    /// After each transaction: whether it was committed. May use nothing of the server's.
    pub transaction_ended: fn(bool),
    /// Before the process ends in good order, or is told to. May use nothing of the server's.
    pub process_ends: fn(),
}

thread_local! {
    static WATCHER: Cell<Option<Watcher>> = const { Cell::new(None) };
}

/// From now on `watcher` is told; there is one in a process.
pub fn watch(watcher: Watcher) {
    if WATCHER.replace(Some(watcher)).is_none() {
        // SAFETY: registered once a process; both callbacks only call plain functions of ours.
        unsafe {
            pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut());
            pg_sys::on_proc_exit(Some(process_ends), pg_sys::Datum::from(0usize));
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn transaction_ended(
    event: pg_sys::XactEvent::Type,
    _argument: *mut std::ffi::c_void,
) {
    use pg_sys::XactEvent::{XACT_EVENT_ABORT, XACT_EVENT_COMMIT, XACT_EVENT_PREPARE};
    if let Some(watcher) = WATCHER.get()
        && matches!(event, XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE)
    {
        (watcher.transaction_ended)(event != XACT_EVENT_ABORT);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn process_ends(_code: i32, _argument: pg_sys::Datum) {
    if let Some(watcher) = WATCHER.get() {
        (watcher.process_ends)();
    }
}
