//! Attempts: when they are made, what each answer means, and who hears of it when none is left.

use raw_ops_e2e::payloads;
use raw_ops_e2e::receiver::customerio::{self, refused as refusal};
use raw_ops_e2e::{Reply, wait_until};

use super::*;

/// Minutes from the end of each attempt to the start of the next, rounded, and what the event says of it.
const WAITS: &str = "SELECT array_agg(round(extract(epoch FROM next.send_after - done.completed_at) / 60)::int ORDER BY done.attempt)
      FROM raw_ops.http_requests done
      JOIN raw_ops.http_requests next ON next.subject_id = done.subject_id AND next.attempt = done.attempt + 1";

#[tokio::test]
async fn five_attempts_at_dlvs_times_then_failed_then_one_alert() {
    let courier = Courier::start().await;
    courier.world.always(EVENTS, Reply::status(503).text("down"));
    let shipment = courier.shipment("15501234567890", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "01", 0).await);
    let mut minutes = Vec::new();
    for attempt in 1..=4 {
        let row = courier.attempted(&event, attempt).await;
        assert_eq!(row["notification_status"], "pending");
        assert_eq!(row["notification_last_error"], "HTTP 503");
        assert!(row["processed_at"].is_null());
        // The event says of the next attempt what the outbox knows.
        let same = format!(
            "SELECT e.notification_next_retry_at = r.send_after FROM raw_ops.ops_events e
               JOIN raw_ops.http_requests r ON r.subject_id = e.id AND r.state = 'queued' WHERE e.id = '{event}'"
        );
        assert!(one::<bool>(&courier.client, &same).await);
        minutes.extend(one::<Vec<i32>>(&courier.client, WAITS).await.pop());
        assert!(courier.alerts().is_empty(), "nobody is alarmed yet");
        courier.move_clock().await;
    }
    assert_eq!(minutes, [5, 15, 60, 360], "5 m, 15 m, 1 h, 6 h");
    let row = courier.notification_in(&event, "failed").await;
    assert_eq!(row["notification_attempts"], 5);
    assert!(row["notification_next_retry_at"].is_null() && row["processed_at"].is_null());
    assert_eq!(
        courier.requests(&event).await,
        [
            "1 failed 503",
            "2 failed 503",
            "3 failed 503",
            "4 failed 503",
            "5 abandoned 503"
        ]
    );
    assert_eq!(courier.told().len(), 5);

    courier.settled().await;
    let alerts = courier.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let (channel, headline) = &alerts[0];
    assert_eq!(channel, "/slack/ops-alerts");
    assert!(headline.ends_with("Courier Notification Failed"), "{headline}");
    let requests = courier.world.requests_to("/slack/ops-alerts");
    for told in ["15501234567890", "HTTP 503", event.as_str()] {
        assert!(requests[0].mentions(told), "{told}: {}", requests[0].text());
    }
    assert!(!requests[0].mentions("a@example.com"), "not who it was for");

    assert_the_monitor_follows(&courier, &shipment).await;
}

/// After one failure: the monitor adds nothing, until a third makes it urgent.
async fn assert_the_monitor_follows(courier: &Courier, shipment: &str) {
    // The same alert: nobody is told twice, and a third failure is urgent.
    let report: Value = one(
        &courier.client,
        "SELECT raw_ops.fn_invoke_monitor('courier_watchdog_health')",
    )
    .await;
    assert_eq!(
        (&report["status"], &report["messages"]),
        (&"warning".into(), &Value::Array(vec![]))
    );
    assert_eq!(report["alert_config"]["channel"], "#ops-alerts");
    courier.world.always(EVENTS, refusal(400, "name cannot be blank"));
    for minute in 1..=2 {
        let event = notification_of(&courier.report(shipment, "01", minute).await);
        courier.notification_in(&event, "failed").await;
    }
    let report: Value = one(
        &courier.client,
        "SELECT raw_ops.fn_invoke_monitor('courier_watchdog_health')",
    )
    .await;
    assert_eq!(report["status"], "critical");
    courier.settled().await;
    let channels: Vec<String> = courier.alerts().into_iter().map(|(channel, _)| channel).collect();
    assert_eq!(channels, ["/slack/ops-alerts", "/slack/ops-urgent"]);
}

