//! Alerts and Slack in all its moods: none is lost, none is repeated needlessly, and what reaches nobody is seen.

mod taken_back;

use crate::support::*;
use raw_ops_e2e::receiver::{Reply, slack};
use raw_ops_e2e::{Receiver, Stack, wait_until};
use serde_json::{Value, json};
use tokio_postgres::Client;

const ALERTS: &str = "/slack/ops-alerts";
const FALLBACK: &str = "/fallback";
const BREACH: &str = "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload)
    SELECT 'shopify', 'orders/create', 'e' || n, '{}' FROM generate_series(1, 101) n";
const INVOKE: &str = "SELECT raw_ops.fn_invoke_monitor('webhook_health')";
const HEARTBEAT: &str = "SELECT raw_ops.fn_check_monitoring_heartbeat_v2()";

/// A stack whose queue is too deep, and its world. Retries of alerts do not wait.
async fn breached(world: &Receiver) -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    stack.post_alerts_to(world).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, BREACH).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose = 'alert'",
    )
    .await;
    (stack, client)
}

async fn set_fallback(client: &Client, world: &Receiver) {
    world.always(FALLBACK, slack::incoming_webhook);
    let sql = "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', $1)";
    client.execute(sql, &[&world.url(FALLBACK)]).await.unwrap();
}

/// Waits until the message has come to its end, and returns how.
async fn delivery(client: &Client) -> Vec<String> {
    let pending = "SELECT count(*) FROM raw_ops.alert_messages WHERE delivery = 'pending'";
    wait_until(LIMIT, "every message to come to its end", async || {
        one::<i64>(client, pending).await == 0
    })
    .await
    .unwrap();
    column(
        client,
        "SELECT concat_ws(' ', kind, delivery, reached) FROM raw_ops.alert_messages ORDER BY created_at",
    )
    .await
}

async fn attempts(client: &Client) -> Vec<String> {
    column(
        client,
        "SELECT concat_ws(' ', destination, attempt, state, coalesce(status_code::text, '-'))
           FROM raw_ops.http_requests ORDER BY created_at, attempt",
    )
    .await
}

#[tokio::test]
async fn slack_in_trouble_for_a_while_gets_the_message_once() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    world.next(
        ALERTS,
        [
            slack::rate_limited(1),
            slack::rollup_error(),
            Reply::close(),
            Reply::status(503),
        ],
    );
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened delivered #ops-alerts"]);
    assert_eq!(
        attempts(&client).await,
        [
            "slack_url_ops_alerts 1 failed 429",
            "slack_url_ops_alerts 2 failed 500",
            "slack_url_ops_alerts 3 failed -",
            "slack_url_ops_alerts 4 failed 503",
            "slack_url_ops_alerts 5 succeeded 200",
        ]
    );
    let requests = world.requests();
    assert!(
        requests[1].at - requests[0].at >= std::time::Duration::from_secs(1),
        "Retry-After is obeyed"
    );
    let keys: std::collections::BTreeSet<_> =
        requests.iter().map(|one| one.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 1, "the same message each time");
    // While it lasts nobody is told again before its time.
    for _ in 0..3 {
        run(&client, INVOKE).await;
    }
    run(
        &client,
        "UPDATE raw_ops.alerts SET last_notified_at = now() - interval '61 minutes'",
    )
    .await;
    run(&client, INVOKE).await;
    assert_eq!(
        delivery(&client).await,
        ["opened delivered #ops-alerts", "repeated delivered #ops-alerts"]
    );
    assert_eq!(world.count(), 6);
}

#[tokio::test]
async fn a_webhook_that_is_gone_for_good_goes_to_the_fallback_at_once() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    set_fallback(&client, &world).await;
    world.always(ALERTS, slack::no_service());
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened delivered fallback"]);
    assert_eq!(
        attempts(&client).await,
        [
            "slack_url_ops_alerts 1 abandoned 404",
            "slack_url_fallback 1 succeeded 200"
        ]
    );
    let second = world.requests()[1].clone();
    assert!(second.mentions("Retry Queue Backup"), "{}", second.text());
    assert!(
        second.mentions("Meant for #ops-alerts, which did not take it"),
        "the dead channel is named: {}",
        second.text()
    );
}

