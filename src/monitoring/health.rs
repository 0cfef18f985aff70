//! `fn_health_v1()`: one look at the whole, each fault with the statement that mends it.

use super::checks;
use crate::config;
use crate::db::{self, Session, Statement, owner, schema};
use crate::error::Result;
use crate::sending::carrier::{self, InForce};
use crate::sending::guard::{self, Held};
use crate::sending::secrets;
use crate::wake::{self, Listening};
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

thread_local! {
    static FIGURES: Statement = const { Statement::new(include_str!("../../sql/monitoring/health.sql"), &[]) };
    static OLDEST_SNAPSHOT: Statement = const { Statement::new(
        include_str!("../../sql/monitoring/oldest_snapshot.sql"), &[]) };
    static JOBS: Statement = const { Statement::new(
        "select jobname::text from cron.job where active and database = current_database()", &[]) };
    static NET_IS_OPEN: Statement = const { Statement::new(
        "select has_table_privilege(0, 'net.http_request_queue', 'select')", &[]) };
}

/// Jobs that are no monitors; `jobs` schedules them.
pub const OTHER_JOBS: &[&str] = &[
    "retry-failed-webhooks",
    "dlv-01-retry-notifications",
    "raw-ops-drain",
    "raw-ops-deliver",
    "raw-ops-archive",
    "raw-ops-housekeeping",
];

/// Everything the verdict rests on.
#[derive(Debug, Default)]
struct Figures {
    extension: Option<String>,
    schema_version: Option<i32>,
    has_pg_cron: bool,
    has_pg_net: bool,
    queue_depth: i64,
    oldest_pending_seconds: Option<f64>,
    dead_letters: i64,
    outbox: i64,
    overdue_seconds: Option<f64>,
    undelivered: i64,
    open_alerts: i64,
    dead_tuples: i64,
    live_tuples: i64,
    missing_secrets: Vec<String>,
    is_replica: bool,
    oldest_open_seconds: Option<f64>,
    preloads_pg_cron: bool,
    bad_monitors: Vec<String>,
    jobs: Vec<String>,
    listening: Option<Listening>,
    carrier: Option<InForce>,
    held: Option<Held>,
    net_is_open: bool,
    snapshot: Option<Snapshot>,
}

#[derive(Debug)]
struct Snapshot {
    pid: i32,
    user: Option<String>,
    application: Option<String>,
    state: Option<String>,
    seconds: f64,
}

#[pg_extern(stable, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn fn_health_v1() -> Result<JsonB, ErrorReport> {
    Ok(JsonB(look()?))
}

fn look() -> Result<Json> {
    match owner::as_table_owner(|| db::session(figures)) {
        Ok(mut figures) => {
            // Other roles' sessions and jobs are hidden from the owner of the tables.
            owner::as_superuser(|| db::session(|session| what_the_owner_cannot_see(session, &mut figures)))?;
            Ok(answer(&figures))
        }
        // This very function is where an operator learns of it.
        Err(error) if error.is_servers_fault() || matches!(error, crate::error::Error::Conflict { .. }) => {
            let faults = [fault(
                "setup",
                error.to_string(),
                &error.hint().unwrap_or_default(),
            )];
            Ok(json!({"status": "critical", "faults": faults}))
        }
        Err(error) => Err(error),
    }
}

fn figures(session: &Session) -> Result<Figures> {
    schema::ensure_ready(session)?;
    let found = session.look(&FIGURES, vec![])?.first(|row| Figures {
        extension: row.text(1),
        schema_version: row.int4(2),
        has_pg_cron: row.boolean(3).unwrap_or(false),
        has_pg_net: row.boolean(4).unwrap_or(false),
        queue_depth: row.int8(5).unwrap_or(0),
        oldest_pending_seconds: row.float8(6),
        dead_letters: row.int8(7).unwrap_or(0),
        outbox: row.int8(8).unwrap_or(0),
        overdue_seconds: row.float8(9),
        undelivered: row.int8(10).unwrap_or(0),
        open_alerts: row.int8(11).unwrap_or(0),
        dead_tuples: row.int8(12).unwrap_or(0),
        live_tuples: row.int8(13).unwrap_or(0),
        missing_secrets: row.texts(14),
        is_replica: row.boolean(15).unwrap_or(false),
        oldest_open_seconds: row.float8(16),
        preloads_pg_cron: row.boolean(17).unwrap_or(false),
        bad_monitors: row.texts(18),
        ..Figures::default()
    });
    Ok(Figures {
        listening: wake::listening(),
        carrier: Some(carrier::in_force(session)?),
        held: guard::held(session)?,
        ..found.unwrap_or_default()
    })
}

