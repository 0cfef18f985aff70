//! Acting as the owner of the tables: what a caller's rights are not enough for, without being a superuser.

use super::settings;
use crate::error::{Error, Result};
use pgrx::pg_sys;

/// `SECURITY_LOCAL_USERID_CHANGE` of miscadmin.h: SET ROLE and SET SESSION AUTHORIZATION are refused meanwhile, so
/// that a trigger of the owner's cannot climb to the caller's or the extension's rights.
const LOCAL_USERID_CHANGE: i32 = 0x0001;

/// `SECURITY_RESTRICTED_OPERATION` of miscadmin.h: nothing may be left behind that would run later (a cursor held over the
/// commit, a deferred trigger, a temporary table).
const RESTRICTED_OPERATION: i32 = 0x0002;

/// Runs `work` with the rights of the owner of the inbox. After an error PostgreSQL itself restores the caller when
/// it rolls back.
///
/// # Errors
/// [`crate::error::Error::NotSetUp`] when there is no inbox.
pub fn as_table_owner<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let owner = super::schema::owner()?;
    as_role(owner, restrictions_as(owner), work)
}

/// What an owner's trigger or view leaves behind for COMMIT (a deferred trigger's run, a cursor WITH HOLD) runs as whoever
/// commits: that must not be anybody else.
fn restrictions_as(owner: pg_sys::Oid) -> i32 {
    // SAFETY: reads who is logged in or has been set with SET ROLE.
    match unsafe { pg_sys::GetOuterUserId() } == owner {
        true => LOCAL_USERID_CHANGE,
        false => LOCAL_USERID_CHANGE | RESTRICTED_OPERATION,
    }
}

/// Runs `work` with the rights of `owner`, whose member the caller must be.
///
/// # Errors
/// [`Error::NotOwner`] for anybody else.
pub fn as_member_of<T>(owner: pg_sys::Oid, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: asks the catalogs who is a member of what; superusers are of all.
    if !unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner) } {
        return Err(Error::NotOwner {
            owner: super::role_name(owner),
        });
    }
    as_role(owner, restrictions_as(owner), work)
}

/// Runs `work` as the owner of the inbox where the caller is a member of that role, a superuser of any; else as the caller.
///
/// # Errors
/// [`crate::error::Error::NotSetUp`] when there is no inbox.
pub fn as_table_owner_if_member<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let owner = super::schema::owner()?;
    // SAFETY: asks the catalogs who is a member of what.
    match unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner) } {
        true => as_role(owner, restrictions_as(owner), work),
        false => work(),
    }
}

/// The owner of the inbox by name, where there is one.
pub fn name_of_table_owner() -> Option<String> {
    super::schema::owner().ok().map(super::role_name)
}

/// The role that everything may be done as: the one the server was made with.
pub fn superuser() -> String {
    super::role_name(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID))
}

/// Who pastes a statement into this session: whoever is logged in, or has been set with SET ROLE; also inside SECURITY DEFINER.
pub fn reader() -> String {
    // SAFETY: reads the backend's outer user.
    super::role_name(unsafe { pg_sys::GetOuterUserId() })
}

/// Whether that role has the rights of this one: is it, its member or a superuser. Of a role that is gone nobody has.
pub fn reader_may_act_as(role: &str) -> bool {
    let Ok(name) = std::ffi::CString::new(role) else {
        return false;
    };
    // SAFETY: asks the catalogs; a missing role gives InvalidOid, whose rights only a superuser has.
    unsafe {
        pg_sys::has_privs_of_role(
            pg_sys::GetOuterUserId(),
            pg_sys::get_role_oid(name.as_ptr(), true),
        )
    }
}

fn as_role<T>(role: pg_sys::Oid, restrictions: i32, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut caller = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: both calls only read and write the backend's user id; restored below, or by the rollback.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut caller, &mut context);
        pg_sys::SetUserIdAndSecContext(role, context | restrictions);
    }
    // What the role's triggers and views set must not stay behind in somebody else's session.
    let outcome = match restrictions & RESTRICTED_OPERATION {
        0 => work(),
        _ => settings::confined(work),
    };
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(caller, context) };
    outcome
}

/// Runs `work`, a single look-up of ours, with the rights of the bootstrap superuser: what row security hides from the
/// caller but a decision needs. It may name nothing but `pg_catalog` and the tables of an extension: whatever else has an
/// owner who could make it run something. Each use stands in docs/security.md, with its reason.
pub fn as_superuser<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let superuser = pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID);
    as_role(superuser, LOCAL_USERID_CHANGE | RESTRICTED_OPERATION, work)
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
