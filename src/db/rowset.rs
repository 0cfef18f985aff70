//! Rows handed to a statement under a name, as a trigger's transition tables are: no arrays to unpack, any number of
//! columns, one pass.

use super::column::type_name;
use super::parameter::Parameter;
use super::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::json::{Decimal, Timestamp};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;

/// A column: name and type.
pub type Column = (&'static CStr, Oid);

/// Rows under construction. Once registered they answer to their name in SQL until the session ends or a rowset of
/// the same name replaces them.
pub struct Rowset {
    name: &'static CStr,
    columns: &'static [Column],
    descriptor: pg_sys::TupleDesc,
    store: *mut pg_sys::Tuplestorestate,
    values: Vec<Datum>,
    nulls: Vec<bool>,
    rows: usize,
    registered: bool,
    /// The first value that was not what its column is, or row that was not as long as the columns: nothing is handed to a
    /// statement then.
    mistake: Option<String>,
}

impl Rowset {
    /// `columns` is a constant of the caller's: its descriptor is made once a backend.
    pub fn new(name: &'static CStr, columns: &'static [Column]) -> Self {
        Self {
            name,
            columns,
            descriptor: descriptor(columns),
            // SAFETY: lives until `drop` ends it.
            store: unsafe { pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem) },
            values: Vec::with_capacity(columns.len()),
            nulls: Vec::with_capacity(columns.len()),
            rows: 0,
            registered: false,
            mistake: None,
        }
    }

    /// Whether there is nothing to hand to a statement. A rowset with a mistake in it is not empty: [`Rowset::register`] is to
    /// tell.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 && self.mistake.is_none()
    }

    /// Ends the row that the calls before have filled. One that has not a value for each column, or a value of another type,
    /// is not kept, and [`Rowset::register`] fails.
    pub fn end_row(&mut self) {
        let (values, columns) = (self.values.len(), self.columns.len());
        if values != columns {
            self.note(|| format!("a row of {values} values for {columns} columns"));
        }
        if self.mistake.is_none() {
            // SAFETY: one value of the column's type and one null flag a column; the store copies what they point to.
            unsafe {
                pg_sys::tuplestore_putvalues(
                    self.store,
                    self.descriptor,
                    self.values.as_mut_ptr(),
                    self.nulls.as_mut_ptr(),
                );
            }
            self.rows += 1;
        }
        self.values.clear();
        self.nulls.clear();
    }

    /// The first mistake stays.
    fn note(&mut self, mistake: impl FnOnce() -> String) {
        self.mistake.get_or_insert_with(mistake);
    }

    fn push<P: Parameter>(&mut self, value: P) -> &mut Self {
        let column = self.columns.get(self.values.len());
        // One too many is told at the end of the row.
        if let Some((name, wanted)) = column.filter(|(_, wanted)| *wanted != P::TYPE) {
            self.note(|| {
                let (given, wanted) = (type_name(P::TYPE), type_name(*wanted));
                format!("column {} is {wanted}, given {given}", name.to_string_lossy())
            });
        }
        let datum = value.into_datum();
        self.nulls.push(datum.is_none());
        self.values.push(datum.unwrap_or(Datum::from(0usize)));
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
        if let Some(mistake) = &self.mistake {
            let name = self.name.to_string_lossy();
            return Err(Error::Internal(format!("rowset {name}: {mistake}")));
        }
        // SAFETY: SPI is connected and copies nothing: the structure is allocated in the session's memory, where a dead
        // rowset's stays readable until it is forgotten; the rows stay in `self`, which unregisters them when dropped.
        unsafe {
            let size = size_of::<pg_sys::EphemeralNamedRelationData>();
            let relation = pg_sys::MemoryContextAllocZero(session.memory(), size)
                .cast::<pg_sys::EphemeralNamedRelationData>();
            (*relation).md.name = self.name.as_ptr().cast_mut();
            (*relation).md.reliddesc = pg_sys::InvalidOid;
            (*relation).md.tupdesc = self.descriptor;
            (*relation).md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
            (*relation).md.enrtuples = self.rows as f64;
            (*relation).reldata = self.store.cast();
            // An ERROR may have left a dead rowset under the name: forget it first.
            pg_sys::SPI_unregister_relation(self.name.as_ptr());
            let code = pg_sys::SPI_register_relation(relation);
            if code != pg_sys::SPI_OK_REL_REGISTER as i32 {
                return Err(Error::Internal(format!(
                    "SPI code {code} registering {:?}",
                    self.name
                )));
            }
        }
        self.registered = true;
        Ok(())
    }
}

thread_local! {
    static DESCRIPTORS: RefCell<HashMap<(*const Column, usize), pg_sys::TupleDesc>> = RefCell::default();
}

fn descriptor(columns: &'static [Column]) -> pg_sys::TupleDesc {
    DESCRIPTORS.with_borrow_mut(|known| {
        *known.entry((columns.as_ptr(), columns.len())).or_insert_with(|| {
            // SAFETY: a fresh descriptor with every attribute initialised, in memory of the backend's own.
            unsafe {
                let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
                let descriptor = pg_sys::CreateTemplateTupleDesc(columns.len() as i32);
                for ((column, oid), number) in columns.iter().zip(1..) {
                    pg_sys::TupleDescInitEntry(descriptor, number, column.as_ptr(), *oid, -1, 0);
                }
                pg_sys::MemoryContextSwitchTo(before);
                descriptor
            }
        })
    })
}

impl Drop for Rowset {
    fn drop(&mut self) {
        // While an ERROR unwinds nothing of the server's may be called: closing a file that a full disk has just refused
        // would raise again, and that ends the whole server. The rollback closes the file, the end of the memory context
        // frees the rest, and the name is forgotten when it is used next, or with SPI's connection.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: registered under this name by this rowset; the store is its own.
        unsafe {
            if self.registered {
                pg_sys::SPI_unregister_relation(self.name.as_ptr());
            }
            pg_sys::tuplestore_end(self.store);
        }
    }
}