fn what_the_owner_cannot_see(session: &Session, figures: &mut Figures) -> Result<()> {
    if figures.has_pg_cron {
        figures.jobs = session
            .look(&JOBS, vec![])?
            .map(|row| row.text(1).unwrap_or_default());
    }
    if figures.has_pg_net {
        // Role 0 is PUBLIC.
        figures.net_is_open = session
            .look(&NET_IS_OPEN, vec![])?
            .first(|row| row.boolean(1))
            .flatten()
            == Some(true);
    }
    figures.snapshot = session.look(&OLDEST_SNAPSHOT, vec![])?.first(|row| Snapshot {
        pid: row.int4(1).unwrap_or(0),
        user: row.text(2),
        application: row.text(3),
        state: row.text(5),
        seconds: row.float8(6).unwrap_or(0.0),
    });
    Ok(())
}

fn fault(what: &str, problem: impl Into<String>, next: &str) -> Json {
    json!({"what": what, "problem": problem.into(), "next": next})
}

fn answer(figures: &Figures) -> Json {
    let (critical, warning) = (critical_faults(figures), warnings(figures));
    let status = match (critical.is_empty(), warning.is_empty()) {
        (false, _) => "critical",
        (true, false) => "warning",
        (true, true) => "ok",
    };
    let here = figures.listening;
    json!({
        "status": status,
        "extension_version": figures.extension,
        "schema_version": figures.schema_version,
        "preloaded": here.is_some(),
        "workers": {"running": here.map_or(0, |here| here.workers), "wanted": config::workers(), "database": config::database()},
        "sender": here.is_some_and(|here| here.sender),
        "pg_cron": {"installed": figures.has_pg_cron, "jobs": figures.jobs},
        "carrier": figures.carrier.map(InForce::as_str),
        "delivery_held": figures.held.is_some(),
        "queue_depth": figures.queue_depth,
        "oldest_pending_seconds": figures.oldest_pending_seconds.map(f64::round),
        "dead_letters": figures.dead_letters,
        "outbox": {"waiting": figures.outbox, "overdue_seconds": figures.overdue_seconds.map(f64::round)},
        "open_alerts": figures.open_alerts,
        "undelivered_alerts": figures.undelivered,
        "inbox_tuples": {"live": figures.live_tuples, "dead": figures.dead_tuples},
        "oldest_snapshot": figures.snapshot.as_ref().map(|held| json!({
            "pid": held.pid, "user": held.user, "application": held.application, "state": held.state,
            "seconds": held.seconds.round(),
        })),
        "faults": critical.into_iter().chain(warning).collect::<Vec<_>>(),
    })
}

/// Something that should happen does not.
fn critical_faults(figures: &Figures) -> Vec<Json> {
    let mut faults = Vec::new();
    let serves = config::database() == db::current_database();
    let here = figures.listening.filter(|_| serves && !figures.is_replica);
    if let Some(here) = here.filter(|here| here.workers < config::workers() || !here.sender) {
        let problem = format!(
            "{} of {} workers run; the sender {}",
            here.workers,
            config::workers(),
            if here.sender { "runs" } else { "does not" }
        );
        let next = "They restart by themselves within seconds; if not, the server's log says why (search raw_ops). Too \
                    few slots: raise max_worker_processes and restart.";
        faults.push(fault("workers", problem, next));
    }
    let can_send = match figures.carrier {
        Some(InForce::PgNet) => figures.has_pg_net,
        _ => figures.listening.is_some_and(|here| here.sender),
    };
    if !can_send && !figures.is_replica {
        faults.push(nobody_sends(figures, serves));
    }
    if let Some(held) = figures.held.as_ref().filter(|_| !figures.is_replica) {
        faults.push(fault("delivery", held.problem(), &held.next().join("\n")));
    }
    if let Some(seconds) = figures.overdue_seconds.filter(|seconds| *seconds > 300.0) {
        let problem = format!(
            "a request has been due for {} minutes and is not sent",
            (seconds / 60.0).round()
        );
        let next = "SELECT lane, state, count(*), min(send_after), max(error) FROM raw_ops.http_requests WHERE state IN \
                    ('queued', 'sending') GROUP BY 1, 2;";
        if figures.held.is_none() {
            faults.push(fault("outbox", problem, next));
        }
    }
    if let Some(seconds) = figures.oldest_open_seconds.filter(|seconds| *seconds > 3_600.0) {
        let problem = format!(
            "{} webhooks wait to be processed, the oldest for {} minutes",
            figures.queue_depth,
            (seconds / 60.0).round()
        );
        faults.push(fault(
            "queue",
            problem,
            "SELECT * FROM raw_ops.error_summary; CALL raw_ops.drain_inbox();",
        ));
    }
    if figures.has_pg_cron && !figures.preloads_pg_cron {
        let next = "Add pg_cron to shared_preload_libraries, restart the server.";
        faults.push(fault(
            "pg_cron",
            "pg_cron is installed but not preloaded: no job runs",
            next,
        ));
    }
    if figures.undelivered > 0 {
        let next = "SELECT * FROM raw_ops.undelivered_alerts; mend the cause, then: SELECT raw_ops.fn_resend_alerts_v1();";
        faults.push(fault(
            "alerts",
            format!("{} alerts have reached nobody", figures.undelivered),
            next,
        ));
    }
    faults
}

