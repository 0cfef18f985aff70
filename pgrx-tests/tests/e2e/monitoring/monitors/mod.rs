//! The monitors: each threshold just under and just over, exactly the alert the procedure prints, in the right channel,
//! once; and one "resolved" at its end. The clock is moved by writing times into rows.

mod heartbeat;
mod shops;
mod silence;
mod thresholds;

use std::sync::Arc;

use crate::support::*;
use raw_ops_e2e::receiver::Received;
use raw_ops_e2e::{Receiver, Stack, wait_until};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// A stack whose alerts arrive at a receiver.
struct Watched {
    // Dropped in this order.
    client: Client,
    world: Receiver,
    stack: Stack,
}

impl Watched {
    async fn start() -> Self {
        let stack = Stack::start(by_hand().without_shim()).await.unwrap();
        let world = Receiver::start().unwrap();
        stack.post_alerts_to(&world).await.unwrap();
        let client = stack.connect().await.unwrap();
        Self { client, world, stack }
    }

    /// Runs a check, and waits until what it had to tell is told: a message still on its way would be superseded by the
    /// next one.
    async fn invoke(&self, check: &str) -> Value {
        let answer = one(
            &self.client,
            &format!("SELECT raw_ops.fn_invoke_monitor('{check}')"),
        )
        .await;
        self.all_sent().await;
        answer
    }

    async fn all_sent(&self) {
        let open = "SELECT count(*) FROM raw_ops.http_requests WHERE state IN ('queued', 'sending')";
        wait_until(LIMIT, "the outbox to be empty", async || {
            one::<i64>(&self.client, open).await == 0
        })
        .await
        .unwrap();
    }

    /// Waits until everything that was queued has been sent, and returns all that has arrived: path and headline.
    async fn arrived(&self) -> Vec<(String, String)> {
        self.all_sent().await;
        self.world.requests().iter().map(headline).collect()
    }
}

/// Channel and first line of a message, without its mark.
fn headline(request: &Arc<Received>) -> (String, String) {
    let message = request.json().unwrap();
    let text = message["text"]
        .as_str()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let (_, title) = text.split_once(' ').unwrap();
    (
        request.path.trim_start_matches("/slack/").to_owned(),
        title.to_owned(),
    )
}

