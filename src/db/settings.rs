//! Settings changed for a while.

use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

/// While it lives, the settings it was given are in force; then, or after an ERROR, what was before.
pub struct Temporarily {
    nest_level: i32,
}

impl Temporarily {
    /// Only settings any user may change.
    pub fn set(settings: &[(&CStr, &CStr)]) -> Self {
        // SAFETY: the documented way for a function to change settings for a while.
        unsafe {
            let nest_level = pg_sys::NewGUCNestLevel();
            for (name, value) in settings {
                set_for_now(name, value);
            }
            Self { nest_level }
        }
    }
}

/// Changes a setting until the innermost level of settings ends: that of a [`Temporarily`], of a function with a SET
/// clause, of the (sub-)transaction.
pub fn set_for_now(name: &CStr, value: &CStr) {
    // SAFETY: two C strings; the server copies them.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

impl Drop for Temporarily {
    fn drop(&mut self) {
        // After an ERROR the end of the (sub-)transaction undoes the level; then it is not ours to end.
        if !std::thread::panicking() {
            // SAFETY: the level begun in `set`.
            unsafe { pg_sys::AtEOXact_GUC(true, self.nest_level) };
        }
    }
}

thread_local! {
    /// Whether [`commit_durably`] was asked for within the innermost [`confined`].
    static IS_DURABLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and undoes whatever it has done to settings, SET of the session included: code of somebody else's may run in
/// it. Only [`commit_durably`] holds beyond. After an ERROR the end of the (sub-)transaction undoes it all.
pub fn confined<T>(work: impl FnOnce() -> T) -> T {
    let before = IS_DURABLE.replace(false);
    // SAFETY: the documented way to take changes of settings back; the level ends below, or with the (sub-)transaction.
    let nest_level = unsafe { pg_sys::NewGUCNestLevel() };
    let outcome = work();
    // SAFETY: the level begun above; `false`: as after an error, nothing is kept.
    unsafe { pg_sys::AtEOXact_GUC(false, nest_level) };
    match IS_DURABLE.get() {
        true => commit_durably(),
        false => IS_DURABLE.set(before),
    }
    outcome
}

/// How long a drain waits for a row somebody else holds, unless the caller has a limit of their own: long enough for
/// another drain to commit and for a deadlock to be found, short enough that one forgotten transaction does not hold up
/// the shop.
pub fn limit_lock_waits() -> Option<Temporarily> {
    // SAFETY: reads an integer setting.
    let has_own_limit = unsafe { pg_sys::LockTimeout } > 0;
    (!has_own_limit).then(|| Temporarily::set(&[(c"lock_timeout", c"2s")]))
}

/// How long a check waits for a locked table, whatever the caller's own limit: its run is written down within five seconds.
pub fn limit_lock_waits_of_checks() -> Option<Temporarily> {
    // SAFETY: reads an integer setting, in milliseconds.
    let own = unsafe { pg_sys::LockTimeout };
    (own <= 0 || own > 1500).then(|| Temporarily::set(&[(c"lock_timeout", c"1500ms")]))
}

/// How long somebody who only looks waits for a locked table: they have other things to tell.
pub fn glance_at_locks(has_waited: bool) -> Temporarily {
    let limit = if has_waited { c"20ms" } else { c"500ms" };
    Temporarily::set(&[
        (c"lock_timeout", limit),
        // Whatever the role has set: statements mean what they say, and are not compiled for longer than they run.
        (c"standard_conforming_strings", c"on"),
        (c"jit", c"off"),
    ])
}

/// Having waited in vain once: for the rest of the call, hardly at all. Many locked rows must not add up.
pub fn hardly_wait_for_locks() -> Option<Temporarily> {
    // SAFETY: reads an integer setting.
    let is_long = unsafe { pg_sys::LockTimeout } > 20;
    is_long.then(|| Temporarily::set(&[(c"lock_timeout", c"20ms")]))
}

/// For the rest of this transaction a commit is on disk when it is acknowledged: what tells somebody "stored" must not be
/// undone by a crash. Stronger settings stay; so does `local`, which waits for this server's own disk.
pub fn commit_durably() {
    IS_DURABLE.set(true);
    // SAFETY: reads an integer setting and changes it as SET LOCAL does. That holds until the transaction ends, also
    // after the function (its SET clauses name other settings): the server reads it when it commits.
    unsafe {
        if pg_sys::synchronous_commit > pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32 {
            return;
        }
        pg_sys::set_config_option(
            c"synchronous_commit".as_ptr(),
            c"on".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}
