//! Reading what the page shows. One snapshot for all of it: that of the query that asked.

use super::data::{
    Alert, Courier, CourierTask, CourierType, Data, DeadLetterDay, ErrorCategory, Indicator, LatencyDay,
    Moment, Oldest, Outbox, QueueDepth, Retries, State, SuccessDay, Undelivered, VolumeDay,
};
use crate::db::statement::Row;
use crate::db::{Session, Statement};
use crate::error::{Error, Result};
use crate::monitoring::health::Health;
use crate::monitoring::report::Severity;
use std::thread::LocalKey;

macro_rules! statements {
    ($($name:ident $file:literal),+ $(,)?) => {
        thread_local! {
            $(static $name: Statement = const { Statement::new(
                include_str!(concat!("../../../sql/monitoring/dashboard/", $file, ".sql")), &[]) };)+
        }
    };
}

statements! {
    MOMENT "moment",
    INDICATORS "indicators",
    SUCCESS_RATE "success_rate",
    QUEUE_DEPTH "queue_depth",
    DEAD_LETTERS "dead_letters",
    LATENCY "latency",
    ERROR_CATEGORIES "error_categories",
    RETRIES "retries",
    OLDEST "oldest",
    VOLUME "volume",
    ALERTS "alerts",
    UNDELIVERED "undelivered",
    OUTBOX "outbox",
    COURIER "courier",
    COURIER_TASKS "courier_tasks",
    COURIER_TYPES "courier_types",
}

pub fn load_data(session: &Session, health: Health) -> Result<Data> {
    let (overall, indicators) = indicators(session)?;
    let of_health = match health.severity() {
        Severity::Info => State::Healthy,
        Severity::Warning => State::Warning,
        Severity::Critical => State::Critical,
    };
    let faults = health
        .faults
        .into_iter()
        .filter(|fault| fault.severity > Severity::Info);
    Ok(Data {
        moment: moment(session)?,
        overall: overall.max(of_health),
        faults: faults.collect(),
        indicators,
        success_rate: rows(session, &SUCCESS_RATE, |row| SuccessDay {
            day: text(row, 1),
            rate: row.float8(2),
            rolling_rate: row.float8(3),
        })?,
        queue_depth: rows(session, &QUEUE_DEPTH, |row| QueueDepth {
            at: text(row, 1),
            depth: number(row, 2),
        })?,
        dead_letters: rows(session, &DEAD_LETTERS, |row| DeadLetterDay {
            day: text(row, 1),
            open: number(row, 2),
            settled: number(row, 3),
        })?,
        latency: rows(session, &LATENCY, |row| LatencyDay {
            day: text(row, 1),
            p95_ms: row.float8(2),
        })?,
        error_categories: rows(session, &ERROR_CATEGORIES, |row| ErrorCategory {
            name: text(row, 1),
            webhooks: number(row, 2),
            share: row.float8(3).unwrap_or_default(),
        })?,
        retries: retries(session)?,
        oldest: oldest(session)?,
        volume: rows(session, &VOLUME, |row| VolumeDay {
            day: text(row, 1),
            received: number(row, 2),
        })?,
        alerts: alerts(session)?,
        undelivered: undelivered(session)?,
        outbox: outbox(session)?,
        courier: courier(session)?,
    })
}

fn moment(session: &Session) -> Result<Moment> {
    let found = session.query(&MOMENT, vec![])?.first(|row| Moment {
        made_at: text(row, 1),
        database: text(row, 2),
        is_replica: row.boolean(3).unwrap_or_default(),
        open_dead_letters: number(row, 4),
        open_alerts: number(row, 5),
        undelivered_alerts: number(row, 6),
        seconds_since_monitor: row.int8(7),
    });
    found.ok_or_else(|| Error::Internal("no row from a query without FROM".into()))
}

