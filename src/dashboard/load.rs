//! Reading what the page shows, each figure apart, under the name that `Data::unread` has for it. One snapshot for all of it:
//! that of the query that asked.

use super::data::{
    Alert, Courier, CourierTask, CourierType, Data, DeadLetterDay, ErrorCategory, Indicator, LatencyDay,
    Moment, Oldest, Outbox, QueueDepth, Retries, State, SuccessDay, Trends, Undelivered, VolumeDay,
};
use super::load_shops::shops;
use crate::alerts::{AllThresholds, Severity};
use crate::db::{self, Session, result_row, schema, statements};
use crate::error::Result;
use crate::health::Health;
use crate::monitoring::checks::webhook_health;
use crate::monitoring::sight::Unread;
use crate::monitoring::{Fault, Sight};

statements! {
    query find_moment() -> MomentRow = file "dashboard/moment.sql";
    query count_settled_without_order() -> i64 = file "dashboard/settled_without_order.sql";
    query count_alerts() -> i64 = text "select count(*) from raw_ops.alerts where state = 'open'";
    query count_undelivered() -> i64 = text "select count(*) from raw_ops.undelivered_alerts";
    query find_last_run() -> Option<i64> = text
        "select date_part('epoch', now() - max(run_at))::bigint from raw_ops.monitoring_runs";
    query find_indicators() -> IndicatorRow = file "dashboard/indicators.sql";
    query find_success_rate() -> SuccessDay = file "dashboard/success_rate.sql";
    query find_queue_depth() -> QueueDepth = file "dashboard/queue_depth.sql";
    query find_dead_letters() -> DeadLetterDay = file "dashboard/dead_letters.sql";
    query find_latency() -> LatencyDay = file "dashboard/latency.sql";
    query find_error_categories() -> ErrorCategoryRow = file "dashboard/error_categories.sql";
    query find_retries() -> RetriesRow = file "dashboard/retries.sql";
    query find_oldest() -> OldestRow = file "dashboard/oldest.sql";
    query find_volume() -> VolumeDay = file "dashboard/volume.sql";
    query find_alerts() -> Alert = file "dashboard/alerts.sql";
    query find_undelivered() -> Undelivered = file "dashboard/undelivered.sql";
    query find_outbox() -> Outbox = file "dashboard/outbox.sql";
    query find_courier() -> CourierRow = file "dashboard/courier.sql";
    query find_courier_tasks() -> CourierTask = file "dashboard/courier_tasks.sql";
    query count_open_tasks() -> i64 = text "select count(*) from raw_ops.courier_tasks where done_at is null";
    query find_courier_types() -> CourierType = file "dashboard/courier_types.sql";
}

result_row! {
    struct MomentRow {
        made_at: String,
        database: String,
        is_replica: bool,
    }
}

result_row! {
    struct IndicatorRow {
        indicator: Option<String>,
        value: Option<f64>,
        state: Option<String>,
        healthy: Option<String>,
        warning: Option<String>,
        critical: Option<String>,
    }
}

result_row! {
    struct ErrorCategoryRow {
        error_category: String,
        webhook_count: i64,
        share: Option<f64>,
    }
}

result_row! {
    struct RetriesRow {
        outcome: String,
        webhook_count: i64,
    }
}

result_row! {
    struct OldestRow {
        seconds: Option<i64>,
        queue_depth: Option<i64>,
        topic: Option<String>,
        processing_status: Option<String>,
    }
}

result_row! {
    struct CourierRow {
        notifications: Option<i64>,
        sent: Option<i64>,
        failed: Option<i64>,
        skipped: Option<i64>,
        waiting: Option<i64>,
        success_percent: Option<f64>,
        p95_seconds: Option<f64>,
    }
}

/// # Errors
/// Without raw_ops' tables.
pub fn load_data(session: &Session, health: Health, sight: &Sight) -> Result<Data> {
    let not_ready = sight.ask(session, "schema", |session| {
        Ok(schema::ensure_ready(session).err())
    });
    if let Some(error) = not_ready.flatten() {
        return Err(error);
    }
    let of_health = State::from(health.severity());
    let (faults, limits) = health.into_parts();
    let faults = faults.into_iter().filter(|fault| fault.severity > Severity::Info);
    let mut indicators = sight.ask(session, "indicators", indicators).unwrap_or_default();
    let trends = Trends {
        success_rate: sight
            .all(session, "success_rate", find_success_rate)
            .unwrap_or_default(),
        dead_letters: sight
            .all(session, "dead_letters", find_dead_letters)
            .unwrap_or_default(),
        latency: sight.all(session, "latency", find_latency).unwrap_or_default(),
        volume: sight.all(session, "volume", find_volume).unwrap_or_default(),
    };
    if !trends.has_webhooks() {
        indicators
            .iter_mut()
            .for_each(|indicator| indicator.state = State::Unknown);
    }
    Ok(Data {
        now: db::clock(),
        server: db::server_name(),
        shops: sight.ask(session, "shops", shops).unwrap_or_default(),
        moment: moment(session, sight),
        overall: match of_health {
            State::Healthy if !trends.has_webhooks() => State::Unknown,
            of_health => of_health,
        },
        faults: faults.collect(),
        indicators,
        trends,
        queue_depth: sight
            .all(session, "queue_depth", find_queue_depth)
            .unwrap_or_default(),
        error_categories: sight
            .all(session, "error_categories", find_error_categories)
            .unwrap_or_default()
            .into_iter()
            .map(|row| ErrorCategory {
                name: row.error_category,
                webhooks: row.webhook_count,
                share: row.share.unwrap_or_default(),
            })
            .collect(),
        retries: sight.ask(session, "retries", retries).unwrap_or_default(),
        oldest: sight
            .ask(session, "oldest", |session| oldest(session, &limits))
            .unwrap_or_default(),
        alerts: sight.all(session, "alerts", find_alerts).unwrap_or_default(),
        undelivered: sight
            .all(session, "undelivered", find_undelivered)
            .unwrap_or_default(),
        outbox: sight.all(session, "outbox", find_outbox).unwrap_or_default(),
        courier: sight.ask(session, "courier", courier).unwrap_or_default(),
        limits,
        unread: Vec::new(),
    })
}