#[tokio::test]
async fn what_somebody_writes_into_a_waiting_notification_holds() {
    let courier = Courier::start().await;
    courier.world.always(EVENTS, Reply::status(500));
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "01", 0).await);
    let set = |assignment: &str| format!("UPDATE raw_ops.ops_events SET {assignment} WHERE id = '{event}'");
    let due_in = format!(
        "SELECT round(extract(epoch FROM send_after - now()) / 60)::int FROM raw_ops.http_requests
          WHERE subject_id = '{event}' AND state = 'queued'"
    );
    // The next attempt now, and the next but one later.
    courier.attempted(&event, 1).await;
    run(&courier.client, &set("notification_next_retry_at = now()")).await;
    courier.attempted(&event, 2).await;
    assert_eq!(one::<i32>(&courier.client, &due_in).await, 15);
    run(
        &courier.client,
        &set("notification_next_retry_at = now() + interval '40 minutes'"),
    )
    .await;
    assert_eq!(one::<i32>(&courier.client, &due_in).await, 40);
    // Where the trigger is not there, the retry run sees it.
    let trigger = |what: &str| {
        format!("ALTER TABLE raw_ops.ops_events {what} TRIGGER trigger_renotify_courier_exception")
    };
    run(&courier.client, &trigger("DISABLE")).await;
    run(&courier.client, &set("notification_next_retry_at = now()")).await;
    let picked: Value = one(
        &courier.client,
        "SELECT raw_ops.fn_retry_courier_notifications_v1()",
    )
    .await;
    assert_eq!(
        (&picked["queued"], &picked["brought_forward"]),
        (&0.into(), &1.into()),
        "{picked}"
    );
    courier.attempted(&event, 3).await;
    run(&courier.client, &trigger("ENABLE")).await;
    // Only one attempt more.
    run(
        &courier.client,
        &set("notification_attempts = 4, notification_next_retry_at = NULL"),
    )
    .await;
    let row = courier.notification_in(&event, "failed").await;
    assert_eq!(row["notification_attempts"], 5);
    assert_eq!(
        courier.requests(&event).await,
        [
            "1 failed 500",
            "2 failed 500",
            "3 failed 500",
            "4 abandoned -",
            "5 abandoned 500"
        ]
    );
}

