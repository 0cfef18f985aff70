//! Whether pg_cron starts our jobs when they are due: it cannot tell that it stands still, so the worker does, and health. The monitors'
//! heartbeat, which pg_cron starts, tells of the workers in turn.

use super::planned::all_jobs;
use crate::alerts::{self, Finding, Thresholds, Told};
use crate::db::{self, Session, owner, result_row, settings, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::monitoring::{Fault, locks};
use std::collections::BTreeMap;

/// Whose thresholds and alerts these are.
pub const NAME: &str = "pg_cron";
/// Minutes over the time a job's schedule has it wait.
const STOPPED: &str = "pg_cron_stopped";

statements! {
    query has_run_details() -> bool = file "jobs/has_run_details.sql";
    query find_late(names: Vec<&str>, since: Timestamp) -> LateRow = file "jobs/late_jobs.sql";
    query find_held_up_by(jobs: Vec<i64>, or_any: bool) -> HolderRow = file "jobs/held_up_by.sql";
    query find_launcher() -> Launcher = file "jobs/launcher.sql";
}

result_row! {
    struct LateRow {
        jobid: i64,
        name: String,
        every_minutes: i32,
        seconds: f64,
        has_never_started: bool,
        last_message: Option<String>,
    }
}

result_row! {
    #[derive(Clone, Debug)]
    struct HolderRow {
        pid: i32,
        job: String,
        role: String,
        seconds: f64,
        backend_start: String,
        /// Those whose locks it waits for.
        behind: Option<String>,
    }
}

result_row! {
    #[derive(Clone, Copy, Debug, Default)]
    struct Launcher {
        runs: bool,
        uses_background_workers: bool,
        logs_runs: bool,
    }
}

/// A job that is late.
#[derive(Clone, Debug)]
struct Late {
    name: String,
    /// Over the time that its schedule has it wait.
    minutes: f64,
    /// What its last run, which did not come to start, ended with.
    failed_with: Option<String>,
}

/// What was seen of pg_cron.
#[derive(Clone, Debug, Default)]
struct Seen {
    late: Vec<Late>,
    holder: Option<HolderRow>,
    launcher: Launcher,
    /// Its own tables are locked: who holds them, and what frees them.
    locked: Vec<Fault>,
}

/// What the worker has seen so far; a server or a worker that has just begun misses nothing yet.
pub struct Memory {
    since: i64,
    /// When a job without any run was first seen.
    first_seen: BTreeMap<i64, i64>,
}

impl Memory {
    pub fn from_now() -> Self {
        Self {
            since: db::clock(),
            first_seen: BTreeMap::new(),
        }
    }

    /// How late a job is; `None` where that cannot be known.
    fn seconds_without_a_start(&mut self, row: &LateRow, now: i64) -> Option<f64> {
        if row.has_never_started {
            let first = *self.first_seen.entry(row.jobid).or_insert(now);
            return Some((now - first) as f64 / 1e6);
        }
        self.first_seen.remove(&row.jobid);
        Some(row.seconds)
    }
}

/// Looks at pg_cron, and opens, repeats or closes the alert about it. In a transaction of the worker's, as the owner of the tables.
pub fn follow(memory: &mut Memory) -> Result<()> {
    let since = memory.since;
    let looked = db::attempt(|| {
        let limit = settings::glance_at_locks(false);
        let late = |row: &LateRow, now| memory.seconds_without_a_start(row, now);
        let seen = owner::as_superuser(|| db::session(|session| look(session, since, late)))?;
        drop(limit);
        Ok(seen)
    });
    let seen = match looked {
        // Its launcher stands behind the same lock.
        Err(error) if error.is_lock_timeout() => owner::as_superuser(|| db::session(behind_a_lock))?,
        looked => looked?,
    };
    let Some(seen) = seen else { return Ok(()) };
    db::session(|session| {
        let limit = settings::glance_at_locks(false);
        let found = finding(&seen, &Thresholds::of(session, NAME)?);
        let told = Told {
            found: found.iter().collect(),
            lasting: Vec::new(),
            calm: Vec::new(),
        };
        alerts::follow_findings(session, NAME, &told)?;
        drop(limit);
        Ok(())
    })
}

/// pg_cron's own tables are locked. `None` where nobody holds them any more.
fn behind_a_lock(session: &Session) -> Result<Option<Seen>> {
    let locked = locks::holders(session, true)?;
    Ok((!locked.is_empty()).then(|| Seen {
        locked,
        ..Seen::default()
    }))
}

/// The same as a fault of health's. A job that has never started is not judged: it may have been made just now.
pub fn faults(session: &Session, thresholds: &Thresholds) -> Result<Vec<Fault>> {
    let seen = look(session, 0, |row, _| {
        (!row.has_never_started).then_some(row.seconds)
    })?;
    let fault = seen.and_then(|seen| {
        let crossed = thresholds.crossed(STOPPED, seen.minutes_late())?;
        let fault = Fault::new(STOPPED, crossed.severity, problem(&seen));
        Some(next_steps(&seen).into_iter().fold(fault, Fault::next))
    });
    Ok(fault.into_iter().collect())
}

/// `None` where there is no pg_cron of ours, or it keeps no log of its runs.
fn look(
    session: &Session,
    since: i64,
    mut seconds_late: impl FnMut(&LateRow, i64) -> Option<f64>,
) -> Result<Option<Seen>> {
    if has_run_details(session)?.first()? != Some(true) {
        return Ok(None);
    }
    let launcher = find_launcher(session)?.first()?.unwrap_or_default();
    if !launcher.logs_runs {
        return Ok(None);
    }
    let now = db::clock();
    let rows = find_late(
        session,
        all_jobs().map(|job| job.name).collect(),
        Timestamp(since),
    )?
    .all()?;
    let mut seen = Seen {
        launcher,
        ..Seen::default()
    };
    let mut late = Vec::new();
    for row in rows {
        let minutes = seconds_late(&row, now).unwrap_or(0.0) / 60.0 - f64::from(row.every_minutes);
        if minutes > 0.0 {
            late.push(row.jobid);
            seen.late.push(Late {
                name: row.name,
                minutes,
                failed_with: row.last_message.filter(|_| row.has_never_started),
            });
        }
    }
    if !late.is_empty() {
        seen.holder = find_held_up_by(session, late, launcher.uses_background_workers)?.first()?;
    }
    Ok(Some(seen))
}

impl Seen {
    fn minutes_late(&self) -> f64 {
        self.late.iter().map(|one| one.minutes).fold(0.0, f64::max)
    }

    /// For people: the jobs that are late.
    fn names(&self) -> String {
        let names = self.late.iter().map(|one| one.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The alert, where it has crossed its threshold. A lock on pg_cron's own tables has crossed it when it is seen: nothing starts.
fn finding(seen: &Seen, thresholds: &Thresholds) -> Option<Finding> {
    let crossed = match seen.locked.is_empty() {
        true => thresholds.crossed(STOPPED, seen.minutes_late())?,
        false => thresholds.crossed(STOPPED, f64::INFINITY)?,
    };
    let mut finding = Finding::new(STOPPED, crossed, "pg_cron Does Not Start Jobs");
    if !seen.late.is_empty() {
        finding = finding
            .field("Late", seen.names())
            .field("Late By (minutes)", seen.minutes_late().round());
    }
    let finding = finding.field("Held Up By", cause(seen));
    Some(finding.next(next_steps(seen)))
}

fn problem(seen: &Seen) -> String {
    format!(
        "pg_cron has not started for {} minutes over their time: {}; {}",
        seen.minutes_late().round(),
        seen.names(),
        cause(seen)
    )
}

/// Why, as far as it can be seen.
fn cause(seen: &Seen) -> String {
    if let Some(locked) = seen.locked.first() {
        return locked.problem.clone();
    }
    if let Some(holder) = &seen.holder {
        let waits = match &holder.behind {
            None => String::new(),
            Some(behind) => format!(", which waits for a lock of process {behind}"),
        };
        return format!(
            "the job {} of role {} has run for {} minutes as process {}{waits}",
            holder.job,
            holder.role,
            (holder.seconds / 60.0).round(),
            holder.pid
        );
    }
    if !seen.launcher.runs {
        return "its launcher does not run".to_owned();
    }
    match seen.late.iter().find_map(|one| one.failed_with.as_deref()) {
        Some(message) => format!("its last try ended with: {message}"),
        None => "no job of its own runs for long".to_owned(),
    }
}

/// What mends it, as it can be pasted.
fn next_steps(seen: &Seen) -> Vec<String> {
    const RUNS: &str = "SELECT job.jobname, run.status, run.return_message, run.start_time FROM cron.job_run_details AS run JOIN \
                        cron.job USING (jobid) ORDER BY run.runid DESC LIMIT 20;";
    const ONE_AT_A_TIME: &str = "-- With cron.use_background_workers = on a pg_cron before 1.5 runs one job at a time: see docs/install.md, \
                                 How pg_cron connects.";
    if !seen.locked.is_empty() {
        return seen.locked.iter().flat_map(|fault| fault.next.clone()).collect();
    }
    let Some(holder) = &seen.holder else {
        return match seen.launcher.runs {
            true => vec![
                "-- Cannot pg_cron log in? See docs/install.md, How pg_cron connects. Its last runs:".to_owned(),
                RUNS.to_owned(),
            ],
            false => vec![
                "-- pg_cron's launcher starts again by itself within seconds; if not, the server's log says why: restart the server."
                    .to_owned(),
                RUNS.to_owned(),
            ],
        };
    };
    let mut steps = vec![
        format!(
            "-- It ends the job {}; what it has not committed is undone.",
            holder.job.replace(['\n', '\r'], " ")
        ),
        format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {} AND backend_start = {};",
            holder.pid,
            db::literal(&holder.backend_start)
        ),
    ];
    if seen.launcher.uses_background_workers {
        steps.push(ONE_AT_A_TIME.to_owned());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;
    use crate::alerts::Threshold;

    fn thresholds() -> Thresholds {
        Thresholds(vec![Threshold {
            condition: STOPPED.into(),
            severity: Severity::Critical,
            channel: "#ops-urgent".into(),
            value: 3.0,
            lookback: None,
            repeat_after: 0,
        }])
    }

    fn late(minutes: f64) -> Seen {
        Seen {
            late: vec![Late {
                name: "raw-ops-drain".into(),
                minutes,
                failed_with: None,
            }],
            holder: None,
            launcher: Launcher {
                runs: true,
                ..Launcher::default()
            },
            locked: Vec::new(),
        }
    }

    fn holder() -> HolderRow {
        HolderRow {
            pid: 7,
            job: "report\nof the night".into(),
            role: "guest".into(),
            seconds: 600.0,
            backend_start: "2026-01-02 03:04:05.000006+00".into(),
            behind: Some("8".into()),
        }
    }

    #[test]
    fn a_job_may_be_as_late_as_the_threshold_says() {
        assert!(finding(&late(3.0), &thresholds()).is_none());
        assert!(finding(&Seen::default(), &thresholds()).is_none());
        assert!(
            finding(&late(3.1), &Thresholds::default()).is_none(),
            "it is switched off"
        );
        let found = finding(&late(3.1), &thresholds()).unwrap();
        assert_eq!(found.fields[0], ("Late".to_owned(), "raw-ops-drain".to_owned()));
    }

    #[test]
    fn whoever_holds_it_up_is_named_with_the_statement_that_ends_it() {
        let mut seen = late(5.0);
        seen.holder = Some(holder());
        let found = finding(&seen, &thresholds()).unwrap();
        assert!(
            found.fields[2]
                .1
                .contains("process 7, which waits for a lock of process 8"),
            "{found:?}"
        );
        let steps = next_steps(&seen);
        assert!(steps.iter().all(|step| !step.contains('\n')), "{steps:?}");
        assert_eq!(
            steps[1],
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = 7 AND backend_start = '2026-01-02 03:04:05.000006+00';"
        );
        assert_eq!(steps.len(), 2);
        seen.launcher.uses_background_workers = true;
        assert!(next_steps(&seen)[2].contains("use_background_workers"));
    }

    #[test]
    fn without_a_holder_it_is_the_launcher_the_login_or_a_lock_on_its_tables() {
        let mut seen = late(5.0);
        seen.late[0].failed_with = Some("connection failed".into());
        assert!(cause(&seen).contains("connection failed"));
        seen.launcher.runs = false;
        assert_eq!(cause(&seen), "its launcher does not run");
        let lock = Fault::critical("locks", "process 9 has locked cron.job").next("SELECT 9;");
        let seen = Seen {
            locked: vec![lock],
            ..Seen::default()
        };
        let found = finding(&seen, &thresholds()).unwrap();
        assert_eq!(
            found.fields,
            [(
                "Held Up By".to_owned(),
                "process 9 has locked cron.job".to_owned()
            )]
        );
        assert_eq!(found.next, ["SELECT 9;"]);
    }
}