/// Puts in what could not be read, and who is in the way where health has not told it already.
pub fn tell_unread(data: &mut Data, unread: Vec<Unread>, holders: Vec<Fault>) {
    if !unread.is_empty() {
        data.overall = data.overall.max(State::Warning);
    }
    if !data.faults.iter().any(|fault| fault.what == "locks") {
        let worst = holders.iter().map(|fault| State::from(fault.severity)).max();
        data.overall = data.overall.max(worst.unwrap_or(State::Unknown));
        data.faults.extend(holders);
    }
    data.unread = unread;
}

fn moment(session: &Session, sight: &Sight) -> Moment {
    let made = sight
        .first(session, "moment", find_moment)
        .unwrap_or_else(|| MomentRow {
            made_at: db::timestamp_text(db::clock()),
            database: db::current_database(),
            is_replica: false,
        });
    let count = |what, find| sight.first(session, what, find).unwrap_or(0);
    let seconds = |what, find| sight.first(session, what, find).flatten();
    Moment {
        made_at: made.made_at,
        database: made.database,
        is_replica: made.is_replica,
        settled_without_order: count("settled_without_order", count_settled_without_order),
        open_alerts: count("open_alerts", count_alerts),
        undelivered_alerts: count("undelivered_alerts", count_undelivered),
        seconds_since_monitor: seconds("last_run", find_last_run),
    }
}

/// ORD's table of indicators, without its overall light: what is to be done is health's to say.
fn indicators(session: &Session) -> Result<Vec<Indicator>> {
    let mut all = find_indicators(session)?.map(|row| Indicator {
        name: row.indicator.unwrap_or_default(),
        value: row.value,
        state: match row.state.as_deref() {
            _ if row.value.is_none() => State::Unknown,
            Some("healthy") => State::Healthy,
            Some("warning") => State::Warning,
            _ => State::Critical,
        },
        healthy: row.healthy.unwrap_or_default(),
        warning: row.warning.unwrap_or_default(),
        critical: row.critical.unwrap_or_default(),
    })?;
    all.retain(|indicator| indicator.name != "overall");
    Ok(all)
}

fn retries(session: &Session) -> Result<Retries> {
    let mut retries = Retries::default();
    for row in find_retries(session)?.all()? {
        match row.outcome.as_str() {
            "success" => retries.succeeded = row.webhook_count,
            "dlq" => retries.dead = row.webhook_count,
            _ => retries.waiting = row.webhook_count,
        }
    }
    Ok(retries)
}

fn oldest(session: &Session, limits: &AllThresholds) -> Result<Oldest> {
    let found = find_oldest(session)?.first()?.map(|row| Oldest {
        seconds: row.seconds.unwrap_or_default(),
        webhooks_waiting: row.queue_depth.unwrap_or_default(),
        topic: row.topic,
        status: row.processing_status,
        threshold_minutes: limits.of(webhook_health::NAME).lowest(webhook_health::OLDEST),
    });
    Ok(found.unwrap_or_default())
}

fn courier(session: &Session) -> Result<Courier> {
    let found = find_courier(session)?.first()?.map(|row| Courier {
        notifications: row.notifications.unwrap_or_default(),
        sent: row.sent.unwrap_or_default(),
        failed: row.failed.unwrap_or_default(),
        skipped: row.skipped.unwrap_or_default(),
        waiting: row.waiting.unwrap_or_default(),
        success_percent: row.success_percent,
        p95_seconds: row.p95_seconds,
        ..Courier::default()
    });
    Ok(Courier {
        open_tasks: count_open_tasks(session)?.first()?.unwrap_or_default(),
        tasks: find_courier_tasks(session)?.all()?,
        types: find_courier_types(session)?.all()?,
        ..found.unwrap_or_default()
    })
}