fn messages<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected
        .map(|(channel, title)| (channel.to_owned(), title.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn the_slo_is_five_minutes_warning_fifteen_critical_and_the_end_is_told_once() {
    let watched = Watched::start().await;
    run(
        &watched.client,
        "INSERT INTO raw_ops.ops_events (kind, entity_type, message, event_payload, created_at)
         VALUES ('INFO', 'order', 'order.created', '{\"shopify_order_id\": 820982911946154508}', now() - interval '4 minutes 58 seconds')",
    )
    .await;
    let age = async |age: &str| {
        let sql = format!("UPDATE raw_ops.ops_events SET created_at = now() - interval '{age}'");
        run(&watched.client, &sql).await;
        watched.invoke("order_ingestion_slo").await
    };
    assert_eq!(watched.invoke("order_ingestion_slo").await["status"], "ok");
    let warning = age("5 minutes 2 seconds").await;
    assert_eq!(
        warning["alert_config"],
        json!({
            "severity": "warning", "channel": "#ops-alerts", "title": "Order Ingestion SLO Breach",
            "fields": [
                {"title": "Orders Affected", "value": "1"}, {"title": "Oldest (minutes)", "value": "5"},
                {"title": "Severity", "value": "warning"}, {"title": "Order IDs", "value": "820982911946154508"},
            ],
        })
    );
    assert_eq!(age("14 minutes 58 seconds").await["status"], "warning");
    let critical = age("15 minutes 5 seconds").await;
    assert_eq!(
        (&critical["status"], &critical["alert_config"]["channel"]),
        (&json!("critical"), &json!("#ops-urgent"))
    );
    age("16 minutes").await;
    let breach = "Order Ingestion SLO Breach";
    let told = [("ops-alerts", breach), ("ops-urgent", breach)];
    assert_eq!(watched.arrived().await, messages(told), "once each");

    // ORD looks back 20 minutes; an order that is still missing is not resolved by that.
    assert_eq!(age("21 minutes").await["status"], "ok");
    assert_eq!(watched.arrived().await.len(), 2);
    run(
        &watched.client,
        "INSERT INTO raw_ops.orders (shopify_order_id) VALUES (820982911946154508)",
    )
    .await;
    for _ in 0..2 {
        assert_eq!(watched.invoke("order_ingestion_slo").await["status"], "ok");
    }
    let mut told = messages(told);
    told.extend(messages([("ops-urgent", "Resolved: Order Ingestion SLO Breach")]));
    assert_eq!(watched.arrived().await, told);
    let open: i64 = one(
        &watched.client,
        "SELECT count(*) FROM raw_ops.alerts WHERE state = 'open'",
    )
    .await;
    assert_eq!(open, 0);
}

/// Webhooks in a state, received so long ago.
async fn webhooks(client: &Client, count: i32, status: &str, age: &str) {
    let sql = "INSERT INTO raw_ops.webhook_inbox
                   (provider, topic, event_id, payload, processing_status, received_at, created_at, last_error_at)
               SELECT 'shopify', 'orders/create', $1 || '-' || n || '-' || gen_random_uuid(), '{}', $1,
                      now() - $2::text::interval, now() - $2::text::interval,
                      CASE WHEN $1 = 'dlq' THEN now() - $2::text::interval END
                 FROM generate_series(1, $3) n";
    client.execute(sql, &[&status, &age, &count]).await.unwrap();
}

#[tokio::test]
async fn queue_depth_and_age_are_one_alert_that_ends_when_the_queue_is_empty() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 100, "pending", "1 minute").await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "ok");
    webhooks(&watched.client, 1, "failed", "1 minute").await;
    let over = watched.invoke("webhook_health").await;
    assert_eq!(over["alert_config"]["title"], "Retry Queue Backup");
    assert_eq!(over["alert_config"]["severity"], "warning");
    assert_eq!(over["result_summary"]["queue_depth"], 101);
    run(&watched.client, "DELETE FROM raw_ops.webhook_inbox").await;
    webhooks(&watched.client, 1, "pending", "29 minutes 58 seconds").await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "ok");
    webhooks(&watched.client, 1, "pending", "30 minutes 2 seconds").await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "warning");
    let backup = ("ops-alerts", "Retry Queue Backup");
    assert_eq!(
        watched.arrived().await,
        messages([backup, ("ops-alerts", "Resolved: Retry Queue Backup"), backup])
    );
    let request = watched.world.requests()[0].json().unwrap();
    assert!(
        request["text"]
            .as_str()
            .unwrap()
            .contains("\nCALL raw_ops.drain_inbox();")
    );
}

#[tokio::test]
async fn a_dead_letter_of_the_last_ten_minutes_is_urgent() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 1, "dlq", "10 minutes 5 seconds").await;
    assert_eq!(watched.invoke("webhook_health").await["status"], "ok");
    webhooks(&watched.client, 1, "dlq", "9 minutes 55 seconds").await;
    let over = watched.invoke("webhook_health").await;
    let alert = &over["alert_config"];
    assert_eq!(
        (&alert["severity"], &alert["channel"], &alert["title"]),
        (&json!("critical"), &json!("#ops-urgent"), &json!("DLQ Critical"))
    );
    assert_eq!(
        watched.arrived().await,
        messages([("ops-urgent", "DLQ Critical")])
    );
}

#[tokio::test]
async fn a_slow_95th_percentile_is_a_warning_and_several_faults_are_an_alert_each() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 20, "success", "1 minute").await;
    let slow = async |milliseconds: i32| {
        let sql = format!("UPDATE raw_ops.webhook_inbox SET processing_duration_ms = {milliseconds}");
        run(&watched.client, &sql).await;
        watched.invoke("webhook_health").await
    };
    assert_eq!(slow(5_000).await["status"], "ok");
    let over = slow(5_001).await;
    assert_eq!(over["alert_config"]["title"], "Slow Processing");
    webhooks(&watched.client, 1, "dlq", "1 minute").await;
    let both = watched.invoke("webhook_health").await;
    assert_eq!(both["alert_config"]["title"], "DLQ Critical", "the worst one");
    assert_eq!(
        both["result_summary"]["conditions"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        watched.arrived().await,
        messages([("ops-alerts", "Slow Processing"), ("ops-urgent", "DLQ Critical")])
    );
}

