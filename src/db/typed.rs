//! Statements whose name, text, parameters and row stand in one place. What is given is compared by the compiler; what
//! comes back, by name and type, when the statement is planned: a column that was moved, renamed or given another type is
//! an error that names it, before a row is read.

use super::column::{self, Column};
use super::rows::Rows;
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;
use std::marker::PhantomData;

/// A column that a statement returns.
pub struct ResultColumn {
    /// `None`: whatever it is called, the only one.
    pub name: Option<&'static str>,
    /// [`Column::TYPES`].
    pub types: &'static [Oid],
}

/// A row of a statement. Made by [`result_row`](super::result_row), or a single value.
///
/// # Safety
/// [`FromRow::from_row`] must take as many values as there are [`FromRow::COLUMNS`], each as the type it has there.
pub unsafe trait FromRow<'s>: Sized {
    const COLUMNS: &'static [ResultColumn];

    /// # Errors
    /// [`Error::Internal`] for a null that the type cannot hold.
    ///
    /// # Safety
    /// The columns were compared with [`FromRow::COLUMNS`].
    unsafe fn from_row(values: &mut Values<'_>) -> Result<Self>;
}

unsafe impl<'s, T: Column<'s>> FromRow<'s> for T {
    const COLUMNS: &'static [ResultColumn] = &[ResultColumn {
        name: None,
        types: T::TYPES,
    }];

    unsafe fn from_row(values: &mut Values<'_>) -> Result<Self> {
        // SAFETY: as promised by the caller.
        unsafe { values.take() }
    }
}

/// The values of one row, taken in order.
pub struct Values<'r> {
    statement: &'static str,
    columns: &'static [ResultColumn],
    data: &'r [Datum],
    nulls: &'r [bool],
    taken: usize,
}

impl Values<'_> {
    /// # Errors
    /// [`Error::Internal`] for a null that the type cannot hold.
    ///
    /// # Safety
    /// The column is of a type that is stored as one of [`Column::TYPES`].
    pub unsafe fn take<'s, T: Column<'s>>(&mut self) -> Result<T> {
        let number = self.taken;
        self.taken += 1;
        let value = match (self.data.get(number), self.nulls.get(number)) {
            // SAFETY: as promised by the caller.
            (Some(datum), Some(false)) => unsafe { T::read(*datum) },
            _ => T::of_null(),
        };
        value.ok_or_else(|| {
            let name = self.columns.get(number).and_then(|column| column.name);
            Error::Internal(format!(
                "{}: column {} is null",
                self.statement,
                name.unwrap_or("1")
            ))
        })
    }
}

/// What a typed statement returned.
pub struct Found<'s, R> {
    statement: &'static str,
    rows: Rows<'s>,
    row: PhantomData<R>,
}

impl<'s, R: FromRow<'s>> Found<'s, R> {
    /// Types are compared here, and for a statement whose plan is kept in each result: the server may have planned it anew,
    /// for a table that has changed.
    pub fn of(statement: &'static str, rows: Rows<'s>) -> Result<Self> {
        if let Some(descriptor) = rows.descriptor() {
            // SAFETY: the descriptor of rows that are alive.
            unsafe { compare_types(statement, descriptor, R::COLUMNS)? };
        }
        Ok(Self {
            statement,
            rows,
            row: PhantomData,
        })
    }

    /// Rows returned.
    pub fn count(&self) -> usize {
        self.rows.tuples().len()
    }

    /// Each row, as what `read` makes of it.
    ///
    /// # Errors
    /// [`Error::Internal`] for a null that the row's type cannot hold.
    pub fn map<T>(&self, read: impl FnMut(R) -> T) -> Result<Vec<T>> {
        self.map_first(usize::MAX, read)
    }

    /// All rows; errors as [`Found::map`].
    pub fn all(&self) -> Result<Vec<R>> {
        self.map(|row| row)
    }

    /// The first row, if there is one; errors as [`Found::map`].
    pub fn first(&self) -> Result<Option<R>> {
        Ok(self.map_first(1, |row| row)?.pop())
    }

    fn map_first<T>(&self, most: usize, mut read: impl FnMut(R) -> T) -> Result<Vec<T>> {
        let Some(descriptor) = self.rows.descriptor() else {
            return Ok(Vec::new());
        };
        let mut data = vec![Datum::from(0usize); R::COLUMNS.len()];
        let mut nulls = vec![true; R::COLUMNS.len()];
        let tuples = self.rows.tuples().iter().take(most);
        let mut read_rows = Vec::with_capacity(tuples.len());
        for &tuple in tuples {
            // SAFETY: the tuple is of the descriptor, which was found to have as many columns, of these types; values point
            // into the tuple, which is alive as long as `self`.
            let row = unsafe {
                pg_sys::heap_deform_tuple(tuple, descriptor, data.as_mut_ptr(), nulls.as_mut_ptr());
                R::from_row(&mut Values {
                    statement: self.statement,
                    columns: R::COLUMNS,
                    data: &data,
                    nulls: &nulls,
                    taken: 0,
                })?
            };
            read_rows.push(read(row));
        }
        Ok(read_rows)
    }
}

