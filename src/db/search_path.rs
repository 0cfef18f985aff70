//! The one `search_path` that everything of ours runs under. A name that PostgreSQL looks up along somebody else's path may
//! be somebody else's function, operator, type or table, and it would run with our rights.

use super::settings::Temporarily;
use pgrx::pg_sys;
use std::ffi::CStr;

/// Built-in names only. `pg_temp` stands last, since unnamed it would come first for tables and types.
pub const PINNED: &CStr = c"pg_catalog, pg_temp";

/// Whether names are looked up along our path and no other.
fn is_pinned() -> bool {
    // SAFETY: the server's own copy of the setting: null before the first one, else a C string.
    unsafe {
        let path = pg_sys::namespace_search_path;
        !path.is_null() && CStr::from_ptr(path) == PINNED
    }
}

/// Pins the path until the value is dropped, or until an ERROR ends the (sub-)transaction. Costs nothing where the path is
/// pinned already, as in our workers and inside a function whose SET clause has pinned it.
pub fn pinned() -> Option<Temporarily> {
    (!is_pinned()).then(|| Temporarily::set(&[(c"search_path", PINNED)]))
}

/// Pins it again, should a trigger of the owner's have changed it since the session of SPI began. Holds as long as that.
pub fn keep_pinned() {
    if !is_pinned() {
        super::settings::set_for_now(c"search_path", PINNED);
    }
}
