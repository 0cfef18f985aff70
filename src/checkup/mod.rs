//! `setup()`: makes and mends what belongs in the database ([`crate::setup`]), then looks at it as health does, and says what
//! it found and did, line by line. Jobs it reports and does not touch: it also runs on copies.

use crate::alerts::Severity;
use crate::db::schema::{self, LATEST_VERSION};
use crate::db::{self, Session, owner};
use crate::error::Result;
use crate::jobs;
use crate::jobs::planned::{Deviation, all_jobs, deviations};
use crate::monitoring::Fault;
use crate::monitoring::integrity::{definitions, structure};
use crate::setup::{self, Outcome};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn setup() -> Result<JsonB, ErrorReport> {
    let check_up = || db::session(run);
    // What stands here already is its owner's, and may run what its owner made: never with more rights than they have.
    Ok(match schema::owner_so_far() {
        Some(owner) => owner::as_member_of(owner, check_up),
        None => check_up(),
    }?)
}

fn run(session: &Session) -> Result<JsonB> {
    let outcome = setup::run(session)?;
    let (faults, jobs) = db::as_of_now(|| {
        // Columns first: what hangs on them is made again after them.
        let mut faults = definitions::faults(session)?;
        faults.extend(structure::faults(session)?);
        Ok((faults, jobs::visible_jobs(session)?))
    })?;
    let wanted: Vec<_> = all_jobs().collect();
    let jobs = jobs.map(|found| deviations(&wanted, &found, &db::current_database()));
    Ok(JsonB(answer(
        &outcome,
        &faults,
        &jobs.unwrap_or_default(),
        wanted.len(),
    )))
}

fn answer(outcome: &Outcome, faults: &[Fault], jobs: &[Deviation], job_count: usize) -> Json {
    let faults = faults.iter().filter(|fault| fault.severity > Severity::Info);
    let left: Vec<String> = outcome.failed.iter().cloned().chain(faults.map(line)).collect();
    json!({
        "schema_version": LATEST_VERSION,
        "previous_version": outcome.previous_version,
        "applied": outcome.applied,
        "mended": outcome.mended,
        "left": left,
        "jobs": job_lines(jobs, job_count),
    })
}

/// A fault in one line: what is wrong, and what to do.
fn line(fault: &Fault) -> String {
    format!("{}: {}", fault.problem, fault.next.join(" "))
}

/// What differs of the jobs; of a database that has none, such as a copy, one line.
fn job_lines(jobs: &[Deviation], job_count: usize) -> Vec<String> {
    const NEXT: &str = "SELECT raw_ops.fn_schedule_jobs_v1();";
    if jobs.len() == job_count && jobs.iter().all(|one| one.how == "is missing") {
        return vec![format!("none is scheduled: {NEXT}")];
    }
    let line = |one: &Deviation| format!("{} {}: {NEXT}", one.job, one.how);
    jobs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_mended_and_what_is_left_stand_beside_each_other() {
        let outcome = Outcome {
            previous_version: LATEST_VERSION,
            applied: Vec::new(),
            mended: vec!["view raw_ops.a was missing: made anew".to_owned()],
            failed: vec!["index b of raw_ops.c cannot be mended: no".to_owned()],
        };
        let faults = [
            Fault::critical("columns", "dropped: orders.x").next("ALTER TABLE raw_ops.orders …;"),
            Fault::new("row_security", Severity::Info, "known"),
        ];
        let jobs = [("a", "is missing"), ("b", "is not active")].map(|(job, how)| Deviation {
            job,
            how: how.to_owned(),
        });
        let said = answer(&outcome, &faults, &jobs, 2);
        assert_eq!(said["applied"], json!([]));
        assert_eq!(said["mended"], json!(["view raw_ops.a was missing: made anew"]));
        let left = [
            "index b of raw_ops.c cannot be mended: no",
            "dropped: orders.x: ALTER TABLE raw_ops.orders …;",
        ];
        assert_eq!(said["left"], json!(left));
        let lines = [
            "a is missing: SELECT raw_ops.fn_schedule_jobs_v1();",
            "b is not active: SELECT raw_ops.fn_schedule_jobs_v1();",
        ];
        assert_eq!(said["jobs"], json!(lines));
        assert_eq!(
            job_lines(&jobs[..1], 1),
            ["none is scheduled: SELECT raw_ops.fn_schedule_jobs_v1();"]
        );
    }
}
