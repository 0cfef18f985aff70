//! Rows handed to a statement under a name: no arrays to unpack, any number of columns, one pass.

use super::column::type_name;
use super::parameter::Parameter;
pub use super::store::Column;
use super::store::Store;
use super::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::json::{Decimal, Timestamp};
use pgrx::pg_sys::Datum;
use std::ffi::CStr;
use std::marker::PhantomData;

/// A row of a [`TypedRowset`]. Made by [`rowset_row`](super::rowset_row).
///
/// # Safety
/// [`RowsetRow::fill`] must put one value for each of [`RowsetRow::COLUMNS`], in their order and of their types.
pub unsafe trait RowsetRow {
    /// The same row whatever it borrows: what a rowset of such rows is called by.
    type Family: RowsetRow;

    const COLUMNS: &'static [Column];

    fn fill(self, cells: &mut Cells);
}

/// The values of one row under construction.
#[derive(Default)]
pub struct Cells {
    values: Vec<Datum>,
    nulls: Vec<bool>,
}

impl Cells {
    pub fn put<P: Parameter>(&mut self, value: P) {
        let datum = value.into_datum();
        self.nulls.push(datum.is_none());
        self.values.push(datum.unwrap_or(Datum::from(0usize)));
    }

    fn clear(&mut self) {
        self.values.clear();
        self.nulls.clear();
    }
}

/// Rows of one type, for statements that name it: each registers it under the name it reads.
pub struct TypedRowset<'s, F> {
    session: &'s Session,
    store: Store,
    cells: Cells,
    row: PhantomData<F>,
}

impl<'s, F: RowsetRow> TypedRowset<'s, F> {
    pub fn new(session: &'s Session) -> Self {
        Self {
            session,
            store: Store::new(F::COLUMNS),
            cells: Cells::default(),
            row: PhantomData,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.store.rows() == 0
    }

    /// # Errors
    /// [`Error::Internal`] when the row has not a value for each column, which [`rowset_row`](super::rowset_row) sees to.
    pub fn push(&mut self, row: impl RowsetRow<Family = F>) -> Result<()> {
        row.fill(&mut self.cells);
        // SAFETY: the row has promised the types.
        let put = unsafe { self.store.put(&mut self.cells.values, &mut self.cells.nulls) };
        self.cells.clear();
        put
    }

    /// Lets statements read the rows under a name. Statements of [`statements`](super::statements) do it themselves.
    pub fn register(&mut self, name: &'static CStr) -> Result<()> {
        self.store.register(self.session, name)
    }
}

/// Rows under construction. Once registered they answer to their name in SQL until the session ends or a rowset of
/// the same name replaces them. Values are compared with their columns one by one; where the columns are known beforehand a
/// [`TypedRowset`] leaves that to the compiler.
pub struct Rowset {
    name: &'static CStr,
    store: Store,
    cells: Cells,
    /// The first value that was not what its column is, or row that was not as long as the columns: nothing is handed to a
    /// statement then.
    mistake: Option<String>,
}

#[allow(dead_code, reason = "one each type, used now or not")]
impl Rowset {
    /// `columns` is a constant of the caller's: its descriptor is made once a backend.
    pub fn new(name: &'static CStr, columns: &'static [Column]) -> Self {
        Self {
            name,
            store: Store::new(columns),
            cells: Cells::default(),
            mistake: None,
        }
    }

    /// Whether there is nothing to hand to a statement. A rowset with a mistake in it is not empty: [`Rowset::register`] is to
    /// tell.
    pub fn is_empty(&self) -> bool {
        self.store.rows() == 0 && self.mistake.is_none()
    }

    /// Ends the row that the calls before have filled. One that has not a value for each column, or a value of another type,
    /// is not kept, and [`Rowset::register`] fails.
    pub fn end_row(&mut self) {
        if self.mistake.is_none() {
            // SAFETY: values of another type than their column's were noted as a mistake.
            let put = unsafe { self.store.put(&mut self.cells.values, &mut self.cells.nulls) };
            self.mistake = put.err().map(|error| match error {
                Error::Internal(what) => what,
                other => other.to_string(),
            });
        }
        self.cells.clear();
    }

    fn push<P: Parameter>(&mut self, value: P) -> &mut Self {
        let column = self.store.columns().get(self.cells.values.len());
        // One too many is told at the end of the row.
        if let Some((name, wanted)) = column.filter(|(_, wanted)| *wanted != P::TYPE) {
            // The first mistake stays.
            self.mistake.get_or_insert_with(|| {
                let (given, wanted) = (type_name(P::TYPE), type_name(*wanted));
                format!("column {} is {wanted}, given {given}", name.to_string_lossy())
            });
        }
        self.cells.put(value);
        self
    }

    pub fn uuid(&mut self, id: [u8; 16]) -> &mut Self {
        self.push(id)
    }

    pub fn optional_uuid(&mut self, id: Option<[u8; 16]>) -> &mut Self {
        self.push(id)
    }

    pub fn int8(&mut self, value: Option<i64>) -> &mut Self {
        self.push(value)
    }

    pub fn int4(&mut self, value: Option<i32>) -> &mut Self {
        self.push(value)
    }

    pub fn boolean(&mut self, value: Option<bool>) -> &mut Self {
        self.push(value)
    }

    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        self.push(value)
    }

    pub fn texts(&mut self, values: &[String]) -> &mut Self {
        self.push(values)
    }

    pub fn bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.push(value)
    }

    /// Microseconds since 2000-01-01 UTC.
    pub fn timestamp(&mut self, micros: Option<i64>) -> &mut Self {
        self.push(micros.map(Timestamp))
    }

    pub fn jsonb(&mut self, value: Option<Jsonb<'_>>) -> &mut Self {
        self.push(value)
    }

    /// A tree of our own making.
    pub fn json(&mut self, value: &serde_json::Value) -> &mut Self {
        self.push(value)
    }

    /// The same, or null.
    pub fn optional_json(&mut self, value: Option<&serde_json::Value>) -> &mut Self {
        self.push(value)
    }

    pub fn decimal(&mut self, value: Option<&Decimal<'_>>) -> &mut Self {
        self.push(value)
    }

    /// Lets statements of this session read the rows under the rowset's name.
    ///
    /// # Errors
    /// [`Error::Internal`] when a row was not as the columns are.
    pub fn register(&mut self, session: &Session) -> Result<()> {
        match &self.mistake {
            None => self.store.register(session, self.name),
            Some(mistake) => {
                let name = self.name.to_string_lossy();
                Err(Error::Internal(format!("rowset {name}: {mistake}")))
            }
        }
    }
}
