//! Rows in a tuple store, which statements read under a name, as a trigger's transition tables are.

use super::{Session, in_memory};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;

/// A column: name and type.
pub type Column = (&'static CStr, Oid);

/// Rows of some columns.
pub(super) struct Store {
    columns: &'static [Column],
    descriptor: pg_sys::TupleDesc,
    store: *mut pg_sys::Tuplestorestate,
    rows: usize,
    registered: Option<&'static CStr>,
}

impl Store {
    /// `columns` is a constant of the caller's: its descriptor is made once a backend.
    pub fn new(columns: &'static [Column]) -> Self {
        Self {
            columns,
            descriptor: descriptor(columns),
            // SAFETY: lives until `drop` ends it.
            store: unsafe { pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem) },
            rows: 0,
            registered: None,
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// # Errors
    /// [`Error::Internal`] when there is not a value, and whether it is null, for each column.
    ///
    /// # Safety
    /// Each value is of its column's type.
    pub unsafe fn put(&mut self, values: &mut [Datum], nulls: &mut [bool]) -> Result<()> {
        let (given, columns) = (values.len(), self.columns.len());
        if given != columns || nulls.len() != columns {
            return Err(Error::Internal(format!(
                "a row of {given} values for {columns} columns"
            )));
        }
        // SAFETY: one value and one null flag a column; the store copies what they point to.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.store,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
        self.rows += 1;
        Ok(())
    }

    /// Lets statements of this session read the rows under a name, until the session ends, the store goes or another one
    /// takes the name.
    pub fn register(&mut self, session: &Session, name: &'static CStr) -> Result<()> {
        // SAFETY: SPI is connected and copies nothing: the structure, and SPI's own list of such names, are allocated in the
        // session's memory, so that what a failed attempt leaves behind stays readable until it is forgotten; the rows stay in
        // `self`, which unregisters them when dropped.
        let code = unsafe {
            in_memory(session.memory(), || {
                let size = size_of::<pg_sys::EphemeralNamedRelationData>();
                let relation = pg_sys::palloc0(size).cast::<pg_sys::EphemeralNamedRelationData>();
                (*relation).md.name = name.as_ptr().cast_mut();
                (*relation).md.reliddesc = pg_sys::InvalidOid;
                (*relation).md.tupdesc = self.descriptor;
                (*relation).md.enrtype = pg_sys::EphemeralNameRelationType::ENR_NAMED_TUPLESTORE;
                (*relation).md.enrtuples = self.rows as f64;
                (*relation).reldata = self.store.cast();
                // Its earlier name is given up, and an ERROR may have left a dead rowset under this one: forgotten first.
                for earlier in self.registered.into_iter().chain([name]) {
                    pg_sys::SPI_unregister_relation(earlier.as_ptr());
                }
                pg_sys::SPI_register_relation(relation)
            })
        };
        if code != pg_sys::SPI_OK_REL_REGISTER as i32 {
            return Err(Error::Internal(format!("SPI code {code} registering {name:?}")));
        }
        self.registered = Some(name);
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

impl Drop for Store {
    fn drop(&mut self) {
        // While an ERROR unwinds nothing of the server's may be called: closing a file that a full disk has just refused
        // would raise again, and that ends the whole server. The rollback closes the file, the end of the memory context
        // frees the rest, and the name is forgotten when it is used next, or with SPI's connection.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: registered under this name by this store; the store is its own.
        unsafe {
            if let Some(name) = self.registered {
                pg_sys::SPI_unregister_relation(name.as_ptr());
            }
            pg_sys::tuplestore_end(self.store);
        }
    }
}
