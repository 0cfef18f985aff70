//! What is wrong by the figures. Pure, but for the settings it names.

use super::OTHER_JOBS;
use super::fault::Fault;
use super::figures::{Figures, Inbox};
use crate::config;
use crate::db;
use crate::error::Error;
use crate::monitoring::checks;
use crate::monitoring::report::Severity;
use crate::outbox::carriers::InForce;
use crate::outbox::secrets;

/// Snapshots held for longer keep dead rows from being cleaned away.
const LONG_SECONDS: f64 = 600.0;
/// Dead rows that are worth a word.
const MANY_DEAD: i64 = 50_000;
/// A request or a webhook that has waited longer is stuck; seconds.
const OVERDUE: f64 = 300.0;
const OLD: f64 = 3_600.0;

/// Every fault the figures show.
pub fn find_faults(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(not_set_up(figures));
    // A standby has no workers, sender and jobs of its own.
    if !figures.is_replica {
        faults.extend(workers(figures));
        faults.extend(sending(figures));
        faults.extend(pg_cron(figures));
        faults.extend(preload(figures));
    }
    faults.extend(waiting(figures));
    faults.extend(people(figures));
    faults.extend(pg_net(figures));
    faults.extend(bloat(figures));
    faults
}

fn not_set_up(figures: &Figures) -> Option<Fault> {
    let error = figures.not_set_up.as_ref()?;
    let fault = Fault::critical("setup", error.to_string());
    Some(match error {
        Error::NotSetUp { .. } => fault.next("SELECT raw_ops.setup();"),
        // A part is missing that a restore creates last; what else is missing is told beside it.
        _ => fault
            .next("-- While a restore is running, wait for it. Otherwise:")
            .next("SELECT raw_ops.setup();"),
    })
}

fn minutes(seconds: f64) -> f64 {
    (seconds / 60.0).round()
}

fn serves_this_database() -> bool {
    config::database() == db::current_database()
}

/// One that the library should have started and that does not run.
fn workers(figures: &Figures) -> Option<Fault> {
    let here = figures.listening.filter(|_| serves_this_database())?;
    (here.workers < config::workers() || !here.sender).then(|| {
        let problem = format!(
            "{} of {} workers run; the sender {}",
            here.workers,
            config::workers(),
            if here.sender { "runs" } else { "does not" }
        );
        Fault::critical("workers", problem)
            .next("-- They start again by themselves within seconds; if not, the server's log says why (search raw_ops).")
            .next("SELECT name, setting FROM pg_settings WHERE name IN ('max_worker_processes', 'raw_ops.workers', 'raw_ops.database');")
            .next("ALTER SYSTEM SET max_worker_processes = 24; -- where the log says there are too few; then restart the server")
    })
}

fn sending(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    let can_send = match figures.carrier {
        Some(InForce::PgNet) => figures.has_pg_net,
        _ => figures.listening.is_some_and(|here| here.sender),
    };
    if !can_send {
        faults.push(nobody_sends(figures));
    }
    if let Some(Some(held)) = &figures.held {
        let fault = Fault::critical("delivery", held.problem());
        faults.push(held.next().into_iter().fold(fault, Fault::next));
    }
    faults
}

fn nobody_sends(figures: &Figures) -> Fault {
    let serves = serves_this_database();
    let (problem, next) = match (figures.listening, figures.carrier) {
        (_, Some(InForce::PgNet)) => (
            "raw_ops.carrier is pg_net, which is not installed: nothing is sent".to_owned(),
            vec![
                "CREATE EXTENSION pg_net; -- or let the built-in sender do it:".to_owned(),
                "ALTER SYSTEM SET raw_ops.carrier = 'auto';".to_owned(),
                "SELECT pg_reload_conf();".to_owned(),
            ],
        ),
        (None, _) => (
            "the library is not preloaded and pg_net is not installed: nothing is sent".to_owned(),
            preload_steps("CREATE EXTENSION pg_net; -- instead, where pg_net is there"),
        ),
        (Some(_), _) if !serves => (
            format!(
                "the workers serve the database {}, not this one: nothing is sent from here",
                config::database()
            ),
            vec![format!(
                "ALTER SYSTEM SET raw_ops.database = '{}'; -- then restart the server",
                db::current_database()
            )],
        ),
        (Some(_), _) => (
            "the sender does not run: nothing is sent".to_owned(),
            vec!["-- It starts again by itself within seconds; if not, the server's log says why (search raw_ops).".to_owned()],
        ),
    };
    next.into_iter()
        .fold(Fault::critical("sending", problem), Fault::next)
}

