//! Prepared statements, kept for the life of the backend.

use super::parameter::{Argument, bind};
use super::rows::Rows;
use super::settings::Temporarily;
use super::typed::{self, Found, FromRow, ResultColumn};
use super::{Session, owners_triggers, search_path};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::ffi::{CStr, CString};

/// A statement and, once used, its plan.
pub struct Statement {
    /// In messages.
    name: &'static str,
    sql: &'static str,
    parameters: &'static [Oid],
    /// What is read of it; `None`: nothing, or nothing that was declared.
    columns: Option<&'static [ResultColumn]>,
    plan: Cell<pg_sys::SPIPlanPtr>,
}

impl Statement {
    /// Of [`statements`](super::statements).
    pub const fn typed(
        name: &'static str,
        sql: &'static str,
        parameters: &'static [Oid],
        columns: Option<&'static [ResultColumn]>,
    ) -> Self {
        Self {
            name,
            sql,
            parameters,
            columns,
            plan: Cell::new(std::ptr::null_mut()),
        }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Plans it, once, and keeps nothing.
    ///
    /// # Errors
    /// [`Error::Internal`] when it does not return the columns that are read; an ERROR where a name in it is not found.
    #[cfg(all(feature = "pg_test", not(test)))]
    pub fn check(&self, _session: &Session) -> Result<()> {
        let plan = self.parse()?;
        // SAFETY: the plan that was just made, which nobody else knows.
        unsafe { pg_sys::SPI_freeplan(plan) };
        Ok(())
    }

    /// Parses it and compares its columns with those that are read; an ERROR where a name in it is not found. SPI must be
    /// connected and the named rowsets of the statement registered.
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
        if plan.is_null() {
            return Err(Error::Internal(format!("cannot prepare: {}", self.name)));
        }
        if let Some(columns) = self.columns {
            // SAFETY: a list of one source, since the text is one statement; the plan is alive.
            unsafe {
                let sources = pg_sys::SPI_plan_get_plan_sources(plan);
                let source = pgrx::PgList::<pg_sys::CachedPlanSource>::from_pg(sources).get_ptr(0);
                let descriptor = source.map(|source| (*source).resultDesc);
                typed::compare(self.name, descriptor, columns)?;
            }
        }
        Ok(plan)
    }

    /// Prepares and keeps the plan; [`Statement::parse`]'s conditions.
    fn prepare(&self) -> Result<pg_sys::SPIPlanPtr> {
        let plan = self.parse()?;
        // SAFETY: moves the plan that was just made out of SPI's memory.
        if unsafe { pg_sys::SPI_keepplan(plan) } != 0 {
            return Err(Error::Internal(format!("cannot prepare: {}", self.name)));
        }
        self.plan.set(plan);
        Ok(plan)
    }
}

impl Session {
    /// Runs a statement; arguments are in order of its `$n`. Writes and locks are allowed.
    pub fn execute_with(
        &self,
        statement: &'static std::thread::LocalKey<Statement>,
        arguments: &[Argument],
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
                return execute_plan(self, statement, kept, arguments);
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
            let rows = execute_plan(self, statement, plan, arguments);
            drop(planning);
            rows
        })
    }

    /// Runs a statement that only reads; a writing one is an ERROR. Takes no transaction id, so it works in a read-only
    /// transaction and on a replica, and sees what the query that called the function sees, as a STABLE function must.
    /// Planned anew each time, for these values and for the tables as they are now: for questions about many rows,
    /// asked now and then.
    pub fn query_with(
        &self,
        statement: &'static std::thread::LocalKey<Statement>,
        arguments: &[Argument],
    ) -> Result<Rows<'_>> {
        search_path::keep_pinned();
        statement.with(|statement| {
            let sql =
                CString::new(statement.sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
            let mut bound = bind(statement.name, statement.parameters, arguments)?;
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
            let rows = Rows::of_last_call(self, statement.name, code)?;
            if let Some(columns) = statement.columns {
                // SAFETY: the descriptor of rows that are alive.
                unsafe { typed::compare_names(statement.name, rows.descriptor(), columns)? };
            }
            Ok(rows)
        })
    }

    /// Runs a statement whose text PostgreSQL's own `format()` has put together, because only the database knows its
    /// columns or tables. Planned as [`Session::execute_with`] plans, kept by nobody. `name` is for messages.
    pub fn find_dynamic<'s, R: FromRow<'s>>(
        &'s self,
        name: &'static str,
        sql: &str,
        arguments: &[Argument],
    ) -> Result<Found<'s, R>> {
        search_path::keep_pinned();
        let text = CString::new(sql).map_err(|_| Error::Internal("NUL in a statement".into()))?;
        let mut types: Vec<Oid> = arguments.iter().map(Argument::oid).collect();
        let mut bound = bind(name, &types, arguments)?;
        let planning = Temporarily::set(PLAN_FOR_LARGE_TABLES);
        owners_triggers::may_fire_triggers();
        // SAFETY: as in `query`.
        let code = unsafe {
            pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                bound.data.len() as i32,
                types.as_mut_ptr(),
                bound.data.as_mut_ptr(),
                bound.nulls.as_ptr(),
                false,
                0,
            )
        };
        drop(planning);
        let rows = Rows::of_last_call(self, name, code)?;
        // SAFETY: the descriptor of rows that are alive.
        unsafe { typed::compare_names(name, rows.descriptor(), R::COLUMNS)? };
        Found::of(name, rows)
    }
}

fn execute_plan<'s>(
    session: &'s Session,
    statement: &Statement,
    plan: pg_sys::SPIPlanPtr,
    arguments: &[Argument],
) -> Result<Rows<'s>> {
    let mut bound = bind(statement.name, statement.parameters, arguments)?;
    owners_triggers::may_fire_triggers();
    // SAFETY: arrays have the plan's parameter count; SPI is connected (a Session exists).
    let code =
        unsafe { pg_sys::SPI_execute_plan(plan, bound.data.as_mut_ptr(), bound.nulls.as_ptr(), false, 0) };
    Rows::of_last_call(session, statement.name, code)
}

/// Statements here touch a few rows by key, whatever the table's size. A scan that cannot be avoided then seems to cost so much
/// that it would be compiled, for 200 ms a call.
const PLAN_FOR_LARGE_TABLES: &[(&CStr, &CStr)] = &[
    (c"enable_seqscan", c"off"),
    (c"enable_hashjoin", c"off"),
    (c"enable_mergejoin", c"off"),
    (c"jit", c"off"),
];
