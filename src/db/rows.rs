//! What a statement returned, and reading it column by column.

use super::column::{self, Column, TextBytes};
use super::{Jsonb, Session, raise};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use pgrx::pg_sys::{self, Datum, Oid};
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

    pub fn map<'r, T>(&'r self, read: impl FnMut(Row<'r, 's>) -> T) -> Vec<T> {
        self.map_first(usize::MAX, read)
    }

    /// The first so many rows only.
    pub fn map_first<'r, T>(&'r self, most: usize, mut read: impl FnMut(Row<'r, 's>) -> T) -> Vec<T> {
        let Some(descriptor) = self.descriptor() else {
            return Vec::new();
        };
        let row = |&tuple: &pg_sys::HeapTuple| Row {
            tuple,
            descriptor,
            rows: PhantomData,
            session: PhantomData,
        };
        self.tuples()
            .iter()
            .take(most)
            .map(|tuple| read(row(tuple)))
            .collect()
    }

    pub fn first<'r, T>(&'r self, read: impl FnMut(Row<'r, 's>) -> T) -> Option<T> {
        self.map_first(1, read).into_iter().next()
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
            // SAFETY: SPI forgets a table it frees; values read from it were copied (`Row::jsonb` detoasts into memory of its
            // own).
            unsafe { pg_sys::SPI_freetuptable(self.table) };
        }
    }
}

/// One row; columns count from 1. Lives as long as the rows it is one of. A column that is not there, or is of another type
/// than it is read as, is an ERROR, in every build: such a mistake in a statement must not read beyond the row, and not
/// look like null.
#[derive(Clone, Copy)]
pub struct Row<'r, 's> {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    rows: PhantomData<&'r ()>,
    session: PhantomData<&'s Session>,
}

#[allow(dead_code, reason = "one each type, used now or not")]
impl<'s> Row<'_, 's> {
    fn type_of(self, column: i32) -> Oid {
        let index = usize::try_from(column - 1).ok();
        // SAFETY: the descriptor of the row, alive as it is.
        match index.and_then(|index| unsafe { column::type_of(self.descriptor, index) }) {
            Some(oid) => oid,
            None => raise(Error::Internal(format!(
                "column {column} is read, which the statement does not return"
            ))),
        }
    }

    /// The value of a column that is there, unless it is null.
    fn datum(self, column: i32) -> Option<Datum> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together; an unknown column yields null.
        let datum = unsafe { pg_sys::SPI_getbinval(self.tuple, self.descriptor, column, &mut is_null) };
        (!is_null).then_some(datum)
    }

    fn get<T: Column<'s>>(self, column: i32) -> Option<T> {
        let found = self.type_of(column);
        if !column::is_stored_as(found, T::TYPES) {
            raise(column::is_other(format_args!("column {column}"), found, T::TYPES));
        }
        // SAFETY: its type has just been compared.
        self.datum(column).and_then(|datum| unsafe { T::read(datum) })
    }

    pub fn int4(self, column: i32) -> Option<i32> {
        self.get(column)
    }

    pub fn int8(self, column: i32) -> Option<i64> {
        self.get(column)
    }

    pub fn float8(self, column: i32) -> Option<f64> {
        self.get(column)
    }

    pub fn boolean(self, column: i32) -> Option<bool> {
        self.get(column)
    }

    /// A text[]; empty when null. Statements that stand by themselves are the last to need it: their tests.
    #[cfg(any(test, feature = "pg_test"))]
    pub fn texts(self, column: i32) -> Vec<String> {
        self.get(column).unwrap_or_default()
    }

    pub fn text(self, column: i32) -> Option<String> {
        self.get(column)
    }

    /// The bytes of a text that need not be valid in the database's encoding.
    pub fn text_bytes(self, column: i32) -> Option<Vec<u8>> {
        self.get::<TextBytes>(column).map(|text| text.0)
    }

    pub fn bytes(self, column: i32) -> Option<Vec<u8>> {
        self.get(column)
    }

    /// A jsonb as a tree of its own: for small values; null where it holds what a tree cannot.
    pub fn json(self, column: i32) -> Option<serde_json::Value> {
        self.get(column)
    }

    /// Microseconds since 2000-01-01 UTC.
    pub fn timestamp(self, column: i32) -> Option<i64> {
        self.get::<Timestamp>(column).map(|time| time.0)
    }

    pub fn uuid(self, column: i32) -> Option<[u8; 16]> {
        self.get(column)
    }

    /// Fetched and decompressed once, into memory that lives until SPI disconnects.
    pub fn jsonb(self, column: i32) -> Option<Jsonb<'s>> {
        self.get(column)
    }
}
