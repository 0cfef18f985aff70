//! Rows handed to a statement under a name: no arrays to unpack, any number of columns, one pass.

use super::Session;
use super::parameter::Parameter;
pub use super::store::Column;
use super::store::Store;
use crate::error::Result;
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