fn nobody_sends(figures: &Figures, serves: bool) -> Json {
    let problem = match (figures.listening, figures.carrier) {
        (_, Some(InForce::PgNet)) => {
            "raw_ops.carrier is pg_net, which is not installed: nothing is sent".to_owned()
        }
        (None, _) => "the library is not preloaded and pg_net is not installed: nothing is sent".to_owned(),
        (Some(_), _) if !serves => format!(
            "the workers serve the database {}, not this one: nothing is sent from here",
            config::database()
        ),
        (Some(_), _) => "the sender does not run: nothing is sent".to_owned(),
    };
    let next = if figures.carrier == Some(InForce::PgNet) {
        "CREATE EXTENSION pg_net; or: ALTER SYSTEM SET raw_ops.carrier = 'auto'; SELECT pg_reload_conf();"
            .to_owned()
    } else if figures.listening.is_some() && !serves {
        format!(
            "ALTER SYSTEM SET raw_ops.database = '{}'; then restart the server.",
            db::current_database()
        )
    } else {
        "Add raw_ops to shared_preload_libraries, set raw_ops.database to this database, restart; or CREATE EXTENSION \
         pg_net;"
            .into()
    };
    fault("sending", problem, &next)
}

/// Something is missing that will be missed.
fn warnings(figures: &Figures) -> Vec<Json> {
    let mut faults = Vec::new();
    if figures.listening.is_none() {
        let next = "For milliseconds instead of minutes: add raw_ops to shared_preload_libraries, set raw_ops.database \
                    to this database, restart the server.";
        faults.push(fault(
            "preload",
            "the library is not preloaded: no worker, pg_cron drains once a minute",
            next,
        ));
    }
    if !figures.has_pg_cron {
        let next = "Add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart; then: \
                    CREATE EXTENSION pg_cron; SELECT raw_ops.fn_schedule_jobs_v1();";
        faults.push(fault(
            "pg_cron",
            "pg_cron is not installed: no monitors, no safety net",
            next,
        ));
    } else {
        let missing: Vec<&str> = checks::CHECKS
            .iter()
            .map(|check| check.job)
            .chain(OTHER_JOBS.iter().copied())
            .filter(|job| !figures.jobs.iter().any(|known| known == job))
            .collect();
        if !missing.is_empty() && !figures.is_replica {
            let problem = format!("jobs are not scheduled or not active: {}", missing.join(", "));
            faults.push(fault("jobs", problem, "SELECT raw_ops.fn_schedule_jobs_v1();"));
        }
    }
    if let Some(error) = secrets::key_problem() {
        let next = error.hint().unwrap_or_default();
        faults.push(fault("secrets", format!("{error}: alerts cannot be sent"), &next));
    } else if !figures.missing_secrets.is_empty() {
        let problem = format!(
            "alerts have nowhere to go; not set: {}",
            figures.missing_secrets.join(", ")
        );
        let next = format!(
            "SELECT raw_ops.fn_set_secret_v1('{}', '<URL>');",
            figures.missing_secrets[0]
        );
        faults.push(fault("secrets", problem, &next));
    }
    if figures.dead_letters > 0 {
        let next = "SELECT id, topic, last_error FROM raw_ops.webhook_inbox WHERE processing_status = 'dlq' ORDER BY \
                    last_error_at DESC LIMIT 5; settle each: SELECT raw_ops.fn_resolve_webhook_manually_v1('<id>', '<note>');";
        let problem = format!("{} dead letters wait for a person", figures.dead_letters);
        faults.push(fault("dead_letters", problem, next));
    }
    if !figures.bad_monitors.is_empty() && !figures.is_replica {
        let problem = format!(
            "monitors do not run, or failed: {}",
            figures.bad_monitors.join(", ")
        );
        let next = "SELECT check_name, status, error, run_at FROM raw_ops.monitoring_runs ORDER BY run_at DESC LIMIT 20;";
        faults.push(fault("monitors", problem, next));
    }
    if figures.net_is_open {
        let next = "REVOKE ALL ON ALL TABLES IN SCHEMA net FROM PUBLIC; REVOKE ALL ON SCHEMA net FROM PUBLIC; REVOKE \
                    EXECUTE ON ALL FUNCTIONS IN SCHEMA net FROM PUBLIC; then grant the three to the owner of raw_ops' tables.";
        faults.push(fault(
            "pg_net",
            "PUBLIC may read pg_net's queue, credentials included",
            next,
        ));
    }
    faults.extend(bloat(figures));
    faults
}

fn bloat(figures: &Figures) -> Vec<Json> {
    const LONG_SECONDS: f64 = 600.0;
    const MANY: i64 = 50_000;
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
            (held.seconds / 60.0).round()
        );
        faults.push(fault(
            "snapshot",
            problem,
            &format!("SELECT pg_terminate_backend({});", held.pid),
        ));
    }
    if figures.dead_tuples > MANY && figures.dead_tuples > figures.live_tuples / 5 {
        let problem = format!("{} dead rows in the inbox", figures.dead_tuples);
        faults.push(fault("bloat", problem, "VACUUM ANALYZE raw_ops.webhook_inbox;"));
    }
    faults
}
