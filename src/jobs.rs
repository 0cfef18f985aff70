//! What runs when: the pg_cron jobs. Rows of pg_cron's, not members of the extension: they survive DROP EXTENSION.

mod housekeeping;

use crate::db::{self, Session, Statement, Value, owner};
use crate::error::{Error, Result};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

/// A pg_cron job.
struct Job {
    name: &'static str,
    schedule: &'static str,
    command: &'static str,
}

const JOBS: &[Job] = &[
    // Source: ORD, "pg_cron Job"; it calls the function directly instead of a hosted URL.
    Job {
        name: "retry-failed-webhooks",
        schedule: "*/5 * * * *",
        command: "SELECT raw_ops.retry_failed_webhooks();",
    },
    // The safety net under the worker, and all there is without it.
    Job {
        name: "raw-ops-drain",
        schedule: "* * * * *",
        command: "CALL raw_ops.drain_inbox();",
    },
];

thread_local! {
    static IS_INSTALLED: Statement = const { Statement::new(
        "select exists (select from pg_catalog.pg_extension where extname = 'pg_cron')", &[]) };
    static OTHER_OWNER: Statement = const { Statement::new(
        "select username::text from cron.job where jobname = $1 and username <> $2 and database = current_database()",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID]) };
    static SCHEDULE: Statement = const { Statement::new(
        "select cron.schedule($1, $2, $3)", &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID]) };
    static UNSCHEDULE: Statement = const { Statement::new(
        "select cron.unschedule(jobid) from cron.job where jobname = $1 and username = current_user",
        &[pg_sys::TEXTOID]) };
}

#[pg_extern(volatile)]
fn fn_schedule_jobs_v1() -> Result<JsonB, ErrorReport> {
    Ok(db::session(|session| {
        require_pg_cron(session)?;
        let mut scheduled = Vec::with_capacity(JOBS.len());
        for job in JOBS {
            refuse_another_owner(session, job)?;
            let values = vec![
                Value::Text(job.name),
                Value::Text(job.schedule),
                Value::Text(job.command),
            ];
            let id = session.run(&SCHEDULE, values)?.first(|row| row.int8(1)).flatten();
            scheduled.push(json!({
                "jobid": id, "jobname": job.name, "schedule": job.schedule, "command": job.command,
            }));
        }
        Ok(JsonB(json!({"scheduled": scheduled})))
    })?)
}

#[pg_extern(volatile)]
fn fn_unschedule_jobs_v1() -> Result<JsonB, ErrorReport> {
    Ok(db::session(|session| {
        require_pg_cron(session)?;
        let mut unscheduled = Vec::new();
        for job in JOBS {
            if session.run(&UNSCHEDULE, vec![Value::Text(job.name)])?.affected() > 0 {
                unscheduled.push(job.name);
            }
        }
        Ok(JsonB(json!({"unscheduled": unscheduled})))
    })?)
}

fn require_pg_cron(session: &Session) -> Result<()> {
    if session
        .run(&IS_INSTALLED, vec![])?
        .first(|row| row.boolean(1))
        .flatten()
        == Some(true)
    {
        return Ok(());
    }
    Err(Error::MissingExtension {
        name: "pg_cron",
        next: "Add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart, then run: \
               CREATE EXTENSION pg_cron;"
            .into(),
    })
}

/// pg_cron keeps jobs per role: the same name under another role would run everything twice.
fn refuse_another_owner(session: &Session, job: &Job) -> Result<()> {
    // pg_cron's row security hides other roles' jobs from the caller.
    let caller = db::current_user();
    let other = owner::as_superuser(|| {
        let rows = session.run(&OTHER_OWNER, vec![Value::Text(job.name), Value::Text(&caller)])?;
        Ok(rows.first(|row| row.text(1)).flatten())
    })?;
    let Some(owner) = other else {
        return Ok(());
    };
    Err(Error::Conflict {
        problem: format!(
            "the job {} belongs to role {owner}; a second one would run it twice",
            job.name
        ),
        next: format!(
            "Run this function as {owner}, or as {owner} run first: SELECT raw_ops.fn_unschedule_jobs_v1();"
        ),
    })
}
