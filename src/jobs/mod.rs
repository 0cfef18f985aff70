//! What runs when: the pg_cron jobs. Rows of pg_cron's, not members of the extension: they survive DROP EXTENSION.

pub mod watch;

use crate::db::{self, Session, owner, schema, statements};
use crate::error::{Error, Result};
use crate::monitoring::checks;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

/// A pg_cron job.
struct Job {
    name: &'static str,
    schedule: &'static str,
    command: &'static str,
}

/// Besides these, each check brings its own: [`checks::CHECKS`].
const JOBS: &[Job] = &[
    // Source: ORD, "pg_cron Job"; it calls the function directly instead of a hosted URL.
    Job {
        name: "retry-failed-webhooks",
        schedule: "*/5 * * * *",
        command: "SELECT raw_ops.retry_failed_webhooks();",
    },
    // Source: DLV, "pg_cron Jobs".
    Job {
        name: "dlv-01-retry-notifications",
        schedule: "*/5 * * * *",
        command: "SELECT raw_ops.fn_retry_courier_notifications_v1();",
    },
    // The safety nets under the worker and the sender, and all there is without them.
    Job {
        name: "raw-ops-drain",
        schedule: "* * * * *",
        command: "CALL raw_ops.drain_inbox();",
    },
    Job {
        name: "raw-ops-deliver",
        schedule: "* * * * *",
        command: "CALL raw_ops.deliver_outbox();",
    },
    Job {
        name: "raw-ops-archive",
        schedule: "17 3 1 * *",
        command: "CALL raw_ops.archive_inbox();",
    },
    Job {
        name: "raw-ops-housekeeping",
        schedule: "47 2 * * *",
        command: "CALL raw_ops.run_housekeeping();",
    },
];

/// The names of the jobs there should be.
pub fn names() -> impl Iterator<Item = &'static str> {
    all_jobs().map(|job| job.name)
}

/// Every job there should be.
fn all_jobs() -> impl Iterator<Item = Planned> {
    let fixed = JOBS.iter().map(|job| Planned {
        name: job.name,
        schedule: job.schedule,
        command: job.command.to_owned(),
    });
    // Source: ORD, "pg_cron job" of each monitor.
    let monitors = checks::CHECKS.iter().map(|check| Planned {
        name: check.job,
        schedule: check.schedule,
        command: format!("SELECT raw_ops.fn_invoke_monitor('{}');", check.name),
    });
    fixed.chain(monitors)
}

struct Planned {
    name: &'static str,
    schedule: &'static str,
    command: String,
}

statements! {
    /// From now on the heartbeat expects runs.
    execute expect_runs(checks: Vec<&str>) = text
        "update raw_ops.monitors set scheduled_at = now() where scheduled_at is null and check_name = any ($1)";
    execute expect_no_runs() = text
        "update raw_ops.monitors set scheduled_at = null where scheduled_at is not null";
    execute has_pg_cron() -> bool = file "jobs/has_pg_cron.sql";
    execute find_other_owner(name: &str, caller: &str) -> String = text
        "select username::text from cron.job where jobname = $1 and username <> $2 and database = current_database()";
    execute schedule_job(name: &str, schedule: &str, command: &str) -> i64 = text "select cron.schedule($1, $2, $3)";
    execute unschedule_job(name: &str) = text
        "select cron.unschedule(jobid) from cron.job where jobname = $1 and username = current_user";
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn fn_schedule_jobs_v1() -> Result<JsonB, ErrorReport> {
    Ok(db::session(|session| {
        require_pg_cron(session)?;
        // A superuser's call must not make a superuser's jobs: they would run what the owner puts in the tables' way.
        let scheduled = owner::as_table_owner_if_member(|| schedule_all(session))?;
        let checks = checks::CHECKS.iter().map(|check| check.name).collect();
        owner::as_table_owner(|| expect_runs(session, checks))?;
        Ok(JsonB(json!({"scheduled": scheduled})))
    })?)
}

fn schedule_all(session: &Session) -> Result<Vec<Json>> {
    owner::as_table_owner(|| schema::ensure_ready(session))?;
    let mut scheduled = Vec::new();
    for job in all_jobs() {
        refuse_another_owner(session, &job)?;
        let id = schedule_job(session, job.name, job.schedule, &job.command)?.first()?;
        scheduled.push(json!({
            "jobid": id, "jobname": job.name, "schedule": job.schedule, "command": job.command,
        }));
    }
    Ok(scheduled)
}

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn fn_unschedule_jobs_v1() -> Result<JsonB, ErrorReport> {
    Ok(db::session(|session| {
        require_pg_cron(session)?;
        // The caller's own as well: a superuser may have scheduled some before there was an owner.
        let mut unscheduled = unschedule_all(session)?;
        let owners = owner::as_table_owner_if_member(|| unschedule_all(session));
        unscheduled.extend(unless_not_set_up(owners)?.unwrap_or_default());
        let unwatched = owner::as_table_owner(|| match schema::ensure_ready(session) {
            Ok(()) => expect_no_runs(session).map(drop),
            Err(_) => Ok(()),
        });
        unless_not_set_up(unwatched)?;
        Ok(JsonB(json!({"unscheduled": unscheduled})))
    })?)
}

fn unschedule_all(session: &Session) -> Result<Vec<&'static str>> {
    let mut unscheduled = Vec::new();
    for job in all_jobs() {
        if unschedule_job(session, job.name)? > 0 {
            unscheduled.push(job.name);
        }
    }
    Ok(unscheduled)
}

/// Jobs may be taken away when nothing else is left.
fn unless_not_set_up<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(Error::NotSetUp { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn require_pg_cron(session: &Session) -> Result<()> {
    if has_pg_cron(session)?.first()? == Some(true) {
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
fn refuse_another_owner(session: &Session, job: &Planned) -> Result<()> {
    // pg_cron's row security hides other roles' jobs.
    let caller = db::current_user();
    let other = owner::as_superuser(|| find_other_owner(session, job.name, &caller)?.first())?;
    let Some(owner) = other else {
        return Ok(());
    };
    Err(Error::JobsOfAnother {
        problem: format!(
            "the job {} belongs to role {owner}; a second one would run it twice",
            job.name
        ),
        next: format!(
            "Run this function as {owner}, or as {owner} run first: SELECT raw_ops.fn_unschedule_jobs_v1();"
        ),
    })
}
