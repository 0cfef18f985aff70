//! What a person has to do, and until when; and the figures people look at.

use super::*;

const TASK: &str = "SELECT concat_ws(' ', event_code, event_type, due_at - created_at) FROM raw_ops.courier_tasks ORDER BY event_code";

#[tokio::test]
async fn three_codes_open_a_task_with_its_due_time_and_a_note_closes_it() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let mut answers = Vec::new();
    for code in ["01", "02", "03", "05", "08", "09", "12", "99"] {
        answers.push(courier.report(&shipment, code, 0).await);
    }
    assert_eq!(
        column::<String>(&courier.client, TASK).await,
        [
            "03 address_issue 02:00:00",
            "05 customer_refused 1 day",
            "12 damaged_in_transit 04:00:00"
        ]
    );
    let with_task: Vec<bool> = answers.iter().map(|answer| answer["task"].is_object()).collect();
    assert_eq!(with_task, [false, false, true, true, false, false, true, false]);
    let due = format!(
        "SELECT due_at = '{}'::timestamptz FROM raw_ops.courier_tasks WHERE id = '{}'",
        answers[2]["task"]["due_at"].as_str().unwrap(),
        answers[2]["task"]["task_id"].as_str().unwrap()
    );
    assert!(one::<bool>(&courier.client, &due).await);
    courier.report(&shipment, "03", 0).await;
    assert_eq!(
        column::<String>(&courier.client, TASK).await.len(),
        3,
        "the same event again"
    );

    complete_with_a_note(&courier, answers[2]["task"]["task_id"].as_str().unwrap()).await;
}

/// A task is done once, with a note; within its time, as it was just opened.
async fn complete_with_a_note(courier: &Courier, task: &str) {
    let complete = |note: &str| format!("SELECT raw_ops.fn_complete_courier_task_v1('{task}', {note})");
    for note in ["NULL", "'  '"] {
        let answer: Value = one(&courier.client, &complete(note)).await;
        assert_eq!(answer["success"], false, "{answer}");
    }
    let open = "SELECT array_agg(event_code ORDER BY due_at) FROM raw_ops.courier_open_tasks";
    assert_eq!(
        one::<Vec<String>>(&courier.client, open).await,
        ["03", "12", "05"]
    );
    let answer: Value = one(
        &courier.client,
        &complete("'Corrected the street with the customer'"),
    )
    .await;
    assert_eq!(
        (&answer["success"], &answer["within_sla"]),
        (&true.into(), &true.into()),
        "{answer}"
    );
    let again: Value = one(&courier.client, &complete("'once more'")).await;
    assert_eq!(again["error"], "the task is done already");
    assert_eq!(one::<Vec<String>>(&courier.client, open).await, ["12", "05"]);
    let audit: Value = one(
        &courier.client,
        &format!(
            "SELECT event_payload FROM raw_ops.ops_events WHERE kind = 'AUDIT' AND entity_id = '{task}'"
        ),
    )
    .await;
    assert_eq!(audit["note"], "Corrected the street with the customer");
    let unknown = "SELECT raw_ops.fn_complete_courier_task_v1(gen_random_uuid(), 'x')";
    let answer: Value = one(&courier.client, unknown).await;
    assert_eq!(answer["error"], "there is no task with this id");
}

/// What the views say of that day.
const ADDED_UP: &[(&str, &str)] = &[
    (
        "SELECT string_agg(concat_ws(' ', event_type, total_events, notified), ', ' ORDER BY event_type) FROM raw_ops.courier_exceptions_by_type",
        "customer_not_home 4 4, customer_refused 1 0, damaged_in_transit 1 1, delivered 1 0, unmapped 1 0, weather_delay 1 1",
    ),
    (
        "SELECT concat_ws(' ', count(*), sum(exceptions), sum(notified)) FROM raw_ops.courier_exceptions_by_day",
        "30 7 6",
    ),
    (
        "SELECT concat_ws(' ', notifications, sent, failed, skipped, waiting, success_rate_percent) FROM raw_ops.courier_notification_success",
        "6 4 1 1 0 80.00",
    ),
    (
        "SELECT concat_ws(' ', sample_size, within_10_seconds_percent) FROM raw_ops.courier_time_to_notify",
        "4 100.00",
    ),
    (
        "SELECT concat_ws(' ', event_type, tracking_no, notification_attempts, last_status_code) FROM raw_ops.courier_failed_notifications",
        "weather_delay 1 1 400",
    ),
    (
        "SELECT concat_ws(' ', exceptions, tasks, open, overdue, intervention_rate_percent) FROM raw_ops.courier_manual_interventions",
        "7 2 2 1 28.57",
    ),
    (
        "SELECT concat_ws(' ', shipments, delivered, under_way, delivered_percent) FROM raw_ops.courier_delivery_after_exception",
        "2 2 0 100.00",
    ),
    (
        "SELECT concat_ws(' ', attempts, succeeded, failed, failure_rate_percent) FROM raw_ops.courier_delivery_attempts",
        "5 4 1 20.00",
    ),
    (
        "SELECT string_agg(concat_ws(' ', kpi, is_met), ', ' ORDER BY position) FROM raw_ops.courier_kpis WHERE position NOT IN (4)",
        "event_processing_time t, notification_success_rate f, manual_intervention_rate f, monitoring_coverage t, \
         delivery_success_after_exception t, stuck_events t, notification_failures f, customerio_failure_rate f",
    ),
];

#[tokio::test]
async fn the_views_add_up() {
    let courier = Courier::start().await;
    let fresh = courier
        .client
        .query("SELECT kpi, value::text, is_met FROM raw_ops.courier_kpis", &[])
        .await
        .unwrap();
    assert_eq!(fresh.len(), 9, "a new shop has rows, too");
    run(
        &courier.client,
        "SELECT raw_ops.fn_invoke_monitor('courier_watchdog_health')",
    )
    .await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let nobody = courier.shipment("2", None).await;
    for minute in 0..4 {
        let answer = courier.report(&shipment, "01", minute).await;
        courier.notification_in(&notification_of(&answer), "sent").await;
    }
    courier.report(&nobody, "12", 0).await;
    courier.report(&shipment, "05", 0).await;
    courier.report(&shipment, "77", 0).await;
    // A code of the account that means the end of it.
    run(
        &courier.client,
        "INSERT INTO raw_ops.courier_event_mapping (courier_name, event_code, event_type, requires_customer_notification, priority)
         VALUES ('DPD', '13', 'delivered', false, 'low')",
    )
    .await;
    courier.report(&nobody, "13", 0).await;
    courier.world.next(EVENTS, [raw_ops_e2e::Reply::status(400)]);
    let failed = notification_of(&courier.report(&shipment, "09", 0).await);
    courier.notification_in(&failed, "failed").await;
    run(
        &courier.client,
        &format!(
            "UPDATE raw_ops.shipments SET status = 'delivered' WHERE id = '{shipment}';
             UPDATE raw_ops.courier_tasks SET due_at = now() - interval '1 minute', created_at = now() - interval '5 hours'
              WHERE event_code = '12'"
        ),
    )
    .await;
    for (query, expected) in ADDED_UP {
        assert_eq!(one::<String>(&courier.client, query).await, *expected, "{query}");
    }
}
