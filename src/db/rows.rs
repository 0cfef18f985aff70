//! What a statement returned, as SPI holds it.

use super::Session;
use crate::error::{Error, Result};
use pgrx::pg_sys;
use std::marker::PhantomData;

/// What a statement returned. Its memory ends with the session: it cannot be taken out of there.
pub struct Rows<'s> {
    table: *mut pg_sys::SPITupleTable,
    affected: usize,
    session: PhantomData<&'s Session>,
}

impl<'s> Rows<'s> {
    /// What the SPI call that has just answered `code` returned.
    pub(super) fn of_last_call(_session: &'s Session, name: &str, code: i32) -> Result<Self> {
        if code < 0 {
            return Err(Error::Internal(format!("SPI code {code} from: {name}")));
        }
        // SAFETY: SPI_tuptable is replaced by the next call, so it is taken at once; its memory lives until SPI
        // disconnects or `Rows` is dropped.
        unsafe {
            let table = pg_sys::SPI_tuptable;
            pg_sys::SPI_tuptable = std::ptr::null_mut();
            Ok(Rows {
                table,
                affected: pg_sys::SPI_processed as usize,
                session: PhantomData,
            })
        }
    }

    /// Rows returned, or inserted, updated, deleted.
    pub fn affected(&self) -> usize {
        self.affected
    }

    /// What the rows consist of; none where the statement returns no rows.
    pub(super) fn descriptor(&self) -> Option<pg_sys::TupleDesc> {
        // SAFETY: SPI's table, alive as long as `self`.
        (!self.table.is_null()).then(|| unsafe { (*self.table).tupdesc })
    }

    pub(super) fn tuples(&self) -> &[pg_sys::HeapTuple] {
        if self.table.is_null() {
            return &[];
        }
        // SAFETY: SPI's table holds `numvals` tuples of one descriptor, alive as long as `self`.
        unsafe { std::slice::from_raw_parts((*self.table).vals, (*self.table).numvals as usize) }
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // While an ERROR unwinds nothing of the server's is called; the end of SPI's connection, or the rollback, frees it.
        if !self.table.is_null() && !std::thread::panicking() {
            // SAFETY: SPI forgets a table it frees; values read from it were copied.
            unsafe { pg_sys::SPI_freetuptable(self.table) };
        }
    }
}