#[tokio::test]
async fn when_slack_keeps_failing_the_fallback_is_tried_and_the_rest_is_called_off() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    set_fallback(&client, &world).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE purpose = 'alert' AND attempt > 3",
    )
    .await;
    world.always(ALERTS, Reply::status(500));
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened delivered fallback"]);
    let queued: i64 = one(
        &client,
        "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'queued'",
    )
    .await;
    assert_eq!(queued, 0);
    assert_eq!(world.requests_to(ALERTS).len(), 3);
}

#[tokio::test]
async fn without_slack_the_fallback_may_be_an_e_mail_through_customer_io() {
    let world = Receiver::start().unwrap();
    let options = by_hand()
        .without_shim()
        .setting("raw_ops.alert_email", "ops+night@example.com")
        .setting("raw_ops.customerio_base_url", world.url(""));
    let stack = Stack::start(options).await.unwrap();
    stack.post_alerts_to(&world).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, BREACH).await;
    run(
        &client,
        "SELECT raw_ops.fn_set_secret_v1('customerio_site_id', 'site'), raw_ops.fn_set_secret_v1('customerio_api_key', 'key')",
    )
    .await;
    let path = "/api/v1/customers/ops%2Bnight%40example.com/events";
    world.always(path, Reply::ok().text("{}"));
    world.always(ALERTS, slack::channel_is_archived());
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened delivered fallback"]);
    let request = world.requests_to(path)[0].clone();
    assert_eq!(request.basic_auth(), Some(("site".to_owned(), "key".to_owned())));
    let event = request.json().unwrap();
    assert_eq!(event["name"], "ops_alert");
    assert_eq!(event["id"].as_str().map(str::len), Some(26), "a ULID");
    assert_eq!(event["data"]["title"], "Retry Queue Backup");
}

#[tokio::test]
async fn what_reached_nobody_is_seen_counted_and_sent_again_once_mended() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    for (_, channel) in raw_ops_e2e::stack::SLACK_PATHS {
        world.always(channel, slack::action_prohibited());
    }
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened undelivered"]);
    let seen: Value = one(&client, "SELECT to_jsonb(u) FROM raw_ops.undelivered_alerts u").await;
    assert_eq!(seen["title"], "Retry Queue Backup");
    assert!(
        seen["last_error"].as_str().unwrap().contains("action_prohibited"),
        "{seen}"
    );
    let heartbeat: Value = one(&client, HEARTBEAT).await;
    assert_eq!(heartbeat["result_summary"]["undelivered_alerts"], 1);
    assert!(
        heartbeat["result_summary"]["undelivered_error"]
            .as_str()
            .unwrap()
            .contains("action_prohibited")
    );

    world.always(ALERTS, slack::incoming_webhook);
    let resent: Value = one(&client, "SELECT raw_ops.fn_resend_alerts_v1()").await;
    assert_eq!(resent["resent"], 1);
    assert_eq!(delivery(&client).await, ["opened delivered #ops-alerts"]);
    let seen: i64 = one(&client, "SELECT count(*) FROM raw_ops.undelivered_alerts").await;
    assert_eq!(seen, 0);
    let resent: Value = one(&client, "SELECT raw_ops.fn_resend_alerts_v1()").await;
    assert_eq!(resent["resent"], 0);
}

#[tokio::test]
async fn slack_silent_for_an_hour_loses_nothing_and_the_heartbeat_says_what_is_stuck() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '10 minutes' WHERE purpose = 'alert' AND attempt > 1",
    )
    .await;
    world.always(ALERTS, Reply::status(502));
    run(&client, INVOKE).await;
    // Six ten-minute waits: the test moves the clock, the sender does the rest.
    for attempt in 1..=6 {
        let made = format!(
            "SELECT count(*) FROM raw_ops.http_requests WHERE attempt = {attempt} AND state = 'failed'"
        );
        wait_until(LIMIT, "the attempt", async || {
            one::<i64>(&client, &made).await == 1
        })
        .await
        .unwrap();
        run(&client, INVOKE).await;
        run(
            &client,
            "UPDATE raw_ops.alert_messages SET created_at = created_at - interval '10 minutes' WHERE kind = 'opened';
             UPDATE raw_ops.alerts SET last_notified_at = last_notified_at - interval '10 minutes'",
        )
        .await;
        let heartbeat: Value = one(&client, HEARTBEAT).await;
        assert_eq!(
            heartbeat["result_summary"]["undelivered_alerts"], 1,
            "{heartbeat}"
        );
        if attempt == 6 {
            world.always(ALERTS, slack::incoming_webhook);
        }
        run(
            &client,
            "UPDATE raw_ops.http_requests SET send_after = now() WHERE state = 'queued'",
        )
        .await;
        // The sender has looked at the queue before; a notification of any kind wakes it.
        run(
            &client,
            "SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest')",
        )
        .await;
    }
    let told: Vec<String> = delivery(&client).await;
    let about_the_queue: Vec<_> = told.iter().filter(|one| !one.starts_with("info")).collect();
    assert_eq!(
        about_the_queue,
        ["opened delivered #ops-alerts"],
        "told once, though it lasted more than an hour"
    );
    assert_eq!(world.requests_to(ALERTS).len(), 7);
}

