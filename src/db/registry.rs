//! All statements that [`statements`](super::statements) declares, for a test: found by the linker, which puts the entries of
//! one section side by side, so that none can be left out of a list.

use super::Session;
use crate::error::Result;

/// How to plan one statement by itself, with its rowsets empty.
pub struct Entry {
    pub name: &'static str,
    pub text: &'static str,
    pub plan: fn(&Session) -> Result<()>,
}

#[cfg(not(test))]
unsafe extern "C" {
    #[link_name = "__start_raw_ops_statements"]
    static START: u8;
    #[link_name = "__stop_raw_ops_statements"]
    static STOP: u8;
}

/// A program of pure tests has none.
#[cfg(test)]
pub fn all() -> &'static [Entry] {
    &[]
}

/// Every statement of the library.
#[cfg(not(test))]
pub fn all() -> &'static [Entry] {
    let (start, stop) = (&raw const START, &raw const STOP);
    let count = (stop as usize - start as usize) / size_of::<Entry>();
    // SAFETY: the section holds entries and nothing else, one after the other.
    unsafe { std::slice::from_raw_parts(start.cast::<Entry>(), count) }
}
