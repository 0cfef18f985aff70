//! A webhook that is a list: each element for itself. What can be done is done, what is about a shipment that is not here
//! waits for it, what nobody can read is left for a person; and the webhook says so.

use raw_ops_e2e::courier::{Dpd, TOKEN_VARIABLE, dpd_event};

use super::reports::{TOKEN, order, send, send_fulfillment};
use super::*;

/// With the shim; webhooks are processed when the test says so.
async fn with_shim() -> Courier {
    Courier::start_with(by_hand().shim_env(TOKEN_VARIABLE, TOKEN)).await
}

/// An event of today, as an element of a list.
fn element(shipment: &str, code: &str, minute: u64) -> Value {
    json!({"parcelNumber": shipment, "eventCode": code, "eventTime": noon() + 60 * minute})
}

async fn receive_list(client: &Client, id: &str, body: &Value) -> String {
    let sql = "SELECT raw_ops.receive_webhook('dpd', 'parcel/event', $1, '{}', $2)->>'webhook_id'";
    let row = client.query_one(sql, &[&id, &body.to_string().as_bytes()]).await;
    row.unwrap().get(0)
}

const LEFT: &str =
    "SELECT concat_ws(' ', path, state, reference, error) FROM raw_ops.webhook_elements_left ORDER BY path";
const RECORDED: &str = "SELECT concat_ws(' ', s.tracking_no, e.event_code) FROM raw_ops.courier_events e
                          JOIN raw_ops.shipments s ON s.id = e.shipment_id ORDER BY e.event_time";

