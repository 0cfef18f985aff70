//! What runs when: the pg_cron jobs. Rows of pg_cron's, not members of the extension: they survive DROP EXTENSION.
//! [`planned`]: which jobs there should be, and what differs of those that are there.

pub mod planned;

pub mod watch;

use crate::db::{self, Session, owner, schema, statements};
use crate::error::{Error, Result};
use crate::monitoring::checks;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use planned::{Planned, Scheduled, all_jobs};
use serde_json::{Value as Json, json};

statements! {
    /// From now on the heartbeat expects runs.
    execute expect_runs(checks: Vec<&str>) = text
        "update raw_ops.monitors set scheduled_at = now() where scheduled_at is null and check_name = any ($1)";
    execute expect_no_runs() = text
        "update raw_ops.monitors set scheduled_at = null where scheduled_at is not null";
    execute has_pg_cron() -> bool = file "jobs/has_pg_cron.sql";
    execute find_other_owner(name: &str, caller: &str) -> String = text
        "select username::text from cron.job where jobname = $1 and username <> $2 and database = current_database()";
    execute find_own_job(name: &str) -> Scheduled = text
        "select jobid, jobname::text as name, schedule, command, database::text, active
           from cron.job where jobname = $1 and username = current_user";
    query find_jobs(names: Vec<&str>) -> Scheduled = text
        "select jobid, jobname::text as name, schedule, command, database::text, active
           from cron.job where jobname = any ($1)";
    query may_read_jobs() -> Option<bool> = file "jobs/may_read_jobs.sql";
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
    all_jobs()
        .map(|job| {
            refuse_another_owner(session, &job)?;
            schedule_one(session, &job)
        })
        .collect()
}

/// Makes a job what it should be, and says what was done. One that is right keeps its id, and with it its history.
fn schedule_one(session: &Session, job: &Planned) -> Result<Json> {
    let found = find_own_job(session, job.name)?.first()?;
    let differs = found
        .as_ref()
        .and_then(|found| job.difference(found, &db::current_database()));
    let id = match (&found, &differs) {
        (Some(found), None) => Some(found.jobid),
        // pg_cron 1.4 keeps the database and the switch of a job that is scheduled again under its name.
        (Some(_), Some(_)) => {
            unschedule_job(session, job.name)?;
            schedule_job(session, job.name, job.schedule, &job.command)?.first()?
        }
        (None, _) => schedule_job(session, job.name, job.schedule, &job.command)?.first()?,
    };
    let mut said = json!({
        "jobid": id, "jobname": job.name, "schedule": job.schedule, "command": job.command,
        "done": match (&found, &differs) {
            (None, _) => "created",
            (Some(_), None) => "unchanged",
            (Some(_), Some(_)) => "mended",
        },
    });
    if let Some(differs) = differs {
        said["mended"] = format!("it {differs}").into();
    }
    Ok(said)
}

/// The jobs of ours that the current role sees in pg_cron: pg_cron's row security hides other roles' from all but
/// superusers. `None`: it may not look.
///
/// # Errors
/// Those of the database.
pub fn visible_jobs(session: &Session) -> Result<Option<Vec<Scheduled>>> {
    if may_read_jobs(session)?.first()?.flatten() != Some(true) {
        return Ok(None);
    }
    let names = all_jobs().map(|job| job.name).collect();
    Ok(Some(find_jobs(session, names)?.all()?))
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
