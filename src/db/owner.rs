//! Acting as the owner of the tables: what a caller's rights are not enough for, without being a superuser.

use crate::error::Result;
use pgrx::pg_sys;

/// `SECURITY_LOCAL_USERID_CHANGE` of miscadmin.h: SET ROLE and SET SESSION AUTHORIZATION are refused meanwhile, so
/// that a trigger of the owner's cannot climb to the caller's or the extension's rights.
const LOCAL_USERID_CHANGE: i32 = 0x0001;

/// Runs `work` with the rights of the owner of the inbox. After an error PostgreSQL itself restores the caller when
/// it rolls back.
///
/// # Errors
/// [`crate::error::Error::NotSetUp`] when there is no inbox.
pub fn as_table_owner<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    as_role(super::schema::owner()?, work)
}

fn as_role<T>(role: pg_sys::Oid, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut caller = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: both calls only read and write the backend's user id; restored below, or by the rollback.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut caller, &mut context);
        pg_sys::SetUserIdAndSecContext(role, context | LOCAL_USERID_CHANGE);
    }
    let outcome = work();
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(caller, context) };
    outcome
}

/// Runs `work`, a single look-up of ours, with the rights of the bootstrap superuser: what row security hides from the
/// caller but a decision needs. Never runs anything of the caller's making.
pub fn as_superuser<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    as_role(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), work)
}

/// For the rest of the current transaction, commit included, acts as the owner of the inbox. The worker's way: it
/// starts as the bootstrap superuser and must not run the owner's triggers as that.
pub fn become_table_owner_until_commit() -> Result<()> {
    let owner = super::schema::owner()?;
    // SAFETY: writes the backend's user id; an abort restores it, `restore_superuser` does after a commit.
    unsafe { pg_sys::SetUserIdAndSecContext(owner, LOCAL_USERID_CHANGE) };
    Ok(())
}

/// Back to who the worker is between transactions.
pub fn restore_superuser() {
    // SAFETY: the authenticated user of a background worker that named none is the bootstrap superuser.
    unsafe { pg_sys::SetUserIdAndSecContext(pg_sys::GetAuthenticatedUserId(), 0) };
}
