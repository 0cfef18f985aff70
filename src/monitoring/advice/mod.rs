//! What to do about what is wrong: the steps that alerts, health and the page print alike. Pure.
//!
//! Each step is one statement that runs as it stands when pasted into psql, or a comment (`-- …`) where a person must supply a
//! value, decide, or act elsewhere; the statement after a comment shows whether it worked. Nothing that sends, deletes or
//! gives up stands bare.

mod dead_letters;

use crate::db::{literal, result_row};
use crate::json::Timestamp;
pub use dead_letters::{DeadLetters, dead_letters};
result_row! {
    /// What most of the webhooks that failed have run into.
    #[derive(Clone, Debug, Default)]
    pub struct QueueError {
        pub error: Option<String>,
        /// A constraint that the error names and `setup()` has not made: the table, quoted.
        pub constraint_table: Option<String>,
        /// Quoted.
        pub constraint_name: Option<String>,
    }
}

result_row! {
    /// A Slack channel that refuses what is posted there.
    #[derive(Clone, Debug, Default)]
    pub struct DeadChannel {
        /// The secret that holds its URL.
        pub secret: String,
        /// Empty: of all shops.
        pub shop_domain: String,
        pub error: String,
        pub failed_at: Option<Timestamp>,
    }
}
fn step(text: &str) -> String {
    text.to_owned()
}

/// Webhooks wait: what they have run into, then make them due and work on them now.
pub fn queue(error: Option<&QueueError>) -> Vec<String> {
    let Some(error) = error else {
        return vec![
            step(
                "SELECT processing_status, topic, count(*), min(received_at) AS oldest FROM raw_ops.webhook_inbox WHERE \
                 processing_status IN ('pending', 'failed', 'retrying') GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10;",
            ),
            step("CALL raw_ops.drain_inbox();"),
        ];
    };
    let mut steps = vec![step(
        "SELECT error_category, left(last_error, 160) AS error, count(*), min(next_retry_at) AS next_try FROM \
         raw_ops.webhook_inbox WHERE processing_status IN ('failed', 'retrying') GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10;",
    )];
    steps.push(match (&error.constraint_table, &error.constraint_name) {
        (Some(table), Some(name)) => {
            format!("-- {name} is not of setup(). Refuses it what should come in? ALTER TABLE {table} DROP CONSTRAINT {name};")
        }
        _ => step("-- Mend what the error names (docs/operate.md#error-categories). Then do not wait for the retries:"),
    });
    steps.push(step(
        "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed' AND next_retry_at > now();",
    ));
    steps.push(step("CALL raw_ops.drain_inbox();"));
    steps
}
/// Where the time of a webhook goes: triggers of others first, then what is busy now.
pub fn slow_processing() -> Vec<String> {
    vec![
        step(
            "SELECT tgrelid::regclass AS on_table, tgname AS trigger, tgfoid::regprocedure AS calls FROM pg_trigger WHERE NOT \
             tgisinternal AND tgenabled <> 'D' AND tgrelid IN ('raw_ops.webhook_inbox'::regclass, 'raw_ops.orders'::regclass, \
             'raw_ops.order_items'::regclass, 'raw_ops.customers'::regclass, 'raw_ops.ops_events'::regclass) AND tgfoid NOT IN \
             (SELECT objid FROM pg_depend WHERE deptype = 'e' AND classid = 'pg_proc'::regclass);",
        ),
        step(
            "-- A trigger that is yours and slow: ALTER TABLE <on_table> DISABLE TRIGGER <trigger>; locks and dead rows have faults of \
             their own.",
        ),
        step(
            "SELECT date_trunc('minute', processed_at) AS minute, count(*), round(avg(processing_duration_ms)) AS average_ms, \
             max(processing_duration_ms) AS slowest_ms FROM raw_ops.webhook_inbox WHERE processed_at > now() - interval '1 hour' GROUP BY 1 \
             ORDER BY 1 DESC LIMIT 10;",
        ),
    ]
}

/// Elements of list-shaped webhooks that were refused, or that wait for what they are about.
pub fn elements_left(shop: &str) -> Vec<String> {
    vec![
        format!(
            "SELECT provider, state, path, error, webhook_id, created_at FROM raw_ops.webhook_elements_left{shop} ORDER BY created_at \
             DESC LIMIT 20;"
        ),
        step(
            "-- What waits is done when what it is about arrives. What was refused: have the provider send it again, corrected.",
        ),
    ]
}

/// Orders announced and not here: the webhooks behind them, with their errors. `of_shop`: a condition on the shop, after a keyword.
pub fn missing_orders(of_shop: impl Fn(&str) -> String) -> Vec<String> {
    vec![
        format!("SELECT * FROM raw_ops.missing_orders{};", of_shop("WHERE")),
        step("-- Mend what last_error names. Then do not wait for the retries:"),
        format!(
            "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed' AND topic LIKE 'orders/%' AND \
             next_retry_at > now(){};",
            of_shop("AND")
        ),
        step("CALL raw_ops.drain_inbox();"),
    ]
}

/// A source has gone quiet: is the way in open, has the provider given up?
pub fn quiet_source(provider: &str, shop: &str) -> Vec<String> {
    vec![
        format!(
            "SELECT topic, shop_domain, max(received_at) AS last, count(*) FILTER (WHERE received_at > now() - interval '1 day') AS \
             last_day FROM raw_ops.webhook_inbox WHERE provider = {}{shop} GROUP BY 1, 2 ORDER BY 3 DESC;",
            literal(provider)
        ),
        step(
            "-- 1. On the shim's machine: curl -si http://127.0.0.1:8080/readyz says {\"status\":\"ready\"}",
        ),
        step("-- 2. Its log has no 401 (a secret that does not fit) and no 503 for this provider"),
        step(
            "-- 3. The provider still lists the subscription: Shopify deletes it after 8 failures and says nothing",
        ),
    ]
}

