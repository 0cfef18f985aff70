//! Which pg_cron jobs there should be, and what differs of those that are there. Pure.

use crate::db::result_row;
use crate::monitoring::checks;

/// A job whose command is fixed.
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

/// A pg_cron job that there should be.
pub struct Planned {
    pub name: &'static str,
    pub schedule: &'static str,
    pub command: String,
}

result_row! {
    /// A pg_cron job that is there.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Scheduled {
        pub jobid: i64,
        pub name: Option<String>,
        pub schedule: String,
        pub command: String,
        pub database: String,
        pub active: bool,
    }
}

/// Every job there should be.
pub fn all_jobs() -> impl Iterator<Item = Planned> {
    // Source: ORD, "pg_cron job" of each monitor.
    let monitors = checks::CHECKS.iter().map(|check| Planned {
        name: check.job,
        schedule: check.schedule,
        command: format!("SELECT raw_ops.fn_invoke_monitor('{}');", check.name),
    });
    fixed_jobs().chain(monitors)
}

fn fixed_jobs() -> impl Iterator<Item = Planned> {
    JOBS.iter().map(|job| Planned {
        name: job.name,
        schedule: job.schedule,
        command: job.command.to_owned(),
    })
}

impl Planned {
    /// How a job of this name differs from what it should be, in words that go on after "it" or its name; `None`: it does
    /// not. Blanks around a command are no difference: the operating procedures print some with them.
    pub fn difference(&self, found: &Scheduled, database: &str) -> Option<String> {
        let mut differs = Vec::new();
        if !found.active {
            differs.push("was not active".to_owned());
        }
        if found.database != database {
            differs.push(format!("was in the database {}", found.database));
        }
        if found.schedule.trim() != self.schedule {
            differs.push(format!("had the schedule {}", found.schedule.trim()));
        }
        if found.command.trim() != self.command {
            differs.push("had another command".to_owned());
        }
        (!differs.is_empty()).then(|| differs.join(" and "))
    }
}

/// A job that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Deviation {
    pub job: &'static str,
    /// In words that go on after its name: `is missing`, `is not active`.
    pub how: String,
}

/// What differs of the jobs in `found` from those `wanted` in a database. A name may be there several times, one of each role:
/// it is right if one of them is.
pub fn deviations(wanted: &[Planned], found: &[Scheduled], database: &str) -> Vec<Deviation> {
    let of_job = |job: &Planned| {
        let mut named = found
            .iter()
            .filter(|one| one.name.as_deref() == Some(job.name))
            .map(|one| job.difference(one, database))
            .peekable();
        let how = match named.peek() {
            None => Some("is missing".to_owned()),
            Some(_) => named
                .reduce(|best, other| best.and(other))
                .flatten()
                .map(|how| in_the_present(&how)),
        };
        how.map(|how| Deviation { job: job.name, how })
    };
    wanted.iter().filter_map(of_job).collect()
}

/// What [`Planned::difference`] tells of what was, of what still is.
fn in_the_present(how: &str) -> String {
    how.replace("was ", "is ").replace("had ", "has ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_planned() -> Vec<Scheduled> {
        let scheduled = |(id, job): (usize, Planned)| Scheduled {
            jobid: id as i64,
            name: Some(job.name.to_owned()),
            schedule: job.schedule.to_owned(),
            command: job.command,
            database: "shop".to_owned(),
            active: true,
        };
        fixed_jobs().enumerate().map(scheduled).collect()
    }

    fn told(found: &[Scheduled]) -> Vec<String> {
        let told = |one: Deviation| format!("{} {}", one.job, one.how);
        deviations(&fixed_jobs().collect::<Vec<_>>(), found, "shop")
            .into_iter()
            .map(told)
            .collect()
    }

    #[test]
    fn a_job_that_differs_is_told_with_how() {
        type Change = fn(&mut Scheduled);
        let cases: [(Change, &str); 6] = [
            (|job| job.active = false, "raw-ops-drain is not active"),
            (
                |job| job.database = "other".to_owned(),
                "raw-ops-drain is in the database other",
            ),
            (
                |job| job.schedule = "0 * * * *".to_owned(),
                "raw-ops-drain has the schedule 0 * * * *",
            ),
            (
                |job| job.command = "SELECT 1".to_owned(),
                "raw-ops-drain has another command",
            ),
            (|job| job.name = None, "raw-ops-drain is missing"),
            (
                |job| (job.active, job.command) = (false, String::new()),
                "raw-ops-drain is not active and has another command",
            ),
        ];
        assert_eq!(told(&as_planned()), [] as [&str; 0]);
        for (change, wanted) in cases {
            let mut found = as_planned();
            let drain = found
                .iter_mut()
                .find(|job| job.name.as_deref() == Some("raw-ops-drain"));
            change(drain.unwrap());
            assert_eq!(told(&found), [wanted]);
        }
        assert_eq!(told(&[]).len(), fixed_jobs().count());
    }

    #[test]
    fn blanks_around_a_command_are_no_difference_and_one_right_job_of_a_name_is_enough() {
        let mut found = as_planned();
        for job in &mut found {
            job.command = format!("\n  {}\n", job.command);
        }
        let mut moved = found[0].clone();
        moved.database = "other".to_owned();
        found.insert(0, moved.clone());
        found.push(moved);
        assert_eq!(told(&found), [] as [&str; 0]);
    }
}
