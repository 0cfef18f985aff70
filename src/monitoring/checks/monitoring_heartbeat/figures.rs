//! What the heartbeat looks at: monitors, alerts, requests, processes, and what keeps webhooks out.

use crate::config;
use crate::db::{self, Session, owner, result_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::monitoring::Fault;
use crate::monitoring::advice::DeadChannel;
use crate::monitoring::checks::job_of;
use crate::monitoring::integrity::{definitions, structure};
use crate::monitoring::report::{Severity, Thresholds};
use crate::monitoring::{locks, server};
use crate::outbox::clone_guard;
use crate::wake::{self, Listening, Silent};

statements! {
    query find_monitors() -> MonitorRow = file "monitoring/heartbeat_monitors.sql";
    query find_undelivered() -> Undelivered = text
        "select count(*), (extract(epoch from now() - min(created_at)) / 60)::float8 as oldest_minutes,
                max(last_error) as error
           from raw_ops.undelivered_alerts";
    query find_overdue() -> Overdue = text
        "select count(*), (extract(epoch from now() - min(send_after)) / 60)::float8 as oldest_minutes, min(send_after) as since
           from raw_ops.http_requests where state = 'queued' and send_after <= now()";
    query find_dead_channels() -> DeadChannel = file "monitoring/dead_channels.sql";
    /// The statement that ends the sender, which then starts again.
    query find_sender() -> String = text
        "select pg_catalog.format('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %L;',
                    pid, pg_catalog.to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00')
           from pg_catalog.pg_stat_activity where backend_type = 'raw_ops sender' and datname = current_database()";
}

result_row! {
    struct MonitorRow {
        check_name: String,
        silent_for: Option<f64>,
        every: Option<f64>,
        has_failed: Option<bool>,
        error: Option<String>,
    }
}

result_row! {
    struct Undelivered {
        count: i64,
        oldest_minutes: Option<f64>,
        error: Option<String>,
    }
}

result_row! {
    struct Overdue {
        count: i64,
        oldest_minutes: Option<f64>,
        since: Option<Timestamp>,
    }
}

pub struct Monitor {
    pub name: String,
    pub job: String,
    /// Minutes; `None`: it never ran and was never scheduled.
    pub silent_for: Option<f64>,
    pub every: f64,
    pub error: Option<String>,
}

impl Monitor {
    pub fn is_silent(&self) -> bool {
        self.silent_for.is_none_or(|minutes| minutes > self.every)
    }
}

#[derive(Default)]
pub struct Figures {
    pub monitors: Vec<Monitor>,
    pub undelivered: i64,
    pub oldest_undelivered_minutes: f64,
    pub undelivered_error: Option<String>,
    pub overdue: i64,
    pub overdue_minutes: f64,
    /// Microseconds since 2000-01-01 UTC.
    pub overdue_since: Option<i64>,
    /// The statement that ends the sender, where one runs.
    pub end_sender: Option<String>,
    pub dead_channels: Vec<DeadChannel>,
    pub is_held: bool,
    pub missing_workers: usize,
    /// The background process that has given no sign for the longest.
    pub silent_process: Option<Silent>,
    /// What keeps webhooks from being stored or processed, by the catalogs: monitors run well beside it.
    pub blocking: Vec<Fault>,
}

pub fn read_figures(session: &Session) -> Result<Figures> {
    let mut figures = Figures {
        monitors: find_monitors(session)?.map(|row| Monitor {
            job: job_of(&row.check_name).to_owned(),
            name: row.check_name,
            silent_for: row.silent_for,
            every: row.every.unwrap_or(60.0),
            error: row.error.filter(|_| row.has_failed == Some(true)),
        })?,
        is_held: !clone_guard::may_send(session)?,
        // A standby has none of its own.
        missing_workers: missing_workers(
            wake::listening(),
            config::workers(),
            serves_this_database() && !db::is_standby(),
        ),
        dead_channels: find_dead_channels(session)?.all()?,
        silent_process: wake::longest_silent(),
        ..Figures::default()
    };
    if let Some(undelivered) = find_undelivered(session)?.first()? {
        figures.undelivered = undelivered.count;
        figures.oldest_undelivered_minutes = undelivered.oldest_minutes.unwrap_or(0.0);
        figures.undelivered_error = undelivered.error;
    }
    if let Some(overdue) = find_overdue(session)?.first()? {
        figures.overdue = overdue.count;
        figures.overdue_minutes = overdue.oldest_minutes.unwrap_or(0.0);
        figures.overdue_since = overdue.since.map(|since| since.0);
    }
    if figures.overdue > 0 {
        // Only a superuser sees what another role's process is.
        figures.end_sender = owner::as_superuser(|| find_sender(session)?.first())?;
    }
    Ok(figures)
}

pub fn blocking(session: &Session) -> Result<Vec<Fault>> {
    let mut faults = definitions::faults(session)?;
    faults.extend(structure::faults(session)?);
    let limits = Thresholds::of(session, server::LIMITS)?;
    // Other roles' sessions, and the disks.
    faults.extend(owner::as_superuser(|| {
        let mut found = server::disk::faults(session, &limits)?;
        found.extend(server::connections::faults(session, &limits)?);
        let holders = locks::holders(session, false)?;
        found.extend(
            holders
                .into_iter()
                .filter(|holder| is_forgotten(holder, db::clock())),
        );
        Ok(found)
    })?);
    faults.retain(|fault| fault.severity == Severity::Critical);
    Ok(faults)
}

/// Whether a lock is held for longer than any statement of an owner's should: nobody is called for less.
fn is_forgotten(holder: &Fault, now: i64) -> bool {
    const MINUTE: i64 = 60_000_000;
    holder.since.is_some_and(|since| now - since > MINUTE)
}

fn serves_this_database() -> bool {
    config::database() == db::current_database()
}

/// How many processes are not where they should be. Without the preloaded library none is expected.
pub fn missing_workers(listening: Option<Listening>, wanted: usize, serves_this_database: bool) -> usize {
    match listening {
        Some(here) if serves_this_database => wanted.saturating_sub(here.workers) + usize::from(!here.sender),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_missed_only_where_they_should_be() {
        let here = |workers, sender| Some(Listening { workers, sender });
        assert_eq!(missing_workers(here(1, true), 1, true), 0);
        assert_eq!(missing_workers(here(0, false), 2, true), 3);
        assert_eq!(missing_workers(here(0, false), 2, false), 0);
        assert_eq!(missing_workers(None, 1, true), 0);
    }
}
