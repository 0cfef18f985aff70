//! Looking at the database as it is at this moment, not as the calling query sees it.

use crate::error::Result;
use pgrx::pg_sys;

/// Runs `work`, whose queries see what this transaction has done so far, and what others have committed meanwhile. After an
/// error PostgreSQL itself takes the snapshot away when it rolls back.
pub fn as_of_now<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: inside a transaction; the snapshot is registered as active and taken off again below.
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
    let outcome = work();
    // SAFETY: what was pushed above; whoever pushes inside takes off their own.
    unsafe { pg_sys::PopActiveSnapshot() };
    outcome
}
