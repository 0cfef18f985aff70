//! Rows handed to a statement under a name, as a trigger's transition tables are: no arrays to unpack, any number of
//! columns, one pass.

use super::{Jsonb, Session};
use crate::error::{Error, Result};
use crate::json::Decimal;
use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};

/// A column: name and type.
pub type Column = (&'static CStr, Oid);

/// Rows under construction. Once registered they answer to their name in SQL until the session ends or a rowset of
/// the same name replaces them.
pub struct Rowset {
    name: &'static CStr,
    descriptor: pg_sys::TupleDesc,
    store: *mut pg_sys::Tuplestorestate,
    values: Vec<Datum>,
    nulls: Vec<bool>,
    rows: usize,
    registered: bool,
}

impl Rowset {
    /// `columns` is a constant of the caller's: its descriptor is made once a backend.
    pub fn new(name: &'static CStr, columns: &'static [Column]) -> Self {
        Self {
            name,
            descriptor: descriptor(columns),
            // SAFETY: lives until `drop` ends it.
            store: unsafe { pg_sys::tuplestore_begin_heap(true, false, pg_sys::work_mem) },
            values: Vec::with_capacity(columns.len()),
            nulls: Vec::with_capacity(columns.len()),
            rows: 0,
            registered: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Ends the row that the calls before have filled.
    pub fn end_row(&mut self) {
        debug_assert_eq!(self.values.len(), self.nulls.len());
        // SAFETY: one value and one null flag a column; the store copies what they point to.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.store,
                self.descriptor,
                self.values.as_mut_ptr(),
                self.nulls.as_mut_ptr(),
            );
        }
        self.values.clear();
        self.nulls.clear();
        self.rows += 1;
    }

    fn push(&mut self, datum: Option<Datum>) -> &mut Self {
        self.nulls.push(datum.is_none());
        self.values.push(datum.unwrap_or(Datum::from(0usize)));
        self
    }

    pub fn uuid(&mut self, id: [u8; 16]) -> &mut Self {
        self.push(pgrx::Uuid::from_bytes(id).into_datum())
    }

    pub fn optional_uuid(&mut self, id: Option<[u8; 16]>) -> &mut Self {
        self.push(id.and_then(|id| pgrx::Uuid::from_bytes(id).into_datum()))
    }

    pub fn int8(&mut self, value: Option<i64>) -> &mut Self {
        self.push(value.map(Datum::from))
    }

    pub fn int4(&mut self, value: Option<i32>) -> &mut Self {
        self.push(value.map(Datum::from))
    }

    pub fn boolean(&mut self, value: Option<bool>) -> &mut Self {
        self.push(value.map(Datum::from))
    }

    pub fn text(&mut self, value: Option<&str>) -> &mut Self {
        self.push(value.and_then(IntoDatum::into_datum))
    }

    pub fn texts(&mut self, values: &[String]) -> &mut Self {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        self.push(values.into_datum())
    }

    pub fn bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.push(value.and_then(IntoDatum::into_datum))
    }

    pub fn timestamp(&mut self, micros: Option<i64>) -> &mut Self {
        self.push(micros.map(Datum::from))
    }

    pub fn jsonb(&mut self, value: Option<Jsonb<'_>>) -> &mut Self {
        self.push(value.map(Jsonb::to_datum))
    }

    /// A tree of our own making.
    pub fn json(&mut self, value: &serde_json::Value) -> &mut Self {
        self.push(pgrx::JsonB(value.clone()).into_datum())
    }

    /// The same, or null.
    pub fn optional_json(&mut self, value: Option<&serde_json::Value>) -> &mut Self {
        self.push(value.and_then(|value| pgrx::JsonB(value.clone()).into_datum()))
    }

    /// A jsonb datum made elsewhere.
    pub fn jsonb_datum(&mut self, value: Option<Datum>) -> &mut Self {
        self.push(value)
    }

    pub fn decimal(&mut self, value: Option<&Decimal<'_>>) -> &mut Self {
        let datum = value.and_then(|decimal| {
            let digits = CString::new(decimal.as_str()).ok()?;
            // SAFETY: numeric_in on validated digits; -1 is "no type modifier".
            unsafe {
                pgrx::fcinfo::direct_function_call_as_datum(
                    pg_sys::numeric_in,
                    &[
                        Some(Datum::from(digits.as_ptr())),
                        Some(Datum::from(0u32)),
                        Some(Datum::from(-1i32)),
                    ],
                )
            }
        });
        self.push(datum)
    }

    /// Lets statements of this session read the rows under the rowset's name.
    pub fn register(&mut self, session: &Session) -> Result<()> {
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
    static DESCRIPTORS: RefCell<HashMap<*const Column, pg_sys::TupleDesc>> = RefCell::default();
}

fn descriptor(columns: &'static [Column]) -> pg_sys::TupleDesc {
    DESCRIPTORS.with_borrow_mut(|known| {
        *known.entry(columns.as_ptr()).or_insert_with(|| {
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