#[tokio::test]
async fn an_unknown_shipment_in_a_list_waits_and_its_neighbours_are_done() {
    let courier = with_shim().await;
    courier.shipment("A", Some("a@example.com")).await;
    courier.shipment("C", Some("c@example.com")).await;
    let dpd = Dpd::to(courier.stack.shim().unwrap(), TOKEN);
    let list = json!([
        element("A", "01", 0),
        element("b", "02", 1),
        {"parcelNumber": "A", "eventCode": "09", "eventTime": "soon"},
        element("C", "08", 2),
    ]);
    assert_eq!(dpd.send(&list).await.unwrap().status, 200);
    let webhook: String = one(&courier.client, "SELECT id::text FROM raw_ops.webhook_inbox").await;
    let answer: Value = one(
        &courier.client,
        &format!("SELECT raw_ops.process_webhook('{webhook}')"),
    )
    .await;
    assert_eq!(
        (&answer["success"], &answer["status"]),
        (&json!(true), &json!("success")),
        "{answer}"
    );
    assert_eq!(answer["courier_events"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        answer["left"],
        json!([
            {"element": "event[1]", "state": "waiting", "reason": "event[1].parcelNumber: there is no shipment b here yet"},
            {"element": "event[2]", "state": "refused", "reason": "event[2].eventTime: not a time: \"soon\""},
        ])
    );
    assert_eq!(
        column::<String>(&courier.client, RECORDED).await,
        ["A 01", "C 08"]
    );
    courier.world.wait_for_requests(LIMIT, 2).await.unwrap();
    assert_eq!(
        column::<String>(&courier.client, LEFT).await,
        [
            "event[1] waiting B event[1].parcelNumber: there is no shipment b here yet",
            "event[2] refused event[2].eventTime: not a time: \"soon\"",
        ]
    );

    assert_the_waiting_one_follows(&courier).await;
}

/// B comes after all.
async fn assert_the_waiting_one_follows(courier: &Courier) {
    // Its shipment appears: the customer hears of it at once.
    let order = order();
    send(courier, &order.delivery("orders/create")).await;
    send_fulfillment(courier, &order, &["B"], "2026-01-19T09:00:00Z").await;
    assert_eq!(drain(&courier.client, 100).await, [2, 2, 0, 0]);
    assert_eq!(
        column::<String>(&courier.client, RECORDED).await,
        ["A 01", "B 02", "C 08"]
    );
    courier.world.wait_for_requests(LIMIT, 3).await.unwrap();
    assert_eq!(
        column::<String>(&courier.client, LEFT).await.len(),
        1,
        "the refused one"
    );
    assert_eq!(states(&courier.client).await, in_states([("success", 3)]));
}

#[tokio::test]
async fn an_event_waits_for_its_shipment_whoever_writes_it() {
    let courier = Courier::start().await;
    let client = &courier.client;
    for (name, write) in [
        (
            "BY-HAND",
            "INSERT INTO raw_ops.shipments (tracking_no) VALUES ('by-hand')",
        ),
        (
            "NAMED",
            "UPDATE raw_ops.shipments SET tracking_no = 'NAMED' WHERE tracking_no IS NULL",
        ),
    ] {
        run(
            client,
            "INSERT INTO raw_ops.shipments (tracking_no) VALUES (NULL)",
        )
        .await;
        // The same event in two webhooks, alone and in a list: it waits once.
        receive_list(client, name, &element(name, "01", 0)).await;
        receive_list(
            client,
            &format!("{name}, again"),
            &json!([element(name, "01", 0)]),
        )
        .await;
        assert_eq!(drain(client, 10).await, [2, 2, 0, 0]);
        assert_eq!(column::<String>(client, LEFT).await.len(), 1);
        // What is rolled back has not appeared.
        run(client, &format!("BEGIN; {write}; ROLLBACK")).await;
        assert_eq!(column::<String>(client, LEFT).await.len(), 1);
        run(client, write).await;
        assert_eq!(column::<String>(client, LEFT).await, Vec::<String>::new());
        let recorded = column::<String>(client, RECORDED).await;
        assert!(recorded.contains(&format!(
            "{} 01",
            if name == "BY-HAND" { "by-hand" } else { name }
        )));
    }
    assert_missed_ones_are_found_and_late_ones_expire(client).await;
}

/// What the trigger did not see, and what came too late.
async fn assert_missed_ones_are_found_and_late_ones_expire(client: &Client) {
    // Written while the trigger was off: the retry job finds it.
    receive_list(client, "missed", &element("MISSED", "01", 0)).await;
    assert_eq!(drain(client, 10).await, [1, 1, 0, 0]);
    run(
        client,
        "ALTER TABLE raw_ops.shipments DISABLE TRIGGER trigger_match_new_shipment;
         INSERT INTO raw_ops.shipments (tracking_no) VALUES ('MISSED');
         ALTER TABLE raw_ops.shipments ENABLE TRIGGER trigger_match_new_shipment",
    )
    .await;
    let job: Value = one(client, "SELECT raw_ops.fn_retry_courier_notifications_v1()").await;
    assert_eq!(job["matched"], 1, "{job}");
    assert_eq!(
        one::<i64>(client, "SELECT count(*) FROM raw_ops.courier_events").await,
        3
    );
    // It waits for a week: then the number may be another shipment's.
    receive_list(client, "late", &element("LATE", "01", 0)).await;
    assert_eq!(drain(client, 10).await, [1, 1, 0, 0]);
    run(
        client,
        "UPDATE raw_ops.webhook_elements SET waits_until = now() - interval '1 minute'",
    )
    .await;
    run(
        client,
        "INSERT INTO raw_ops.shipments (tracking_no) VALUES ('LATE')",
    )
    .await;
    let state: String = one(client, "SELECT state FROM raw_ops.webhook_elements_left").await;
    assert_eq!(state, "expired");
    assert_eq!(
        one::<i64>(client, "SELECT count(*) FROM raw_ops.courier_events").await,
        3
    );
}

#[tokio::test]
async fn an_event_stored_at_the_moment_its_shipment_appears_is_not_lost() {
    let courier = Courier::start().await;
    let (events, shipments) = (
        courier.stack.connect().await.unwrap(),
        courier.stack.connect().await.unwrap(),
    );
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'";
    let recorded = "SELECT count(*) FROM raw_ops.courier_events";
    // Each first, the other waits for it to end.
    for (number, parcel_is_first) in [("1", true), ("2", false)] {
        receive_list(&courier.client, number, &element(number, "01", 0)).await;
        let insert = format!("INSERT INTO raw_ops.shipments (tracking_no) VALUES ('{number}')");
        let drain = "SELECT raw_ops.process_pending_webhooks(10)";
        let (first, second, sql) = if parcel_is_first {
            (&shipments, &events, [insert.as_str(), drain])
        } else {
            (&events, &shipments, [drain, insert.as_str()])
        };
        run(first, "BEGIN").await;
        run(first, sql[0]).await;
        let commit = async {
            wait_until(LIMIT, "the other to wait", async || {
                one::<i64>(&courier.client, waits).await == 1
            })
            .await
            .unwrap();
            run(first, "COMMIT").await;
        };
        tokio::join!(run(second, sql[1]), commit);
        assert_eq!(
            one::<i64>(&courier.client, recorded).await,
            if parcel_is_first { 1 } else { 2 }
        );
    }
    many_at_once(&courier).await;
}

/// Sixty shipments and their events, from four sessions.
async fn many_at_once(courier: &Courier) {
    // Many at once, in lists and alone.
    let numbers: Vec<String> = (100..160).map(|number| number.to_string()).collect();
    for (index, pair) in numbers.chunks(2).enumerate() {
        let list = json!([element(&pair[1], "01", 0), element(&pair[0], "01", 0)]);
        receive_list(&courier.client, &format!("list {index}"), &list).await;
    }
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let client = courier.stack.connect().await.unwrap();
        lanes.spawn(async move { while drain(&client, 3).await[0] > 0 {} });
    }
    for half in numbers.chunks(numbers.len() / 2) {
        let (client, half) = (courier.stack.connect().await.unwrap(), half.to_vec());
        lanes.spawn(async move {
            for number in half {
                run(
                    &client,
                    &format!("INSERT INTO raw_ops.shipments (tracking_no) VALUES ('{number}')"),
                )
                .await;
            }
        });
    }
    lanes.join_all().await;
    assert_eq!(states(&courier.client).await, in_states([("success", 32)]));
    let recorded = "SELECT count(*) FROM raw_ops.courier_events";
    assert_eq!(one::<i64>(&courier.client, recorded).await, 62);
    assert_eq!(
        column::<String>(&courier.client, LEFT).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn an_event_that_the_database_refuses_harms_no_other_and_is_told_to_people() {
    let courier = Courier::start().await;
    let client = &courier.client;
    courier.shipment("A", Some("a@example.com")).await;
    run(
        client,
        "ALTER TABLE raw_ops.courier_events ADD CONSTRAINT no_weather CHECK (event_code <> '09')",
    )
    .await;
    let list = json!({"parcelNumber": "A", "events": [
        {"eventCode": "01", "eventTime": noon()}, {"eventCode": "09", "eventTime": noon()}, {"eventCode": "02", "eventTime": noon() + 60},
        {"eventCode": "02", "eventTime": noon() + 60, "parcelNumber": "ELSEWHERE"},
    ]});
    receive_list(client, "list", &list).await;
    assert_eq!(drain(client, 10).await, [1, 1, 0, 0]);
    assert_eq!(column::<String>(client, RECORDED).await, ["A 01", "A 02"]);
    let left: Vec<String> = column(
        client,
        "SELECT concat_ws(' ', path, state) FROM raw_ops.webhook_elements_left ORDER BY path",
    )
    .await;
    assert_eq!(left, ["event.events[1] refused", "event.events[3] waiting"]);
    // The only event of a webhook is the webhook's own trouble.
    receive_list(
        client,
        "alone",
        &json!({"parcelNumber": "A", "eventCode": "09", "eventTime": noon()}),
    )
    .await;
    assert_eq!(drain(client, 10).await, [1, 0, 1, 0]);
    run(client, "UPDATE raw_ops.webhook_elements SET created_at = now() - interval '61 minutes' WHERE state = 'waiting'").await;
    let health: Value = one(client, "SELECT raw_ops.fn_check_webhook_health_v2()").await;
    assert_eq!(
        (
            &health["status"],
            &health["result_summary"]["refused_elements"],
            &health["result_summary"]["waiting_elements"]
        ),
        (&json!("warning"), &json!(1), &json!(1)),
        "{health}"
    );
    // An event that waited and then cannot be recorded is left for a person, and its shipment is written all the same.
    receive_list(
        client,
        "waits",
        &json!([{"parcelNumber": "B", "eventCode": "09", "eventTime": noon()}]),
    )
    .await;
    assert_eq!(drain(client, 10).await, [1, 1, 0, 0]);
    run(client, "INSERT INTO raw_ops.shipments (tracking_no) VALUES ('B')").await;
    let refused: i64 = one(
        client,
        "SELECT count(*) FROM raw_ops.webhook_elements_left WHERE state = 'refused'",
    )
    .await;
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn when_too_many_wait_the_known_are_done_and_the_webhook_is_tried_again() {
    let courier = Courier::start().await;
    let client = &courier.client;
    courier.shipment("A", None).await;
    run(
        client,
        "INSERT INTO raw_ops.webhook_elements (webhook_id, provider, path, element, state, reference, error, waits_until)
         SELECT gen_random_uuid(), 'dpd', 'event', jsonb_build_object('n', n), 'waiting', 'N' || n, 'waits', now() + interval '1 day'
           FROM generate_series(1, 99999) AS n",
    )
    .await;
    receive_list(
        client,
        "list",
        &json!([
            element("A", "01", 0),
            element("B", "01", 0),
            element("C", "01", 0)
        ]),
    )
    .await;
    assert_eq!(drain(client, 10).await, [1, 0, 1, 0]);
    let category: String = one(client, "SELECT error_category FROM raw_ops.webhook_inbox").await;
    assert_eq!(category, "missing_reference");
    assert_eq!(column::<String>(client, RECORDED).await, ["A 01"]);
    run(
        client,
        "DELETE FROM raw_ops.webhook_elements WHERE reference = 'N7';
         UPDATE raw_ops.webhook_inbox SET next_retry_at = now()",
    )
    .await;
    assert_eq!(retry(client).await, [1, 1, 0, 0]);
    assert_eq!(column::<String>(client, RECORDED).await, ["A 01"]);
    run(
        client,
        "UPDATE raw_ops.webhook_elements SET created_at = now() - interval '31 days', waits_until = now() - interval '24 days'
          WHERE reference LIKE 'N%'",
    )
    .await;
    let kept_house: Value = one(client, "SELECT raw_ops.fn_housekeeping_v1()").await;
    assert_eq!(
        (&kept_house["webhook_elements"], &kept_house["remaining"]),
        (&json!(10_000), &json!(true))
    );
}

#[tokio::test]
async fn a_list_that_is_wrong_as_a_whole_fails_as_before() {
    let courier = Courier::start().await;
    receive_list(&courier.client, "empty", &json!([])).await;
    receive_list(&courier.client, "wrong", &json!([{}, 17])).await;
    receive_list(&courier.client, "alone", &dpd_event("A", "", "", "2026-01-19")).await;
    assert_eq!(drain(&courier.client, 10).await, [3, 0, 3, 0]);
    let errors: Vec<String> = column(
        &courier.client,
        "SELECT last_error FROM raw_ops.webhook_inbox ORDER BY event_id",
    )
    .await;
    assert_eq!(
        errors,
        [
            "event.eventCode: missing",
            "event: holds no event",
            "event[0].parcelNumber: missing"
        ]
    );
}
