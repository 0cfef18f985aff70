//! Settings: names, units, defaults. Every one has a description in `pg_settings`.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;

/// Most background workers a server may run; also the number of wake-up slots in shared memory.
pub const MAX_WORKERS: usize = 16;

static DATABASE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"postgres"));
static WORKERS: GucSetting<i32> = GucSetting::<i32>::new(1);

/// The database the background workers serve.
pub fn database() -> String {
    DATABASE
        .get()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// How many background workers to start.
pub fn workers() -> usize {
    usize::try_from(WORKERS.get()).unwrap_or(0).min(MAX_WORKERS)
}

/// Defines the settings. Both are read at server start, so they can only be fixed there; a library loaded later
/// (no `shared_preload_libraries`) defines them too, for `SHOW` to answer.
pub fn register(at_server_start: bool) {
    let context = || {
        if at_server_start {
            GucContext::Postmaster
        } else {
            GucContext::Sighup
        }
    };
    GucRegistry::define_string_guc(
        c"raw_ops.database",
        c"Database whose inbox the background workers drain.",
        c"Read at server start. The extension must be created and set up in this database.",
        &DATABASE,
        context(),
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"raw_ops.workers",
        c"Number of background workers; 0 leaves the work to pg_cron.",
        c"Read at server start, and only when raw_ops is in shared_preload_libraries.",
        &WORKERS,
        0,
        MAX_WORKERS as i32,
        context(),
        GucFlags::default(),
    );
}
