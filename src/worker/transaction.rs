//! A transaction of a background worker, as the owner of the tables, that outlives its errors.

use crate::db::{owner, search_path};
use crate::error::{Error, Result};
use pgrx::{PgTryBuilder, pg_sys};
use std::ffi::CStr;
use std::panic::AssertUnwindSafe;

/// Runs `work` and commits; on an error rolls back and returns it, and the worker lives on.
pub fn transaction<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: the sequence of every background worker; commit is inside the guarded part, since it may fail too.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::pgstat_report_activity(
            pg_sys::BackendState::STATE_RUNNING,
            c"raw_ops: working on the inbox".as_ptr(),
        );
        pg_sys::StartTransactionCommand();
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let outcome = owner::become_table_owner_until_commit().and_then(|()| work());
            pg_sys::PopActiveSnapshot();
            match outcome {
                Ok(value) => {
                    pg_sys::CommitTransactionCommand();
                    Ok(value)
                }
                Err(error) => Err(error),
            }
        }))
        .catch_others(|caught| Err(crate::db::subtransaction::caught_error(caught)))
        .execute();
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        owner::restore_superuser();
        // Without this the statistics never hear of a worker's writes, and autovacuum never comes.
        pg_sys::pgstat_report_stat(false);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        outcome
    }
}

/// [`transaction`], and at once again when it failed only because another transaction was in the way.
pub fn transaction_unraced<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    const TIMES: usize = 10;
    let mut outcome = transaction(&mut work);
    for _ in 1..TIMES {
        if !outcome.as_ref().is_err_and(Error::is_serialization_failure) {
            break;
        }
        crate::wake::handle_interrupts();
        outcome = transaction(&mut work);
    }
    outcome
}

/// What `pg_stat_activity.query` shows while the process rests.
pub fn report_activity(what: &str) {
    if let Ok(what) = std::ffi::CString::new(what) {
        // SAFETY: copies the text into this process's own entry.
        unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, what.as_ptr()) };
    }
}

/// What background processes need whatever the server's defaults are. They are made to wait for rows and look again, which
/// needs READ COMMITTED, and answers that only a serializable transaction can give are asked of them nowhere.
pub fn set_defaults(application: &CStr) {
    set_setting(c"application_name", application);
    set_setting(c"default_transaction_isolation", c"read committed");
}

/// Commits of this process are on disk before it goes on, also where the server's default is not to wait.
pub fn set_durable() {
    // SAFETY: reads an integer setting.
    if unsafe { pg_sys::synchronous_commit } == pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32 {
        set_setting(c"synchronous_commit", c"on");
    }
}

/// Pins the `search_path` of a background process for its life, before its first statement. As a session's own SET would:
/// functions of the owner's that set one of their own keep it.
pub fn pin_search_path() {
    set_from(
        c"search_path",
        search_path::PINNED,
        pg_sys::GucSource::PGC_S_SESSION,
    );
}

/// Sets a setting for the life of the worker, whatever the configuration says.
pub fn set_setting(name: &CStr, value: &CStr) {
    set_from(name, value, pg_sys::GucSource::PGC_S_OVERRIDE);
}

fn set_from(name: &CStr, value: &CStr, source: pg_sys::GucSource::Type) {
    // SAFETY: two C strings; the setting exists in every server version.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            source,
        );
    }
}