#[tokio::test]
async fn the_digest_is_sent_each_time_and_never_stays_open() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 98, "success", "23 hours").await;
    webhooks(&watched.client, 1, "failed", "1 hour").await;
    webhooks(&watched.client, 1, "dlq", "1 hour").await;
    webhooks(&watched.client, 7, "success", "25 hours").await;
    let digest = watched.invoke("webhook_daily_digest").await;
    assert_eq!(digest["status"], "info");
    let summary = &digest["result_summary"];
    assert_eq!(
        (
            &summary["success"],
            &summary["failed"],
            &summary["dlq"],
            &summary["success_rate"]
        ),
        (&json!(98), &json!(1), &json!(1), &json!(98.0))
    );
    watched.invoke("webhook_daily_digest").await;
    let digest = ("daily-ops", "Daily Webhook Digest");
    assert_eq!(watched.arrived().await, messages([digest, digest]));
}

#[tokio::test]
async fn two_runs_at_once_raise_one_alert() {
    let watched = Watched::start().await;
    webhooks(&watched.client, 200, "pending", "1 minute").await;
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let client = watched.stack.connect().await.unwrap();
        runs.spawn(async move {
            one::<Value>(&client, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await
        });
    }
    let opened = runs
        .join_all()
        .await
        .iter()
        .filter(|run| run["messages"] == json!(["opened"]))
        .count();
    assert_eq!(opened, 1);
    assert_eq!(
        watched.arrived().await,
        messages([("ops-alerts", "Retry Queue Backup")])
    );
    let runs: i64 = one(
        &watched.client,
        "SELECT count(*) FROM raw_ops.monitoring_runs WHERE alert_triggered",
    )
    .await;
    assert_eq!(runs, 6);
}

#[tokio::test]
async fn checks_only_look_and_an_unknown_one_is_answered_with_the_known() {
    let watched = Watched::start().await;
    run(&watched.client, "SET default_transaction_read_only = on").await;
    for check in [
        "order_ingestion_slo_v2",
        "webhook_health_v2",
        "webhook_daily_digest_v2",
        "monitoring_heartbeat_v2",
        "webhook_silence_v1",
    ] {
        let answer: Value = one(&watched.client, &format!("SELECT raw_ops.fn_check_{check}()")).await;
        assert!(
            answer["check_name"].is_string() && answer["result_summary"].is_object(),
            "{answer}"
        );
    }
    let no_transaction_id: bool = one(
        &watched.client,
        "WITH checked AS MATERIALIZED (SELECT raw_ops.fn_check_webhook_health_v2(), raw_ops.fn_health_v1())
         SELECT pg_current_xact_id_if_assigned() IS NULL FROM checked",
    )
    .await;
    assert!(no_transaction_id);
    let refusal = refused(&watched.client, "SELECT raw_ops.fn_invoke_monitor('nonsense')").await;
    assert!(
        refusal.message.contains("order_ingestion_slo"),
        "{}",
        refusal.message
    );
    assert_eq!(watched.world.count(), 0);
}

#[tokio::test]
async fn an_order_is_missed_once_however_often_it_was_announced_and_an_id_may_be_text() {
    let watched = Watched::start().await;
    receive(
        &watched.client,
        "orders/create",
        "text",
        br#"{"id": "777", "line_items": []}"#,
    )
    .await;
    assert_eq!(drain(&watched.client, 10).await, [1, 1, 0, 0]);
    for _ in 0..3 {
        run(
            &watched.client,
            "INSERT INTO raw_ops.ops_events (kind, entity_type, message, event_payload)
             VALUES ('INFO', 'order', 'order.created', '{\"shopify_order_id\": 9223372036854775807}')",
        )
        .await;
    }
    run(
        &watched.client,
        "UPDATE raw_ops.ops_events SET created_at = now() - interval '6 minutes'",
    )
    .await;
    let found = watched.invoke("order_ingestion_slo").await;
    assert_eq!(
        found["result_summary"]["order_ids"],
        json!(["9223372036854775807"]),
        "{found}"
    );
}
