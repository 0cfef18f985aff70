//! Requests that somebody has taken away from under their message: deleted by hand, or discarded after a restore.

use super::*;

#[tokio::test]
async fn an_alert_whose_queued_attempt_was_deleted_can_be_sent_again() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE purpose = 'alert' AND attempt > 1",
    )
    .await;
    world.next(ALERTS, [Reply::status(500)]);
    run(&client, INVOKE).await;
    wait_until(LIMIT, "the second attempt to be queued", async || {
        attempts(&client).await
            == [
                "slack_url_ops_alerts 1 failed 500",
                "slack_url_ops_alerts 2 queued -",
            ]
    })
    .await
    .unwrap();
    run(
        &client,
        "DELETE FROM raw_ops.http_requests WHERE state = 'queued';
         UPDATE raw_ops.alert_messages SET created_at = created_at - interval '6 minutes'",
    )
    .await;
    let seen: i64 = one(&client, "SELECT count(*) FROM raw_ops.undelivered_alerts").await;
    assert_eq!(seen, 1);
    let resent: Value = one(&client, "SELECT raw_ops.fn_resend_alerts_v1()").await;
    assert_eq!(resent["resent"], 1);
    assert_eq!(delivery(&client).await, ["opened delivered #ops-alerts"]);
}

#[tokio::test]
async fn alerts_that_were_discarded_after_a_restore_do_not_show_as_undelivered() {
    let world = Receiver::start().unwrap();
    let (_stack, client) = breached(&world).await;
    run(
        &client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 hour' WHERE purpose = 'alert' AND attempt > 1",
    )
    .await;
    world.next(ALERTS, [Reply::status(500)]);
    run(&client, INVOKE).await;
    wait_until(LIMIT, "the second attempt to be queued", async || {
        attempts(&client).await.len() == 2
    })
    .await
    .unwrap();
    let done: Value = one(&client, "SELECT raw_ops.fn_resume_delivery_v1(true)").await;
    assert_eq!(done["discarded"], 1);
    run(
        &client,
        "UPDATE raw_ops.alert_messages SET created_at = created_at - interval '6 minutes'",
    )
    .await;
    assert_eq!(delivery(&client).await, ["opened discarded"]);
    let seen: i64 = one(&client, "SELECT count(*) FROM raw_ops.undelivered_alerts").await;
    assert_eq!(seen, 0);
    let resent: Value = one(&client, "SELECT raw_ops.fn_resend_alerts_v1()").await;
    assert_eq!(resent["resent"], 0);
}