/// The light, and the indicators it is made of.
fn indicators(session: &Session) -> Result<(State, Vec<Indicator>)> {
    let mut all = rows(session, &INDICATORS, |row| Indicator {
        name: text(row, 1),
        value: row.float8(2),
        state: match text(row, 3).as_str() {
            "healthy" => State::Healthy,
            "warning" => State::Warning,
            _ => State::Critical,
        },
        healthy: text(row, 4),
        warning: text(row, 5),
        critical: text(row, 6),
    })?;
    let is_overall = |indicator: &Indicator| indicator.name == "overall";
    let overall = all.iter().find(|one| is_overall(one)).map(|one| one.state);
    all.retain(|indicator| !is_overall(indicator));
    // An owner's own view without the row must not turn the light green.
    Ok((overall.unwrap_or(State::Critical), all))
}

fn retries(session: &Session) -> Result<Retries> {
    let mut retries = Retries::default();
    for (outcome, webhooks) in rows(session, &RETRIES, |row| (text(row, 1), number(row, 2)))? {
        match outcome.as_str() {
            "success" => retries.succeeded = webhooks,
            "dlq" => retries.dead = webhooks,
            _ => retries.waiting = webhooks,
        }
    }
    Ok(retries)
}

fn oldest(session: &Session) -> Result<Oldest> {
    let found = session.query(&OLDEST, vec![])?.first(|row| Oldest {
        seconds: number(row, 1),
        webhooks_waiting: number(row, 2),
        topic: row.text(3),
        status: row.text(4),
        threshold_minutes: row.float8(5),
    });
    Ok(found.unwrap_or_default())
}

fn alerts(session: &Session) -> Result<Vec<Alert>> {
    rows(session, &ALERTS, |row| Alert {
        severity: text(row, 1),
        title: text(row, 2),
        details: text(row, 3),
        check: text(row, 4),
        condition: text(row, 5),
        channel: text(row, 6),
        occurrences: number(row, 7),
        seconds_open: number(row, 8),
    })
}

fn undelivered(session: &Session) -> Result<Vec<Undelivered>> {
    rows(session, &UNDELIVERED, |row| Undelivered {
        severity: text(row, 1),
        title: text(row, 2),
        channel: text(row, 3),
        error: text(row, 4),
        attempts: number(row, 5),
        seconds_old: number(row, 6),
        seconds_to_next: row.int8(7),
    })
}

fn outbox(session: &Session) -> Result<Vec<Outbox>> {
    rows(session, &OUTBOX, |row| Outbox {
        purpose: text(row, 1),
        queued: number(row, 2),
        sending: number(row, 3),
        succeeded: number(row, 4),
        failed: number(row, 5),
        abandoned: number(row, 6),
        seconds_overdue: row.int8(7),
    })
}

fn courier(session: &Session) -> Result<Courier> {
    let found = session.query(&COURIER, vec![])?.first(|row| Courier {
        notifications: number(row, 1),
        sent: number(row, 2),
        failed: number(row, 3),
        skipped: number(row, 4),
        waiting: number(row, 5),
        success_percent: row.float8(6),
        p95_seconds: row.float8(7),
        failed_lately: number(row, 8),
        stuck: number(row, 9),
        open_tasks: number(row, 10),
        overdue_tasks: number(row, 11),
        ..Courier::default()
    });
    Ok(Courier {
        tasks: rows(session, &COURIER_TASKS, |row| CourierTask {
            event_type: text(row, 1),
            code: text(row, 2),
            action: text(row, 3),
            tracking_no: text(row, 4),
            order_name: text(row, 5),
            seconds_left: number(row, 6),
        })?,
        types: rows(session, &COURIER_TYPES, |row| CourierType {
            event_type: text(row, 1),
            events: number(row, 2),
            told: number(row, 3),
        })?,
        ..found.unwrap_or_default()
    })
}

fn rows<T>(
    session: &Session,
    statement: &'static LocalKey<Statement>,
    read: impl FnMut(Row) -> T,
) -> Result<Vec<T>> {
    Ok(session.query(statement, vec![])?.map(read))
}

fn text(row: Row, column: i32) -> String {
    row.text(column).unwrap_or_default()
}

fn number(row: Row, column: i32) -> i64 {
    row.int8(column).unwrap_or_default()
}
