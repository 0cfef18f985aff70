//! Prepared statements, kept for the life of the backend.

use super::parameter::{Argument, Value, bind};
use super::rows::Rows;
use super::settings::Temporarily;
use super::{Session, owners_triggers, search_path};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::ffi::{CStr, CString};

pub use super::rows::Row;

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
                return execute_plan(self, statement, kept, values);
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
            let rows = execute_plan(self, statement, plan, values);
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
            let mut bound = bind(statement.sql, statement.parameters, &arguments(values))?;
            // SAFETY: arrays have the statement's parameter count and outlive the call; SPI is connected.
            let code = owners_triggers::without_triggers(|| unsafe {
                pg_sys::SPI_execute_with_args(
                    sql.as_ptr(),
                    bound.data.len() as i32,
                    statement.parameters.as_ptr().cast_mut(),
                    bound.data.as_mut_ptr(),
                    bound.nulls.as_ptr(),
                    true,
                    0,
                )
            });
            Rows::of_last_call(self, statement.sql, code)
        })
    }

    /// Runs a statement whose text PostgreSQL's own `format()` has put together, because only the database knows its
    /// columns or tables. Planned as [`Session::execute`] plans, kept by nobody.
    pub fn execute_dynamic(&self, sql: &str, parameters: &[Oid], values: Vec<Value<'_>>) -> Result<Rows<'_>> {
        search_path::keep_pinned();
        let text = CString::new(sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
        let mut bound = bind(sql, parameters, &arguments(values))?;
        let planning = Temporarily::set(PLAN_FOR_LARGE_TABLES);
        owners_triggers::may_fire_triggers();
        // SAFETY: as in `query`.
        let code = unsafe {
            pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                bound.data.len() as i32,
                parameters.as_ptr().cast_mut(),
                bound.data.as_mut_ptr(),
                bound.nulls.as_ptr(),
                false,
                0,
            )
        };
        drop(planning);
        Rows::of_last_call(self, sql, code)
    }
}

fn execute_plan<'s>(
    session: &'s Session,
    statement: &Statement,
    plan: pg_sys::SPIPlanPtr,
    values: Vec<Value<'_>>,
) -> Result<Rows<'s>> {
    let mut bound = bind(statement.sql, statement.parameters, &arguments(values))?;
    owners_triggers::may_fire_triggers();
    // SAFETY: arrays have the plan's parameter count; SPI is connected (a Session exists).
    let code =
        unsafe { pg_sys::SPI_execute_plan(plan, bound.data.as_mut_ptr(), bound.nulls.as_ptr(), false, 0) };
    Rows::of_last_call(session, statement.sql, code)
}

fn arguments(values: Vec<Value<'_>>) -> Vec<Argument> {
    values.into_iter().map(Argument::from).collect()
}

/// Statements here touch a few rows by key, whatever the table's size. A scan that cannot be avoided then seems to cost so much
/// that it would be compiled, for 200 ms a call.
const PLAN_FOR_LARGE_TABLES: &[(&CStr, &CStr)] = &[
    (c"enable_seqscan", c"off"),
    (c"enable_hashjoin", c"off"),
    (c"enable_mergejoin", c"off"),
    (c"jit", c"off"),
];