/// Preloading this library, by hand: a statement would forget what else is in the list.
fn preload_steps(last: &str) -> Vec<String> {
    vec![
        "SHOW shared_preload_libraries; -- add raw_ops to this list in postgresql.conf".to_owned(),
        format!(
            "ALTER SYSTEM SET raw_ops.database = '{}'; -- once it is preloaded; then restart the server",
            db::current_database()
        ),
        last.to_owned(),
    ]
}

/// What has waited for too long, to be sent or to be processed.
fn waiting(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    let overdue = figures.outbox.as_ref().and_then(|outbox| {
        let seconds = outbox.overdue_seconds.filter(|seconds| *seconds > OVERDUE)?;
        Some((seconds, outbox.overdue_since))
    });
    if let Some((seconds, since)) = overdue.filter(|_| !matches!(figures.held, Some(Some(_)))) {
        let problem = format!(
            "a request has been due for {} minutes and is not sent",
            minutes(seconds)
        );
        let fault = Fault::critical("outbox", problem).since(since).next(
            "SELECT lane, state, count(*), min(send_after), max(error) FROM raw_ops.http_requests WHERE state IN ('queued', \
             'sending') GROUP BY 1, 2;",
        );
        faults.push(fault);
    }
    let old = figures.inbox.as_ref().and_then(|inbox| {
        let seconds = inbox.oldest_seconds.filter(|seconds| *seconds > OLD)?;
        Some((inbox, seconds))
    });
    if let Some((inbox, seconds)) = old {
        let problem = format!(
            "{} webhooks wait to be processed, the oldest for {} minutes",
            inbox.depth,
            minutes(seconds)
        );
        let fault = Fault::critical("queue", problem)
            .since(inbox.oldest_at)
            .next("SELECT * FROM raw_ops.error_summary;")
            .next("CALL raw_ops.drain_inbox();");
        faults.push(fault);
    }
    faults
}

fn pg_cron(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    let schedule = "SELECT raw_ops.fn_schedule_jobs_v1(); -- as the owner of the tables";
    if !figures.has_pg_cron {
        let fault = Fault::warning("pg_cron", "pg_cron is not installed: no monitors, no safety net")
            .next("SHOW shared_preload_libraries; -- add pg_cron to this list in postgresql.conf")
            .next(format!(
                "ALTER SYSTEM SET cron.database_name = '{}'; -- once it is preloaded; then restart the server",
                db::current_database()
            ))
            .next("CREATE EXTENSION pg_cron;")
            .next(schedule);
        return vec![fault];
    }
    if figures.preloads_pg_cron == Some(false) {
        let fault = Fault::critical("pg_cron", "pg_cron is installed but not preloaded: no job runs")
            .next("SHOW shared_preload_libraries; -- add pg_cron to this list in postgresql.conf, restart the server");
        faults.push(fault);
    }
    let missing: Vec<&str> = figures.jobs.as_ref().map_or_else(Vec::new, |jobs| {
        let wanted = checks::CHECKS
            .iter()
            .map(|check| check.job)
            .chain(OTHER_JOBS.iter().copied());
        wanted
            .filter(|job| !jobs.iter().any(|known| known == job))
            .collect()
    });
    if !missing.is_empty() {
        let problem = format!("jobs are not scheduled or not active: {}", missing.join(", "));
        faults.push(Fault::warning("jobs", problem).next(schedule));
    }
    if !figures.bad_monitors.is_empty() {
        let problem = format!(
            "monitors do not run, or failed: {}",
            figures.bad_monitors.join(", ")
        );
        let fault = Fault::warning("monitors", problem).next(
            "SELECT DISTINCT ON (check_name) check_name, status, error, run_at FROM raw_ops.monitoring_runs ORDER BY check_name, \
             run_at DESC;",
        );
        faults.push(fault);
    }
    faults
}

