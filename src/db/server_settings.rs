//! The server's settings, also those that a role may not read.

use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// The value of a setting; `None` where the server does not know it, as it knows another library's only where that is loaded. Not for a
/// setting that holds a secret: the value may be shown to whoever may call a function of ours.
pub fn server_setting(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string; the answer, if there is one, stands in the server's memory until the setting changes, and is copied.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
}