#[tokio::test]
async fn bad_credentials_and_bad_requests_fail_at_once() {
    for (answer, error) in [
        (refusal(401, "Unauthorized request"), "HTTP 401: "),
        (refusal(400, "name cannot be blank"), "HTTP 400: "),
        (Reply::status(403), "HTTP 403"),
        (Reply::status(404), "HTTP 404"),
    ] {
        let courier = Courier::start().await;
        courier.world.next(EVENTS, [answer]);
        let shipment = courier.shipment("1", Some("a@example.com")).await;
        let event = notification_of(&courier.report(&shipment, "09", 0).await);
        let row = courier.notification_in(&event, "failed").await;
        assert_eq!(row["notification_attempts"], 1);
        assert!(row["notification_next_retry_at"].is_null());
        let said = row["notification_last_error"].as_str().unwrap();
        assert!(said.starts_with(error), "{said}");
        courier.settled().await;
        assert_eq!((courier.told().len(), courier.alerts().len()), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn a_missing_secret_is_an_attempt_that_says_what_to_run() {
    let courier = Courier::start().await;
    run(
        &courier.client,
        "SELECT raw_ops.fn_set_secret_v1('customerio_api_key', NULL)",
    )
    .await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "09", 0).await);
    let row = courier.attempted(&event, 1).await;
    assert_eq!(row["notification_status"], "pending");
    let said = row["notification_last_error"].as_str().unwrap();
    assert!(said.contains("fn_set_secret_v1('customerio_api_key'"), "{said}");
    run(
        &courier.client,
        &format!("SELECT raw_ops.fn_set_secret_v1('customerio_api_key', '{API_KEY}')"),
    )
    .await;
    courier.move_clock().await;
    let row = courier.notification_in(&event, "sent").await;
    assert_eq!(row["notification_attempts"], 2);
}

#[tokio::test]
async fn customerio_asking_for_time_gets_it() {
    let courier = Courier::start().await;
    courier
        .world
        .next(EVENTS, [Reply::status(429).retry_after(1_200)]);
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let event = notification_of(&courier.report(&shipment, "09", 0).await);
    courier.attempted(&event, 1).await;
    assert_eq!(one::<Vec<i32>>(&courier.client, WAITS).await, [20], "not 5");
    courier.move_clock().await;
    courier.notification_in(&event, "sent").await;
}

#[tokio::test]
async fn every_recorded_answer_of_customerio_leads_to_the_right_state() {
    let courier = Courier::start().await;
    for (minute, (scenario, status)) in [
        ("track-success", "sent"),
        ("identify-success", "sent"),
        ("trackanonymous-success", "sent"),
        ("batch-success", "sent"),
        ("empty-body-200", "sent"),
        ("empty-body-204", "sent"),
        // 200 is what counts.
        ("malformed-json-200", "sent"),
        ("redirect-301-same-host", "sent"),
        ("redirect-307-same-host", "sent"),
        // An account of the other region: no attempt would ever arrive, and credentials do not go to another host.
        ("redirect-302-off-domain", "failed"),
        ("network-econnreset", "pending"),
        // Recorded by a client that waited for a tenth of a second; this one waits ten, and has its answer.
        ("network-timeout", "sent"),
    ]
    .into_iter()
    .enumerate()
    {
        let recorded = payloads::customerio::scenario(scenario).unwrap();
        // The last of a redirect to another host is never asked for.
        let is_ours = |path: &str| path != "/redirected";
        let exchanges = recorded
            .exchanges
            .iter()
            .filter(|exchange| is_ours(&exchange.path));
        let replies = exchanges.map(|exchange| customerio::recorded(exchange, &courier.world));
        courier.world.next(EVENTS, replies);
        let shipment = courier.shipment(scenario, Some("a@example.com")).await;
        let event = notification_of(
            &courier
                .report(&shipment, "09", u32::try_from(minute).unwrap())
                .await,
        );
        let row = courier.attempted(&event, 1).await;
        assert_eq!(row["notification_status"], status, "{scenario}: {row}");
        assert_eq!(row["processed_at"].is_string(), status == "sent", "{scenario}");
        assert_eq!(
            row["notification_next_retry_at"].is_string(),
            status == "pending",
            "{scenario}"
        );
    }
}

#[tokio::test]
async fn a_notification_that_nobody_could_hear_of_is_told_by_the_monitor() {
    let courier = Courier::start().await;
    let check = "SELECT raw_ops.fn_check_courier_watchdog_health_v2()";
    let quiet: Value = one(&courier.client, check).await;
    assert_eq!(
        (&quiet["status"], &quiet["alert_config"]),
        (&"ok".into(), &Value::Null),
        "{quiet}"
    );
    // Waiting for 59 minutes is nothing yet; a minute later it is. A day later nobody is alarmed any more.
    run(
        &courier.client,
        "ALTER TABLE raw_ops.ops_events DISABLE TRIGGER trigger_notify_courier_exception",
    )
    .await;
    let event: String = one(&courier.client, &by_hand_event("a@example.com")).await;
    for (age, status) in [
        ("59 minutes", "ok"),
        ("61 minutes", "warning"),
        ("25 hours", "ok"),
    ] {
        let old = format!(
            "UPDATE raw_ops.ops_events SET created_at = now() - interval '{age}' WHERE id = '{event}'"
        );
        run(&courier.client, &old).await;
        let report: Value = one(&courier.client, check).await;
        assert_eq!(report["status"], status, "{age}: {report}");
        if status == "warning" {
            assert_eq!(report["alert_config"]["channel"], "#ops-alerts");
            assert_eq!(report["result_summary"]["stuck"], 1);
        }
    }
    // One that is skipped or has failed is not stuck.
    for other in ["skipped", "failed"] {
        let sql = format!(
            "UPDATE raw_ops.ops_events SET created_at = now() - interval '2 hours', notification_status = '{other}' WHERE id = '{event}'"
        );
        run(&courier.client, &sql).await;
        let report: Value = one(&courier.client, check).await;
        assert_eq!(report["result_summary"]["stuck"], 0, "{other}: {report}");
    }
    wait_until(LIMIT, "nothing to be sent", async || courier.told().is_empty())
        .await
        .unwrap();
}
