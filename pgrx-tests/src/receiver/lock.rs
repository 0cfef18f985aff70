//! A lock that outlives a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holder may have panicked in another test's thread: the data is still whole.
#[derive(Debug)]
pub(super) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