/// Monitors that are silent: the last run of each one's job and its error; bring the jobs back; run one now.
pub fn silent_monitors(jobs: &[&str], check: &str) -> Vec<String> {
    let names: Vec<String> = jobs.iter().map(|job| literal(job)).collect();
    vec![
        format!(
            "SELECT j.jobname, j.active, last.status, last.return_message, last.start_time FROM cron.job j LEFT JOIN LATERAL (SELECT * FROM \
             cron.job_run_details d WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) last ON true WHERE j.jobname IN ({});",
            names.join(", ")
        ),
        step("SELECT raw_ops.fn_schedule_jobs_v1();"),
        run_monitor(check),
    ]
}

/// A monitor that failed: once what its error names is mended, run it.
pub fn failing_monitors(check: &str) -> Vec<String> {
    vec![
        format!(
            "SELECT check_name, error, run_at FROM raw_ops.monitoring_runs WHERE check_name = {} ORDER BY run_at DESC LIMIT 3;",
            literal(check)
        ),
        step(
            "-- Mend what the error names; a table or view of raw_ops that is missing is a fault of its own.",
        ),
        run_monitor(check),
    ]
}

/// An alert whose cause is over is closed by the next run.
pub fn run_monitor(check: &str) -> String {
    format!("SELECT raw_ops.fn_invoke_monitor({});", literal(check))
}

/// Slack refuses what is posted to a channel: only a new URL helps, and setting it sends what waits for it.
pub fn dead_channels(dead: &[DeadChannel]) -> Vec<String> {
    let mut steps: Vec<String> = dead
        .iter()
        .map(|one| match one.shop_domain.as_str() {
            "" => format!("-- SELECT raw_ops.fn_set_secret_v1('{}', '<new URL>');", one.secret),
            shop => format!(
                "-- SELECT raw_ops.fn_set_secret_v1('{}', '<new URL>', {}); -- the shop's own, where it has one",
                one.secret,
                literal(shop)
            ),
        })
        .collect();
    steps.push(step(
        "SELECT channel, title, delivery, reached, last_error FROM raw_ops.alert_messages ORDER BY created_at DESC LIMIT 5;",
    ));
    steps
}

/// Alerts have reached nobody: a new URL for what refuses them; sent again once the cause is mended.
pub fn undelivered_alerts(dead: &[DeadChannel]) -> Vec<String> {
    let mut steps = vec![step(
        "SELECT title, channel, delivery, last_error, next_attempt_at FROM raw_ops.undelivered_alerts ORDER BY created_at DESC LIMIT 10;",
    )];
    if !dead.is_empty() {
        steps.extend(
            dead_channels(dead)
                .into_iter()
                .filter(|step| step.starts_with("--")),
        );
    }
    steps.push(step(
        "-- Once the cause is mended: SELECT raw_ops.fn_resend_alerts_v1();",
    ));
    steps.push(step(
        "SELECT count(*) AS undelivered FROM raw_ops.undelivered_alerts;",
    ));
    steps
}

/// Background processes that do not run.
pub fn missing_workers() -> Vec<String> {
    vec![
        step(
            "-- They start again by themselves within seconds; if not, the server's log says why (search raw_ops).",
        ),
        step(
            "SELECT pid, backend_type, backend_start, state, wait_event FROM pg_stat_activity WHERE backend_type LIKE 'raw_ops%';",
        ),
    ]
}

/// The sender does not send what is due: ended, it starts again within seconds.
pub fn stuck_outbox(sender: Option<&str>) -> Vec<String> {
    let mut steps = vec![step(
        "SELECT lane, state, count(*), min(send_after) AS due_since, max(left(error, 120)) AS error FROM raw_ops.http_requests WHERE \
         state IN ('queued', 'sending') GROUP BY 1, 2;",
    )];
    steps.extend(sender.map(str::to_owned));
    steps
}
#[cfg(test)]
mod tests {
    use super::*;

    fn is_a_step(text: &str) -> bool {
        let is_one_statement = text.ends_with(';') && text.matches(';').count() == 1;
        let mut after = text.split('<').skip(1);
        let has_blank = after.any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
        text.starts_with("-- ") || is_one_statement && !text.contains('\n') && !has_blank
    }

    #[test]
    fn every_step_is_one_whole_statement_or_a_comment() {
        let dead = DeadLetters {
            total: 9,
            to_apply: 2,
            malformed: 2,
            unknown_topic: 2,
            malformed_id: Some([7; 16]),
            ..DeadLetters::default()
        };
        let constrained = QueueError {
            constraint_table: Some("raw_ops.orders".into()),
            constraint_name: Some("no_gifts".into()),
            ..QueueError::default()
        };
        for steps in [
            queue(None),
            queue(Some(&QueueError::default())),
            queue(Some(&constrained)),
            dead_letters(&dead, ""),
            slow_processing(),
            elements_left(""),
            missing_orders(|_| String::new()),
            quiet_source("shop'ify", ""),
            silent_monitors(&["a"], "a"),
            failing_monitors("a"),
            stuck_outbox(None),
        ] {
            for step in &steps {
                assert!(is_a_step(step), "{step}");
            }
            let statements = steps.iter().filter(|step| !step.starts_with("--")).count();
            assert!((1..=3).contains(&statements), "{steps:?}");
        }
    }
}
