//! The pg_cron jobs as health sees them.

use super::sight::Sight;
use crate::alerts::Severity;
use crate::db::{self, Session, owner};
use crate::jobs;
use crate::jobs::planned::{Deviation, Scheduled, all_jobs, deviations};
use crate::monitoring::Fault;

/// Those of ours that the function's owner sees and those that the owner of the tables does, whose they are. `None`: neither
/// may look.
pub fn seen(session: &Session, sight: &Sight) -> Option<Vec<Scheduled>> {
    let look = || {
        sight
            .ask(session, "the jobs of pg_cron", jobs::visible_jobs)
            .flatten()
    };
    let mut found = look();
    let of_owner = owner::as_table_owner(|| Ok(look())).ok().flatten();
    match (&mut found, of_owner) {
        (Some(found), Some(others)) => {
            found.extend(others);
            found.sort_unstable();
            found.dedup();
        }
        (None, others) => found = others,
        (Some(_), None) => {}
    }
    found
}

/// The names of those that run in a database.
pub fn running<'a>(found: &'a [Scheduled], database: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = found
        .iter()
        .filter(|job| job.active && job.database == database)
        .filter_map(|job| job.name.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Those that are not as they should be.
pub fn fault(found: &[Scheduled]) -> Option<Fault> {
    let wanted: Vec<_> = all_jobs().collect();
    let fault = fault_of(deviations(&wanted, found, &db::current_database()))?;
    Some(match owner::name_of_table_owner() {
        Some(owner) => fault.by(&[owner]),
        None => fault,
    })
}

fn fault_of(differing: Vec<Deviation>) -> Option<Fault> {
    if differing.is_empty() {
        return None;
    }
    let (missing, altered): (Vec<_>, Vec<_>) = differing.iter().partition(|one| one.how == "is missing");
    let mut told: Vec<String> = altered
        .iter()
        .map(|one| format!("{} {}", one.job, one.how))
        .collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|one| one.job).collect();
        told.insert(0, format!("not scheduled: {}", names.join(", ")));
    }
    let problem = format!("jobs of pg_cron are not as they should be; {}", told.join("; "));
    Some(Fault::new("jobs", Severity::Warning, problem).next("SELECT raw_ops.fn_schedule_jobs_v1();"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_first_and_one_statement_mends_all() {
        let of = |(job, how): (&'static str, &str)| Deviation {
            job,
            how: how.to_owned(),
        };
        let differing = [("a", "is not active"), ("b", "is missing"), ("c", "is missing")].map(of);
        let fault = fault_of(differing.into()).unwrap();
        let told = "jobs of pg_cron are not as they should be; not scheduled: b, c; a is not active";
        assert_eq!(fault.problem, told);
        assert_eq!(fault.next, ["SELECT raw_ops.fn_schedule_jobs_v1();"]);
        assert_eq!(fault_of(Vec::new()), None);
    }

    #[test]
    fn a_job_runs_that_is_active_in_this_database() {
        let job = |name: &str, database: &str, active| Scheduled {
            jobid: 1,
            name: Some(name.to_owned()),
            schedule: String::new(),
            command: String::new(),
            database: database.to_owned(),
            active,
        };
        let found = [
            job("b", "shop", true),
            job("a", "shop", true),
            job("c", "shop", false),
            job("d", "other", true),
        ];
        assert_eq!(running(&found, "shop"), ["a", "b"]);
    }
}
