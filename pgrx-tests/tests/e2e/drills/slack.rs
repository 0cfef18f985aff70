//! Alerts that do not arrive.

use super::*;
use raw_ops_e2e::Reply;
use raw_ops_e2e::receiver::slack;

/// An alert for #ops-urgent.
async fn urgent(drill: &Drill) -> Client {
    let owner = drill.owner().await;
    run(
        &owner,
        "UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose = 'alert';
         UPDATE raw_ops.monitor_thresholds SET severity = 'critical', channel = '#ops-urgent'
          WHERE check_name = 'webhook_health' AND condition = 'retry_queue_depth';
         INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, next_retry_at)
         SELECT 'shopify', 'orders/create', n::text, '{}', 'failed', now() + interval '1 hour' FROM generate_series(1, 101) n;
         SELECT raw_ops.fn_invoke_monitor('webhook_health')",
    )
    .await;
    owner
}

async fn messages(owner: &Client) -> Vec<String> {
    column(
        owner,
        "SELECT concat_ws(' ', channel, delivery, reached) FROM raw_ops.alert_messages ORDER BY created_at",
    )
    .await
}

/// A new URL for the channel that the comment names.
async fn new_url(stack: &Stack, note: &str, url: &str) {
    let Some((_, statement)) = note.split_once("-- SELECT raw_ops.fn_set_secret_v1") else {
        return;
    };
    let statement = format!("SELECT raw_ops.fn_set_secret_v1{statement}");
    let statement = statement.replace("<new URL>", url).replace("<URL>", url);
    run(&stack.connect().await.unwrap(), &statement).await;
}

/// Somebody makes a new webhook at Slack for the channel.
async fn mended_by_a_new_webhook(drill: &mut Drill, named: &Named) {
    drill.world.always("/slack/new", slack::incoming_webhook);
    let url = drill.world.url("/slack/new");
    drill
        .paste(named, async |stack: &Stack, note: &str| {
            new_url(stack, note, &url).await
        })
        .await;
    drill.mended().await;
}

#[tokio::test]
async fn a_channel_that_is_gone_sends_its_alerts_to_another_and_is_named() {
    let mut drill = Drill::begin(22, StackOptions::for_tests().without_shim()).await;
    drill.world.always("/slack/ops-urgent", slack::no_service());
    let owner = urgent(&drill).await;
    let posted = drill.posted("Meant for #ops-urgent").await;
    assert!(
        posted.contains("Retry Queue Backup") && posted.contains("no_service"),
        "{posted}"
    );
    wait_until(LIMIT, "it to have arrived", async || {
        messages(&owner).await == ["#ops-urgent delivered #ops-alerts"]
    })
    .await
    .unwrap();
    let named = drill.named().await;
    assert!(named.problem().contains("slack_url_ops_urgent"), "{named:?}");
    mended_by_a_new_webhook(&mut drill, &named).await;
    run(
        &owner,
        "UPDATE raw_ops.alerts SET last_notified_at = now() - interval '1 day'; SELECT raw_ops.fn_invoke_monitor('webhook_health')",
    )
    .await;
    wait_until(LIMIT, "the channel to take messages again", async || {
        drill.world.requests_to("/slack/new").len() == 1
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn slack_is_down_and_what_waits_is_sent_at_a_word() {
    let mut drill = Drill::begin(23, StackOptions::for_tests().without_shim()).await;
    for path in ["/slack/ops-urgent", "/slack/ops-alerts", "/slack/daily-ops"] {
        drill.world.always(path, Reply::status(500).text("rollup_error"));
    }
    let owner = urgent(&drill).await;
    run(
        &owner,
        "UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE purpose = 'alert'",
    )
    .await;
    wait_until(LIMIT, "Slack to have refused it", async || {
        let refused = "SELECT count(*) FROM raw_ops.alert_messages WHERE last_error LIKE '%500%'";
        one::<i64>(&owner, refused).await == 1
    })
    .await
    .unwrap();
    run(
        &owner,
        "UPDATE raw_ops.alert_messages SET created_at = now() - interval '6 minutes'",
    )
    .await;
    let named = drill.named().await;
    for path in ["/slack/ops-urgent", "/slack/ops-alerts", "/slack/daily-ops"] {
        drill.world.always(path, slack::incoming_webhook);
    }
    drill
        .paste(&named, async |stack: &Stack, note: &str| {
            if let Some((_, statement)) = note.split_once("mended: ") {
                run(&stack.connect().await.unwrap(), statement).await;
            }
        })
        .await;
    drill.mended().await;
    drill.posted("Retry Queue Backup").await;
}

#[tokio::test]
async fn no_channel_has_a_url() {
    let mut drill = Drill::begin(24, StackOptions::for_tests().without_shim()).await;
    run(
        &drill.owner().await,
        "SELECT raw_ops.fn_set_secret_v1(name, null) FROM raw_ops.secrets WHERE name LIKE 'slack%'",
    )
    .await;
    urgent(&drill).await;
    let named = drill.named().await;
    let notes = named
        .next()
        .into_iter()
        .filter(|step| step.contains("fn_set_secret_v1"));
    assert_eq!(notes.count(), 3, "all three at once: {named:?}");
    let url = drill.world.url("/slack/ops-urgent");
    drill
        .paste(&named, async |stack: &Stack, note: &str| {
            new_url(stack, note, &url).await
        })
        .await;
    drill.mended().await;
    drill.posted("Retry Queue Backup").await;
}

#[tokio::test]
async fn the_fallback_takes_what_a_dead_channel_does_not_and_the_channel_is_named() {
    let mut drill = Drill::begin(25, StackOptions::for_tests().without_shim()).await;
    drill.world.always("/slack/ops-urgent", slack::no_service());
    drill.world.always("/fallback", slack::incoming_webhook);
    let url = drill.world.url("/fallback");
    let owner = drill.owner().await;
    owner
        .execute(
            "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', $1)",
            &[&url],
        )
        .await
        .unwrap();
    urgent(&drill).await;
    drill.posted("Meant for #ops-urgent").await;
    assert_eq!(drill.world.requests_to("/fallback").len(), 1);
    let posted = drill
        .alarmed("monitoring_heartbeat", "A Slack Channel Takes No Messages")
        .await;
    assert!(posted.contains("slack_url_ops_urgent"), "{posted}");
    let named = drill.named().await;
    mended_by_a_new_webhook(&mut drill, &named).await;
}