#[tokio::test]
async fn an_alert_that_ends_while_slack_is_away_is_told_once_as_resolved() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE purpose = 'alert' AND attempt > 1",
    )
    .await;
    world.next(ALERTS, [Reply::status(500)]);
    run(&client, INVOKE).await;
    world.wait_for_requests(LIMIT, 1).await.unwrap();
    let failed = "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'failed'";
    wait_until(LIMIT, "the failure to be recorded", async || {
        one::<i64>(&client, failed).await == 1
    })
    .await
    .unwrap();
    run(&client, "DELETE FROM raw_ops.webhook_inbox").await;
    run(&client, INVOKE).await;
    assert_eq!(
        delivery(&client).await,
        ["opened superseded", "resolved delivered #ops-alerts"]
    );
    let text = world.requests()[1].json().unwrap()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        text.contains("Resolved: Retry Queue Backup") && text.contains("Retry Queue Depth: 0\n"),
        "{text}"
    );
}

#[tokio::test]
async fn an_alert_without_a_channel_waits_for_one_and_says_so() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, BREACH).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 second' WHERE purpose = 'alert' AND attempt > 1",
    )
    .await;
    run(&client, INVOKE).await;
    let failed = "SELECT error FROM raw_ops.http_requests WHERE state = 'failed'";
    wait_until(LIMIT, "an attempt", async || {
        let errors: Vec<String> = column(&client, failed).await;
        errors
            .first()
            .is_some_and(|error| error.contains("fn_set_secret_v1('slack_url_ops_alerts'"))
    })
    .await
    .unwrap();
    let world = Receiver::start().unwrap();
    stack.post_alerts_to(&world).await.unwrap();
    assert_eq!(delivery(&client).await, ["opened delivered #ops-alerts"]);
}

#[tokio::test]
async fn nothing_is_told_of_a_run_that_was_rolled_back() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    run(&client, &format!("BEGIN; {INVOKE}; ROLLBACK")).await;
    world
        .nothing_until(LIMIT, "the digest", async || {
            run(
                &client,
                "SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest')",
            )
            .await;
            true
        })
        .await
        .unwrap();
    delivery(&client).await;
    assert!(world.requests_to(ALERTS).is_empty());
    assert_eq!(world.requests()[0].path, "/slack/daily-ops");
    let rows: i64 = one(&client, "SELECT count(*) FROM raw_ops.http_requests").await;
    assert_eq!(json!(rows), json!(1));
}

#[tokio::test]
async fn a_url_that_is_echoed_is_not_recorded() {
    let world = Receiver::start().unwrap();
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, BREACH).await;
    let url = world.url(slack::PATH);
    let sql = "SELECT raw_ops.fn_set_secret_v1('slack_url_ops_alerts', $1)";
    client.execute(sql, &[&url]).await.unwrap();
    let echo = format!("Bad request to {url}: no POST {} here", slack::PATH);
    world.always(slack::PATH, Reply::status(400).text(&echo));
    run(&client, INVOKE).await;
    assert_eq!(delivery(&client).await, ["opened undelivered"]);
    let token = slack::PATH.rsplit('/').next().unwrap();
    for table in ["http_requests", "alert_messages", "undelivered_alerts"] {
        let rows: Vec<String> = column(&client, &format!("SELECT t::text FROM raw_ops.{table} t")).await;
        assert!(
            !rows.is_empty() && !rows.iter().any(|row| row.contains(token)),
            "{table}: {rows:?}"
        );
    }
    let swapped = format!("SELECT raw_ops.fn_set_secret_v1('{url}', 'slack_url_ops_alerts')");
    let refusal = refused(&client, &swapped).await;
    assert!(!refusal.message.contains(token), "{refusal:?}");
    assert!(!stack.cluster.log().contains(token));
}
