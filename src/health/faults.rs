//! What is wrong with the server, by the figures; what is wrong with the shop's webhooks the checks read
//! ([`crate::monitoring::checks`]). Pure, but for the settings it names.

use super::LIMITS;
use super::figures::Figures;
use crate::alerts::Severity;
use crate::config;
use crate::db::{self, owner};
use crate::error::Error;
use crate::monitoring::{Fault, advice};
use crate::outbox::carriers::InForce;

/// Every fault the figures show.
pub fn find_faults(figures: &Figures) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(not_set_up(figures));
    faults.extend(thresholds(figures));
    // A standby has no workers, sender and jobs of its own; of what was not read nothing is missing.
    if !figures.is_replica && figures.is_seen {
        faults.extend(workers(figures));
        faults.extend(sending(figures));
        faults.extend(pg_cron(figures));
        faults.extend(preload(figures));
    }
    faults.extend(no_secrets(figures));
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

/// A check without any threshold finds nothing, whatever happens.
fn thresholds(figures: &Figures) -> Option<Fault> {
    if !figures.has_limits || figures.not_set_up.is_some() {
        return None;
    }
    let checks: Vec<&str> = figures
        .checks
        .iter()
        .copied()
        .filter(|check| figures.limits.of(check).is_empty())
        .collect();
    if checks.is_empty() {
        return None;
    }
    let severity = match checks.len() == figures.checks.len() {
        true => Severity::Warning,
        false => Severity::Info,
    };
    let problem = format!(
        "no threshold is enabled, so nothing is found by: {}",
        checks.join(", ")
    );
    let names: Vec<String> = checks.iter().map(|check| db::literal(check)).collect();
    let fault = Fault::new("thresholds", severity, problem)
        .count(checks.len() as i64)
        .next(format!(
            "UPDATE raw_ops.monitor_thresholds SET enabled = true WHERE check_name IN ({});",
            names.join(", ")
        ));
    Some(fault.next("-- Rows that are gone come back where the table is empty: DELETE FROM raw_ops.monitor_thresholds; and SELECT raw_ops.setup();"))
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
    if config::workers() == 0 {
        let problem = "raw_ops.workers is 0: a webhook waits for pg_cron's next minute";
        let fault = Fault::new("workers", Severity::Info, problem)
            .next("ALTER SYSTEM RESET raw_ops.workers;")
            .next("-- Restart the server; then one runs:")
            .next(
                "SELECT pid, backend_type, state FROM pg_stat_activity WHERE backend_type LIKE 'raw_ops%';",
            );
        return Some(fault.by(&[owner::superuser()]));
    }
    (here.workers < config::workers() || !here.sender).then(|| {
        let problem = format!(
            "{} of {} workers run; the sender {}",
            here.workers,
            config::workers(),
            if here.sender { "runs" } else { "does not" }
        );
        let steps = advice::missing_workers();
        steps
            .into_iter()
            .fold(Fault::critical("workers", problem), Fault::next)
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
            "the library is not preloaded and pg_net is not installed, or cannot send: nothing is sent"
                .to_owned(),
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
            advice::missing_workers(),
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

fn no_secrets(figures: &Figures) -> Option<Fault> {
    (!figures.missing_secrets.is_empty()).then(|| {
        let names = &figures.missing_secrets;
        let problem = format!("alerts have nowhere to go; not set: {}", names.join(", "));
        let fault = names
            .iter()
            .fold(Fault::warning("secrets", problem), |fault, name| {
                fault.next(format!("-- SELECT raw_ops.fn_set_secret_v1('{name}', '<URL>');"))
            });
        fault.next("SELECT name, updated_at FROM raw_ops.secrets WHERE name LIKE 'slack%' ORDER BY name;")
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
            "process {} ({}, role {}) has held its snapshot for {} minutes: nothing that died since is cleaned away",
            held.pid,
            held.application.as_deref().unwrap_or("unnamed"),
            held.user.as_deref().unwrap_or("unknown"),
            minutes(held.seconds)
        );
        let fault = Fault::new("snapshot", crossed.severity, problem)
            .since(held.since)
            .next(held.end.clone().unwrap_or_default());
        Some(fault.by(held.user.as_slice()))
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
