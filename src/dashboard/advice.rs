//! What a person should do now, and the statement to begin with. Pure.

use super::data::{Courier, Data, Indicator, Moment, Outbox, State};
use super::figures::{age, counted, milliseconds, percent};
use crate::alerts::Thresholds;
use crate::monitoring::Fault;
use crate::monitoring::checks::{courier_watchdog_health, monitoring_heartbeat, webhook_health};
use std::borrow::Cow;

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it is about; health's word for it, where health tells it too.
    pub what: Cow<'static, str>,
    pub state: State,
    /// What is wrong.
    pub problem: String,
    /// What to run, in order: what for (may be empty), statement.
    pub steps: Vec<(&'static str, Cow<'static, str>)>,
}

/// Worst first; within a state, what keeps orders from coming in first.
pub fn advice(data: &Data) -> Vec<Advice> {
    let mut all: Vec<Advice> = Vec::new();
    all.extend(queue(data));
    all.extend(dead_letters(data));
    all.extend(success_rate(data));
    all.extend(latency(data));
    let of_heartbeat = data.limits.of(monitoring_heartbeat::NAME);
    all.extend(outbox(&data.outbox, of_heartbeat));
    all.extend(undelivered(data.moment.undelivered_alerts, of_heartbeat));
    all.extend(courier_notifications(
        &data.courier,
        data.limits.of(courier_watchdog_health::NAME),
    ));
    all.extend(courier_tasks(&data.courier));
    if data.moment.is_replica {
        // Health looks after the jobs of its own server.
        all.extend(monitors(&data.moment));
    }
    let others = data
        .faults
        .iter()
        .filter(|fault| all.iter().all(|advice| advice.what != fault.what));
    let others: Vec<Advice> = others.map(of_fault).collect();
    all.extend(others);
    all.sort_by_key(|advice| std::cmp::Reverse(advice.state));
    all
}

/// What health tells and nobody here does.
fn of_fault(fault: &Fault) -> Advice {
    let problem = fault.problem.as_str();
    let mut letters = problem.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    Advice {
        what: fault.what.clone().into(),
        state: fault.severity.into(),
        problem: format!("{}{}.", first.unwrap_or_default(), letters.as_str()),
        steps: fault
            .next
            .iter()
            .map(|statement| ("", statement.clone().into()))
            .collect(),
    }
}

/// The indicator of this name, unless it is healthy.
fn out_of_range<'a>(data: &'a Data, name: &str) -> Option<&'a Indicator> {
    data.indicators
        .iter()
        .find(|indicator| indicator.name == name && indicator.state != State::Healthy)
}

fn queue(data: &Data) -> Option<Advice> {
    let oldest = &data.oldest;
    let limits = data.limits.of(webhook_health::NAME);
    let crossed =
        webhook_health::worst_of_queue(limits, oldest.webhooks_waiting, oldest.seconds as f64 / 60.0);
    let indicator = out_of_range(data, "queue_depth").map(|indicator| indicator.state);
    let state = crossed.map(|one| one.severity.into()).max(indicator)?;
    Some(Advice {
        what: "queue".into(),
        state,
        problem: format!(
            "{} waiting, the oldest for {}.",
            counted(oldest.webhooks_waiting, "webhook is", "webhooks are"),
            age(oldest.seconds)
        ),
        steps: vec![
            (
                "How many, since when, when they are tried again",
                "SELECT * FROM raw_ops.retry_queue_depth;".into(),
            ),
            (
                "Nothing moves? Drain by hand",
                "CALL raw_ops.drain_inbox();".into(),
            ),
        ],
    })
}

fn dead_letters(data: &Data) -> Option<Advice> {
    let indicator = out_of_range(data, "dlq_per_day");
    let open = data.moment.open_dead_letters;
    if open == 0 {
        let settled = indicator?.value.unwrap_or_default() as i64;
        return Some(Advice {
            what: "dead_letters".into(),
            state: State::Warning,
            problem: format!(
                "{} in the last 24 hours, all settled: nothing to do, the light follows within a day.",
                counted(settled, "dead letter", "dead letters")
            ),
            steps: vec![],
        });
    }
    Some(Advice {
        what: "dead_letters".into(),
        // One from last week is not healthy either: nobody else will look after its order.
        state: indicator.map_or(State::Warning, |indicator| indicator.state),
        problem: format!(
            "{} for a person.",
            counted(open, "dead letter waits", "dead letters wait")
        ),
        steps: vec![
            (
                "What and why",
                "SELECT id, topic, error_category, last_error\n  FROM raw_ops.webhook_inbox\n \
                 WHERE processing_status = 'dlq'\n ORDER BY last_error_at DESC LIMIT 20;".into(),
            ),
            (
                "When the cause is mended",
                "SELECT raw_ops.fn_resolve_webhook_manually_v1(\n  '<id>', '<what was wrong, what was done>');".into(),
            ),
        ],
    })
}

