//! Prepared statements, kept for the life of the backend, and their rows.

use super::settings::Temporarily;
use super::{Jsonb, Session, owners_triggers, search_path};
use crate::error::{Error, Result};
use pgrx::datum::{FromDatum, IntoDatum};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;

/// One parameter.
pub enum Value<'a> {
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Text(&'a str),
    Uuid([u8; 16]),
    Int8Array(Vec<i64>),
    TextArray(Vec<&'a str>),
    Timestamp(i64),
    UuidArray(Vec<[u8; 16]>),
    Json(&'a serde_json::Value),
    Bytes(&'a [u8]),
    Boolean(bool),
    /// Null where there is nothing.
    OptionalText(Option<&'a str>),
    OptionalUuid(Option<[u8; 16]>),
    OptionalJsonb(Option<Jsonb<'a>>),
    Interval(Option<pgrx::datum::Interval>),
}

impl Value<'_> {
    fn into_datum(self) -> Option<Datum> {
        match self {
            Value::Int4(v) => v.into_datum(),
            Value::Int8(v) | Value::Timestamp(v) => v.into_datum(),
            Value::Float8(v) => v.into_datum(),
            Value::Text(v) => v.into_datum(),
            Value::Int8Array(v) => v.into_datum(),
            Value::TextArray(v) => v.into_datum(),
            Value::Uuid(v) => pgrx::Uuid::from_bytes(v).into_datum(),
            Value::UuidArray(v) => v
                .into_iter()
                .map(pgrx::Uuid::from_bytes)
                .collect::<Vec<_>>()
                .into_datum(),
            Value::Json(v) => pgrx::JsonB(v.clone()).into_datum(),
            Value::Bytes(v) => v.into_datum(),
            Value::Boolean(v) => v.into_datum(),
            Value::OptionalText(v) => v.into_datum(),
            Value::OptionalUuid(v) => v.map(pgrx::Uuid::from_bytes).into_datum(),
            Value::OptionalJsonb(v) => v.map(Jsonb::to_datum),
            Value::Interval(v) => v.into_datum(),
        }
    }
}

/// A statement and, once used, its plan.
pub struct Statement {
    sql: &'static str,
    parameters: &'static [Oid],
    plan: Cell<pg_sys::SPIPlanPtr>,
}

impl Statement {
    pub const fn new(sql: &'static str, parameters: &'static [Oid]) -> Self {
        Self {
            sql,
            parameters,
            plan: Cell::new(std::ptr::null_mut()),
        }
    }

    /// Parses it; an ERROR where a name in it is not found. SPI must be connected and the named rowsets of the statement
    /// registered.
    fn parse(&self) -> Result<pg_sys::SPIPlanPtr> {
        let sql = CString::new(self.sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
        // SAFETY: the parameter array outlives the call; the plan lives in SPI's memory.
        let plan = owners_triggers::without_triggers(|| unsafe {
            pg_sys::SPI_prepare_cursor(
                sql.as_ptr(),
                self.parameters.len() as i32,
                self.parameters.as_ptr().cast_mut(),
                // One plan for any parameters: planning anew would cost more than running.
                pg_sys::CURSOR_OPT_GENERIC_PLAN as i32,
            )
        });
        match plan.is_null() {
            true => Err(Error::Internal(format!("cannot prepare: {}", self.sql))),
            false => Ok(plan),
        }
    }

    /// Prepares and keeps the plan; [`Statement::parse`]'s conditions.
    fn prepare(&self) -> Result<pg_sys::SPIPlanPtr> {
        let plan = self.parse()?;
        // SAFETY: moves the plan that was just made out of SPI's memory.
        if unsafe { pg_sys::SPI_keepplan(plan) } != 0 {
            return Err(Error::Internal(format!("cannot prepare: {}", self.sql)));
        }
        self.plan.set(plan);
        Ok(plan)
    }
}

impl Session {
    /// Runs a statement; parameters are in order of its `$n`. Writes and locks are allowed.
    pub fn execute(
        &self,
        statement: &'static std::thread::LocalKey<Statement>,
        values: Vec<Value<'_>>,
    ) -> Result<Rows<'_>> {
        search_path::keep_pinned();
        statement.with(|statement| {
            let kept = statement.plan.get();
            // SAFETY: a plan once kept stays; whether its tables changed is asked after hearing of the changes.
            let plan_stands = !kept.is_null()
                && unsafe {
                    pg_sys::AcceptInvalidationMessages();
                    pg_sys::SPI_plan_is_valid(kept)
                };
            if plan_stands {
                return execute_plan(statement, kept, values);
            }
            // A plan is often made while the tables are empty or small, and kept while they grow.
            let planning = Temporarily::set(PLAN_FOR_LARGE_TABLES);
            let plan = if kept.is_null() {
                statement.prepare()?
            } else {
                // Its tables have changed, or are gone: that is told before anything is run that may fire a trigger.
                let parsed = statement.parse()?;
                // SAFETY: the plan that was just made, which nobody else knows.
                unsafe { pg_sys::SPI_freeplan(parsed) };
                kept
            };
            let rows = execute_plan(statement, plan, values);
            drop(planning);
            rows
        })
    }

    /// Runs a statement that only reads; a writing one is an ERROR. Takes no transaction id, so it works in a read-only
    /// transaction and on a replica, and sees what the query that called the function sees, as a STABLE function must.
    /// Planned anew each time, for these values and for the tables as they are now: for questions about many rows,
    /// asked now and then.
    pub fn query(
        &self,
        statement: &'static std::thread::LocalKey<Statement>,
        values: Vec<Value<'_>>,
    ) -> Result<Rows<'_>> {
        search_path::keep_pinned();
        statement.with(|statement| {
            let sql =
                CString::new(statement.sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
            let (mut datums, nulls) = bind(statement.parameters, values);
            // SAFETY: arrays have the statement's parameter count and outlive the call; SPI is connected.
            let code = owners_triggers::without_triggers(|| unsafe {
                pg_sys::SPI_execute_with_args(
                    sql.as_ptr(),
                    datums.len() as i32,
                    statement.parameters.as_ptr().cast_mut(),
                    datums.as_mut_ptr(),
                    nulls.as_ptr(),
                    true,
                    0,
                )
            });
            take_rows(statement.sql, code)
        })
    }

    /// Runs a statement whose text PostgreSQL's own `format()` has put together, because only the database knows its
    /// columns or tables. Planned as [`Session::execute`] plans, kept by nobody.
    pub fn execute_dynamic(&self, sql: &str, parameters: &[Oid], values: Vec<Value<'_>>) -> Result<Rows<'_>> {
        search_path::keep_pinned();
        let text = CString::new(sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
        let (mut datums, nulls) = bind(parameters, values);
        let planning = Temporarily::set(PLAN_FOR_LARGE_TABLES);
        owners_triggers::may_fire_triggers();
        // SAFETY: as in `query`.
        let code = unsafe {
            pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                datums.len() as i32,
                parameters.as_ptr().cast_mut(),
                datums.as_mut_ptr(),
                nulls.as_ptr(),
                false,
                0,
            )
        };
        drop(planning);
        take_rows(sql, code)
    }
}

fn execute_plan<'s>(
    statement: &Statement,
    plan: pg_sys::SPIPlanPtr,
    values: Vec<Value<'_>>,
) -> Result<Rows<'s>> {
    let (mut datums, nulls) = bind(statement.parameters, values);
    owners_triggers::may_fire_triggers();
    // SAFETY: arrays have the plan's parameter count; SPI is connected (a Session exists).
    let code = unsafe { pg_sys::SPI_execute_plan(plan, datums.as_mut_ptr(), nulls.as_ptr(), false, 0) };
    take_rows(statement.sql, code)
}

/// Values as SPI wants them: data, and `n` or a blank for null or not.
fn bind(parameters: &[Oid], values: Vec<Value<'_>>) -> (Vec<Datum>, Vec<std::ffi::c_char>) {
    debug_assert_eq!(values.len(), parameters.len());
    let mut nulls = vec![b' ' as std::ffi::c_char; values.len()];
    let mut datums = Vec::with_capacity(values.len());
    for (value, null) in values.into_iter().zip(&mut nulls) {
        let datum = value.into_datum();
        if datum.is_none() {
            *null = b'n' as std::ffi::c_char;
        }
        datums.push(datum.unwrap_or(Datum::from(0usize)));
    }
    (datums, nulls)
}

/// What the SPI call that has just answered `code` returned.
fn take_rows<'s>(sql: &str, code: i32) -> Result<Rows<'s>> {
    if code < 0 {
        return Err(Error::Internal(format!("SPI code {code} from: {sql}")));
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

/// Statements here touch a few rows by key, whatever the table's size. A scan that cannot be avoided then seems to cost so much
/// that it would be compiled, for 200 ms a call.
const PLAN_FOR_LARGE_TABLES: &[(&CStr, &CStr)] = &[
    (c"enable_seqscan", c"off"),
    (c"enable_hashjoin", c"off"),
    (c"enable_mergejoin", c"off"),
    (c"jit", c"off"),
];

/// What a statement returned. Its memory ends with the session: it cannot be taken out of there.
pub struct Rows<'s> {
    table: *mut pg_sys::SPITupleTable,
    affected: usize,
    session: PhantomData<&'s Session>,
}

impl Rows<'_> {
    /// Rows returned, or inserted, updated, deleted.
    pub fn affected(&self) -> usize {
        self.affected
    }

    pub fn map<'r, T>(&'r self, read: impl FnMut(Row<'r>) -> T) -> Vec<T> {
        self.map_first(usize::MAX, read)
    }

    /// The first so many rows only.
    pub fn map_first<'r, T>(&'r self, most: usize, mut read: impl FnMut(Row<'r>) -> T) -> Vec<T> {
        if self.table.is_null() {
            return Vec::new();
        }
        // SAFETY: SPI's table holds `numvals` tuples of one descriptor, alive as long as `self`.
        unsafe {
            let table = &*self.table;
            let tuples = std::slice::from_raw_parts(table.vals, table.numvals as usize);
            tuples
                .iter()
                .take(most)
                .map(|&tuple| {
                    read(Row {
                        tuple,
                        descriptor: table.tupdesc,
                        rows: PhantomData,
                    })
                })
                .collect()
        }
    }

    pub fn first<'r, T>(&'r self, read: impl FnMut(Row<'r>) -> T) -> Option<T> {
        self.map_first(1, read).into_iter().next()
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        // While an ERROR unwinds nothing of the server's is called; the end of SPI's connection, or the rollback, frees it.
        if !self.table.is_null() && !std::thread::panicking() {
            // SAFETY: SPI forgets a table it frees; values read from it were copied (or belong to the payload below,
            // which reads of `Row::jsonb` detoast into memory of their own).
            unsafe { pg_sys::SPI_freetuptable(self.table) };
        }
    }
}

/// One row; columns count from 1. Lives as long as the rows it is one of.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    rows: PhantomData<&'r ()>,
}

impl Row<'_> {
    fn datum(self, column: i32) -> Option<Datum> {
        let mut is_null = false;
        // SAFETY: tuple and descriptor belong together; an unknown column yields null.
        let datum = unsafe { pg_sys::SPI_getbinval(self.tuple, self.descriptor, column, &mut is_null) };
        (!is_null).then_some(datum)
    }

    fn get<T: FromDatum>(self, column: i32) -> Option<T> {
        // SAFETY: callers name the type their statement selects.
        self.datum(column)
            .and_then(|datum| unsafe { T::from_datum(datum, false) })
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

    pub fn text(self, column: i32) -> Option<String> {
        self.get(column)
    }

    /// The bytes of a text that need not be valid in the database's encoding.
    pub fn text_bytes(self, column: i32) -> Option<Vec<u8>> {
        // A text is stored as a bytea is.
        self.get(column)
    }

    /// A text[]; empty when null.
    pub fn texts(self, column: i32) -> Vec<String> {
        self.get(column).unwrap_or_default()
    }

    pub fn bytes(self, column: i32) -> Option<Vec<u8>> {
        self.get(column)
    }

    /// A jsonb as a tree of its own: for small values. One that holds what a tree cannot (a number beyond a double's) reads
    /// as null: whoever wrote it by hand must not stop what reads it among others.
    pub fn json(self, column: i32) -> Option<serde_json::Value> {
        // SAFETY: the caller's statement selects jsonb here.
        self.datum(column)
            .map(|datum| unsafe { super::jsonb::tree(datum) })
    }

    /// Microseconds since 2000-01-01 UTC.
    pub fn timestamp(self, column: i32) -> Option<i64> {
        self.get(column)
    }

    pub fn uuid(self, column: i32) -> Option<[u8; 16]> {
        self.get::<pgrx::Uuid>(column).map(|id| *id.as_bytes())
    }

    /// How many bytes a value takes once it is fetched and decompressed, which is not done here; 0 for null.
    pub fn full_size(self, column: i32) -> usize {
        // SAFETY: the caller's statement selects a type of variable length here; only its header is read.
        self.datum(column)
            .map_or(0, |datum| unsafe { pg_sys::toast_raw_datum_size(datum) })
    }

    /// Fetched and decompressed once, into memory that lives until SPI disconnects.
    pub fn jsonb<'a>(self, column: i32) -> Option<Jsonb<'a>> {
        // SAFETY: the caller's statement selects jsonb here; the copy outlives the row.
        self.datum(column).map(|datum| unsafe { Jsonb::copied(datum) })
    }
}
