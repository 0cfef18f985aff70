//! A statement that goes by position: types are compared value by value. The last of its kind; new ones are declared.

use super::column::{self, Column};
use super::rows::Rows;
use super::{Argument, Session, Statement, raise};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Oid};

impl Statement {
    pub const fn new(sql: &'static str, parameters: &'static [Oid]) -> Self {
        Self::typed(sql, sql, parameters, None)
    }
}

/// A parameter.
pub enum Value<'a> {
    Text(&'a str),
}

impl Session {
    /// Runs a statement that only reads, as [`Session::query_with`].
    pub fn query(
        &self,
        statement: &'static std::thread::LocalKey<Statement>,
        values: Vec<Value<'_>>,
    ) -> Result<Rows<'_>> {
        let arguments: Vec<Argument> = values
            .into_iter()
            .map(|Value::Text(text)| Argument::of(text))
            .collect();
        self.query_with(statement, &arguments)
    }
}

impl Rows<'_> {
    pub fn map<T>(&self, read: impl FnMut(Row<'_>) -> T) -> Vec<T> {
        let tuples = self.tuples().iter();
        tuples.map(|&tuple| Row { tuple, rows: self }).map(read).collect()
    }
}

/// One row; columns count from 1. A column that is not there, or is of another type than it is read as, is an ERROR.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    tuple: pg_sys::HeapTuple,
    rows: &'r Rows<'r>,
}

impl Row<'_> {
    pub fn int8(self, column: i32) -> Option<i64> {
        self.get(column)
    }

    pub fn float8(self, column: i32) -> Option<f64> {
        self.get(column)
    }

    pub fn text(self, column: i32) -> Option<String> {
        self.get(column)
    }

    fn get<'v, T: Column<'v>>(self, column: i32) -> Option<T> {
        let descriptor = self.rows.descriptor()?;
        let index = usize::try_from(column - 1).ok();
        // SAFETY: the descriptor of the rows, alive as they are.
        let Some(found) = index.and_then(|index| unsafe { column::type_of(descriptor, index) }) else {
            raise(Error::Internal(format!(
                "column {column} is read, which the statement does not return"
            )));
        };
        if !column::is_stored_as(found, T::TYPES) {
            raise(column::is_other(format_args!("column {column}"), found, T::TYPES));
        }
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together; the type has just been compared.
        unsafe {
            let datum = pg_sys::SPI_getbinval(self.tuple, descriptor, column, &mut is_null);
            if is_null { None } else { T::read(datum) }
        }
    }
}
