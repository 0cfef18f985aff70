//! What is wrong by the figures. Pure, but for the settings it names.

use super::LIMITS;
use super::figures::{Alerts, Figures, Inbox, Outbox};
use crate::alerts::{AllThresholds, Severity};
use crate::config;
use crate::db;
use crate::error::Error;
use crate::monitoring::Fault;
use crate::monitoring::checks::{monitoring_heartbeat, webhook_health};
use crate::outbox::carriers::InForce;

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
    if !matches!(figures.held, Some(Some(_))) {
        faults.extend(
            figures
                .outbox
                .as_ref()
                .and_then(|outbox| overdue(outbox, &figures.limits)),
        );
    }
    faults.extend(
        figures
            .inbox
            .as_ref()
            .and_then(|inbox| queue(inbox, &figures.limits)),
    );
    faults
}

fn overdue(outbox: &Outbox, limits: &AllThresholds) -> Option<Fault> {
    let seconds = outbox.overdue_seconds?;
    let crossed = limits
        .of(monitoring_heartbeat::NAME)
        .crossed(monitoring_heartbeat::STUCK_OUTBOX, seconds / 60.0)?;
    let problem = format!(
        "a request has been due for {} minutes and is not sent",
        minutes(seconds)
    );
    let fault = Fault::new("outbox", crossed.severity, problem).since(outbox.overdue_since).next(
        "SELECT lane, state, count(*), min(send_after), max(error) FROM raw_ops.http_requests WHERE state IN ('queued', \
         'sending') GROUP BY 1, 2;",
    );
    Some(fault)
}

/// Too deep or too old, as the monitor judges it.
fn queue(inbox: &Inbox, limits: &AllThresholds) -> Option<Fault> {
    let seconds = inbox.oldest_seconds?;
    let crossed =
        webhook_health::worst_of_queue(limits.of(webhook_health::NAME), inbox.depth, seconds / 60.0)?;
    let problem = format!(
        "{} webhooks wait to be processed, the oldest for {} minutes",
        inbox.depth,
        minutes(seconds)
    );
    let fault = Fault::new("queue", crossed.severity, problem)
        .since(inbox.oldest_at)
        .next("SELECT * FROM raw_ops.error_summary;")
        .next("CALL raw_ops.drain_inbox();");
    Some(fault)
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
    faults.extend(figures.jobs.as_deref().and_then(super::jobs::fault));
    faults.extend(bad_monitors(figures));
    faults
}

/// Those that are silent, and those whose last run failed.
fn bad_monitors(figures: &Figures) -> Option<Fault> {
    let limits = figures.limits.of(monitoring_heartbeat::NAME);
    let (failing, silent): (Vec<_>, Vec<_>) = figures.bad_monitors.iter().partition(|one| one.has_failed);
    let crossed = [
        limits.crossed(monitoring_heartbeat::SILENT, silent.len() as f64),
        limits.crossed(monitoring_heartbeat::FAILING, failing.len() as f64),
    ];
    let worst = crossed.into_iter().flatten().map(|one| one.severity).max()?;
    let names: Vec<&str> = figures
        .bad_monitors
        .iter()
        .map(|one| one.check_name.as_str())
        .collect();
    let problem = format!("monitors do not run, or failed: {}", names.join(", "));
    let fault = Fault::new("monitors", worst, problem).next(
        "SELECT DISTINCT ON (check_name) check_name, status, error, run_at FROM raw_ops.monitoring_runs ORDER BY check_name, \
         run_at DESC;",
    );
    Some(fault)
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
    faults.extend(
        figures
            .alerts
            .as_ref()
            .and_then(|alerts| undelivered(alerts, &figures.limits)),
    );
    faults.extend(no_secrets(figures));
    faults.extend(figures.inbox.as_ref().and_then(dead_letters));
    faults
}

fn undelivered(alerts: &Alerts, limits: &AllThresholds) -> Option<Fault> {
    let crossed = limits
        .of(monitoring_heartbeat::NAME)
        .crossed(monitoring_heartbeat::UNDELIVERED, alerts.undelivered as f64)?;
    let problem = format!("{} alerts have reached nobody", alerts.undelivered);
    let fault = Fault::new("alerts", crossed.severity, problem)
        .since(alerts.oldest_undelivered)
        .next("SELECT * FROM raw_ops.undelivered_alerts;")
        .next("SELECT raw_ops.fn_resend_alerts_v1(); -- once the cause is mended");
    Some(fault)
}

fn no_secrets(figures: &Figures) -> Option<Fault> {
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
            match inbox.dead_letters {
                1 => "1 dead letter waits for a person".to_owned(),
                many => format!("{many} dead letters wait for a person"),
            },
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

/// What keeps dead rows, and too many of them.
fn bloat(figures: &Figures) -> Vec<Fault> {
    let limits = figures.limits.of(LIMITS);
    let held = figures.snapshot.as_ref().and_then(|held| {
        let crossed = limits.crossed("held_snapshot", held.seconds / 60.0)?;
        let problem = format!(
            "process {} ({}) has held its snapshot for {} minutes: nothing that died since is cleaned away",
            held.pid,
            held.application.as_deref().unwrap_or("unnamed"),
            minutes(held.seconds)
        );
        let fault = Fault::new("snapshot", crossed.severity, problem)
            .since(held.since)
            .next(format!("SELECT pg_terminate_backend({});", held.pid));
        Some(fault)
    });
    let dead = figures.tuples.and_then(|(live, dead)| {
        let crossed = limits.crossed("dead_rows", dead as f64)?;
        let share = 100.0 * dead as f64 / live.max(1) as f64;
        if limits.lowest("dead_rows_share").is_some_and(|most| share <= most) {
            return None;
        }
        let problem = format!("{dead} dead rows in the inbox, {live} live ones");
        let fault = Fault::new("bloat", crossed.severity, problem);
        Some(fault.next("VACUUM ANALYZE raw_ops.webhook_inbox;"))
    });
    held.into_iter().chain(dead).collect()
}