fn preload(figures: &Figures) -> Option<Fault> {
    figures.listening.is_none().then(|| {
        let problem = "the library is not preloaded: no worker, pg_cron drains once a minute";
        let steps = preload_steps("-- For milliseconds instead of minutes.");
        steps
            .into_iter()
            .fold(Fault::warning("preload", problem), Fault::next)
    })
}

/// What waits for a person: alerts that nobody got, dead letters.
fn people(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(alerts) = figures.alerts.as_ref().filter(|alerts| alerts.undelivered > 0) {
        let fault = Fault::critical(
            "alerts",
            format!("{} alerts have reached nobody", alerts.undelivered),
        )
        .since(alerts.oldest_undelivered)
        .next("SELECT * FROM raw_ops.undelivered_alerts;")
        .next("SELECT raw_ops.fn_resend_alerts_v1(); -- once the cause is mended");
        faults.push(fault);
    }
    faults.extend(no_secrets(figures));
    faults.extend(figures.inbox.as_ref().and_then(dead_letters));
    faults
}

fn no_secrets(figures: &Figures) -> Option<Fault> {
    if let Some(error) = secrets::key_problem() {
        let fault = Fault::warning("secrets", format!("{error}: alerts cannot be sent"));
        let hint = error.hint().unwrap_or_default();
        return Some(fault.next(format!("-- {hint}")));
    }
    (!figures.missing_secrets.is_empty()).then(|| {
        let names = &figures.missing_secrets;
        let problem = format!("alerts have nowhere to go; not set: {}", names.join(", "));
        names
            .iter()
            .fold(Fault::warning("secrets", problem), |fault, name| {
                fault.next(format!("-- SELECT raw_ops.fn_set_secret_v1('{name}', '<URL>');"))
            })
    })
}

fn dead_letters(inbox: &Inbox) -> Option<Fault> {
    (inbox.dead_letters > 0).then(|| {
        Fault::new(
            "dead_letters",
            Severity::Warning,
            format!("{} dead letters wait for a person", inbox.dead_letters),
        )
        .since(inbox.oldest_dead_at)
        .next(
            "SELECT id, topic, last_error FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq' ORDER BY last_error_at DESC \
             LIMIT 5;",
        )
        .next("-- Settle each: SELECT raw_ops.fn_resolve_webhook_manually_v1('<id>', '<what was wrong, what was done>');")
    })
}

fn pg_net(figures: &Figures) -> Option<Fault> {
    figures.net_is_open.then(|| {
        Fault::warning("pg_net", "PUBLIC may read pg_net's queue, credentials included")
            .next("REVOKE ALL ON ALL TABLES IN SCHEMA net FROM PUBLIC;")
            .next("REVOKE ALL ON SCHEMA net FROM PUBLIC;")
            .next("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA net FROM PUBLIC;")
            .next("-- Then grant the three to the owner of raw_ops' tables.")
    })
}

fn bloat(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(held) = figures
        .snapshot
        .as_ref()
        .filter(|held| held.seconds > LONG_SECONDS)
    {
        let problem = format!(
            "process {} ({}) has held its snapshot for {} minutes: nothing that died since is cleaned away",
            held.pid,
            held.application.as_deref().unwrap_or("unnamed"),
            minutes(held.seconds)
        );
        let fault = Fault::warning("snapshot", problem)
            .since(held.since)
            .next(format!("SELECT pg_terminate_backend({});", held.pid));
        faults.push(fault);
    }
    if let Some((live, dead)) = figures
        .tuples
        .filter(|(live, dead)| *dead > MANY_DEAD && *dead > live / 5)
    {
        let problem = format!("{dead} dead rows in the inbox, {live} live ones");
        faults.push(Fault::warning("bloat", problem).next("VACUUM ANALYZE raw_ops.webhook_inbox;"));
    }
    faults
}