/// Whether there are as many columns, of these types.
///
/// # Safety
/// `descriptor` describes tuples, and is alive.
unsafe fn compare_types(
    statement: &str,
    descriptor: pg_sys::TupleDesc,
    columns: &[ResultColumn],
) -> Result<()> {
    // SAFETY: as promised by the caller.
    let count = unsafe { column::count_of(descriptor) };
    if count != columns.len() {
        let wanted = columns.len();
        return Err(Error::Internal(format!(
            "{statement}: returns {count} columns, where {wanted} are read"
        )));
    }
    for (number, wanted) in columns.iter().enumerate() {
        // SAFETY: as promised by the caller.
        let found = unsafe { column::type_of(descriptor, number) }.unwrap_or(pg_sys::InvalidOid);
        if !column::is_stored_as(found, wanted.types) {
            let place = format!("{statement}: column {}", wanted.name.unwrap_or("1"));
            return Err(column::is_other(place, found, wanted.types));
        }
    }
    Ok(())
}

/// Whether these columns are returned, by name and type.
///
/// # Safety
/// As [`compare_types`]; none, or null, where a statement returns no rows.
pub(super) unsafe fn compare(
    statement: &str,
    descriptor: Option<pg_sys::TupleDesc>,
    columns: &[ResultColumn],
) -> Result<()> {
    // SAFETY: as promised by the caller.
    unsafe {
        let descriptor = compare_names(statement, descriptor, columns)?;
        compare_types(statement, descriptor, columns)
    }
}

/// Whether the columns that are read by name are called so. Whether there are more, [`compare_types`] tells.
///
/// # Safety
/// As [`compare`].
pub(super) unsafe fn compare_names(
    statement: &str,
    descriptor: Option<pg_sys::TupleDesc>,
    columns: &[ResultColumn],
) -> Result<pg_sys::TupleDesc> {
    let Some(descriptor) = descriptor.filter(|descriptor| !descriptor.is_null()) else {
        return Err(Error::Internal(format!("{statement}: returns no rows")));
    };
    for (number, wanted) in (1..).zip(columns) {
        let Some(wanted) = wanted.name else { continue };
        // SAFETY: a C string in the server's memory, or null for a column that is not there.
        let found = unsafe {
            let name = pg_sys::SPI_fname(descriptor, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
        };
        if found.as_deref() != Some(wanted) {
            let found = found.unwrap_or_else(|| "missing".into());
            return Err(Error::Internal(format!(
                "{statement}: column {number} is {found}, where {wanted} is read"
            )));
        }
    }
    Ok(descriptor)
}

/// A name as the server wants it, of a text that ends with NUL.
pub const fn c_name(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(name) => name,
        // Evaluated while compiling.
        Err(_) => panic!("not one NUL, at the end"),
    }
}