fn success_rate(data: &Data) -> Option<Advice> {
    let indicator = out_of_range(data, "success_rate")?;
    Some(Advice {
        what: "success_rate".into(),
        state: indicator.state,
        problem: format!(
            "Only {} of the webhooks of the last 24 hours succeeded.",
            percent(indicator.value.unwrap_or_default())
        ),
        steps: vec![(
            "What fails, with a sample of each",
            "SELECT * FROM raw_ops.error_summary;".into(),
        )],
    })
}

fn latency(data: &Data) -> Option<Advice> {
    let indicator = out_of_range(data, "p95_latency")?;
    Some(Advice {
        what: "latency".into(),
        state: indicator.state,
        problem: format!(
            "One webhook in twenty takes longer than {}.",
            milliseconds(indicator.value.unwrap_or_default())
        ),
        steps: vec![
            (
                "Since when",
                "SELECT * FROM raw_ops.webhook_processing_by_hour\n ORDER BY hour DESC LIMIT 24;".into(),
            ),
            (
                "What the server is busy with",
                "SELECT pid, now() - query_start AS running,\n       wait_event, left(query, 60) AS query\n  \
                 FROM pg_stat_activity\n WHERE state = 'active' ORDER BY query_start;".into(),
            ),
        ],
    })
}

fn outbox(outbox: &[Outbox], limits: &Thresholds) -> Option<Advice> {
    let overdue = outbox.iter().filter_map(|line| line.seconds_overdue).max()?;
    let crossed = limits.crossed(monitoring_heartbeat::STUCK_OUTBOX, overdue as f64 / 60.0)?;
    Some(Advice {
        what: "outbox".into(),
        state: crossed.severity.into(),
        problem: format!(
            "Nothing is being sent: a request has been due for {}.",
            age(overdue)
        ),
        steps: vec![(
            "Who should send, and what keeps it",
            "SELECT raw_ops.fn_health_v1();".into(),
        )],
    })
}

fn undelivered(alerts: i64, limits: &Thresholds) -> Option<Advice> {
    let crossed = limits.crossed(monitoring_heartbeat::UNDELIVERED, alerts as f64)?;
    Some(Advice {
        what: "alerts".into(),
        state: crossed.severity.into(),
        problem: format!(
            "{} nobody.",
            counted(alerts, "alert has reached", "alerts have reached")
        ),
        steps: vec![
            (
                "Which, and what the receiver said",
                "SELECT * FROM raw_ops.undelivered_alerts;".into(),
            ),
            (
                "When the cause is mended",
                "SELECT raw_ops.fn_resend_alerts_v1();".into(),
            ),
        ],
    })
}

fn courier_notifications(courier: &Courier, limits: &Thresholds) -> Option<Advice> {
    let failed = limits.crossed(courier_watchdog_health::FAILED, courier.failed_lately as f64);
    let stuck = limits.crossed(courier_watchdog_health::STUCK, courier.oldest_waiting_minutes);
    let problem = if failed.is_some() {
        format!(
            "{} of their shipment's trouble: the notification failed for good.",
            counted(
                courier.failed_lately,
                "customer has not heard",
                "customers have not heard"
            )
        )
    } else {
        format!(
            "{} for up to {} to be told about their shipment.",
            counted(courier.stuck, "customer has waited", "customers have waited"),
            age((courier.oldest_waiting_minutes * 60.0) as i64)
        )
    };
    let severity = failed
        .map(|one| one.severity)
        .max(stuck.map(|one| one.severity))?;
    Some(Advice {
        what: "courier".into(),
        state: severity.into(),
        problem,
        steps: vec![
            (
                "Whose, and what Customer.io said",
                "SELECT * FROM raw_ops.courier_failed_notifications\n ORDER BY created_at DESC LIMIT 20;".into(),
            ),
            (
                "When the cause is mended, send it again",
                "UPDATE raw_ops.ops_events\n   SET notification_status = 'pending', notification_attempts = 0,\n       \
                 notification_last_error = NULL, notification_next_retry_at = NULL\n WHERE id = '<ops_event_id>';".into(),
            ),
        ],
    })
}

fn courier_tasks(courier: &Courier) -> Option<Advice> {
    (courier.overdue_tasks > 0).then(|| Advice {
        what: "courier_tasks".into(),
        state: State::Warning,
        problem: format!(
            "{} overdue: a customer waits for a person.",
            counted(courier.overdue_tasks, "courier task is", "courier tasks are")
        ),
        steps: vec![
            (
                "What is to be done",
                "SELECT * FROM raw_ops.courier_open_tasks ORDER BY due_at;".into(),
            ),
            (
                "When it is done",
                "SELECT raw_ops.fn_complete_courier_task_v1(\n  '<task_id>', '<what was done>');".into(),
            ),
        ],
    })
}

fn monitors(moment: &Moment) -> Option<Advice> {
    let allowed = moment.seconds_between_monitors?;
    let problem = match moment.seconds_since_monitor {
        Some(seconds) if seconds <= allowed => return None,
        Some(seconds) => format!(
            "No monitor has run for {}: nobody is told when something breaks.",
            age(seconds)
        ),
        None => "No monitor has run yet: nobody is told when something breaks.".to_owned(),
    };
    Some(Advice {
        what: "monitors".into(),
        state: State::Warning,
        problem,
        steps: vec![(
            "Schedule them with pg_cron",
            "SELECT raw_ops.fn_schedule_jobs_v1();".into(),
        )],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{Severity, Threshold};

    fn line(seconds_overdue: Option<i64>) -> Outbox {
        Outbox {
            purpose: "alert".into(),
            queued: 1,
            sending: 0,
            succeeded: 0,
            failed: 0,
            abandoned: 0,
            seconds_overdue,
        }
    }

    fn limits<const N: usize>(rows: [(&str, Severity, f64); N]) -> Thresholds {
        let row = |(condition, severity, value): (&str, _, _)| Threshold {
            condition: condition.into(),
            severity,
            channel: String::new(),
            value,
            lookback: None,
            repeat_after: 0,
        };
        Thresholds(rows.map(row).into())
    }

    #[test]
    fn a_request_that_waits_for_its_retry_is_not_stuck() {
        let limits = limits([(monitoring_heartbeat::STUCK_OUTBOX, Severity::Critical, 5.0)]);
        assert_eq!(outbox(&[], &limits), None);
        assert_eq!(outbox(&[line(None), line(Some(300))], &limits), None);
        assert_eq!(
            outbox(&[line(None), line(Some(301))], &limits).map(|advice| advice.state),
            Some(State::Critical)
        );
        assert_eq!(outbox(&[line(Some(301))], &Thresholds::default()), None);
    }

    #[test]
    fn customers_who_have_not_heard_are_told_about() {
        let limits = limits([
            (courier_watchdog_health::FAILED, Severity::Warning, 0.0),
            (courier_watchdog_health::FAILED, Severity::Critical, 2.0),
            (courier_watchdog_health::STUCK, Severity::Warning, 60.0),
        ]);
        let state = |failed_lately, oldest_waiting_minutes| {
            let courier = Courier {
                failed_lately,
                stuck: 1,
                oldest_waiting_minutes,
                ..Courier::default()
            };
            courier_notifications(&courier, &limits).map(|advice| advice.state)
        };
        assert_eq!(state(0, 60.0), None);
        assert_eq!(state(2, 0.0), Some(State::Warning));
        assert_eq!(state(3, 60.1), Some(State::Critical));
        assert_eq!(state(0, 60.1), Some(State::Warning));
    }

    #[test]
    fn monitors_that_are_silent_or_never_ran_are_told() {
        let advice = |seconds_since_monitor, seconds_between_monitors| {
            let moment = Moment {
                made_at: String::new(),
                database: String::new(),
                is_replica: true,
                open_dead_letters: 0,
                open_alerts: 0,
                undelivered_alerts: 0,
                seconds_since_monitor,
                seconds_between_monitors,
            };
            monitors(&moment)
        };
        assert_eq!(advice(Some(3600), Some(3600)), None);
        assert!(advice(Some(3601), Some(3600)).is_some());
        assert!(advice(None, Some(3600)).is_some());
        assert_eq!(advice(None, None), None);
    }
}
