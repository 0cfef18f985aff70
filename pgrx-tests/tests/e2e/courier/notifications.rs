//! From an event to the message at Customer.io.

use std::time::{Duration, Instant};

use raw_ops_e2e::Reply;
use raw_ops_e2e::pg_net::{self, PgNetWorker};

use super::*;

#[tokio::test]
async fn customerio_gets_exactly_the_request_that_dlv_prints_within_a_second_of_the_commit() {
    let courier = Courier::start().await;
    let shipment = courier
        .shipment("DPD123456789GB", Some("alice+box@example.com"))
        .await;
    let mut latencies = Vec::new();
    for minute in 0..5 {
        run(&courier.client, "BEGIN").await;
        let answer = courier.report(&shipment, "01", minute).await;
        assert_eq!(answer["notification_status"], "pending", "{answer}");
        let before = Instant::now();
        run(&courier.client, "COMMIT").await;
        let count = minute as usize + 1;
        let request = courier
            .world
            .wait_for_requests(LIMIT, count)
            .await
            .unwrap()
            .remove(minute as usize);
        latencies.push(request.at.saturating_duration_since(before));

        assert_is_as_printed(&request);
        let row = courier.notification_in(&notification_of(&answer), "sent").await;
        assert_eq!(row["notification_attempts"], 1);
        assert!(row["processed_at"].is_string());
        assert!(row["notification_next_retry_at"].is_null() && row["notification_last_error"].is_null());
        assert_eq!(
            (&row["kind"], &row["entity_type"]),
            (&json!("CUSTOMER_EVENT"), &json!("shipment"))
        );
        assert_eq!(row["entity_id"], json!(shipment));
    }
    latencies.sort();
    eprintln!("from commit to receiver: {latencies:?}");
    assert!(latencies[0] < Duration::from_secs(1), "{latencies:?}");
    let ids: std::collections::BTreeSet<String> = courier
        .told()
        .iter()
        .map(|request| request.json().unwrap()["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 5, "another event has another id");
}

/// The request for a customer who was not home, to the letter.
fn assert_is_as_printed(request: &Received) {
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/api/v1/customers/alice%2Bbox%40example.com/events");
    assert_eq!(request.query, None);
    assert_eq!(
        request.basic_auth(),
        Some((SITE_ID.to_owned(), API_KEY.to_owned()))
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    let mut body = request.json().unwrap();
    let id = body.as_object_mut().unwrap().remove("id").unwrap();
    assert!(id.as_str().is_some_and(|id| id.len() == 26), "a ULID: {id}");
    assert_eq!(
        body,
        json!({
            "name": "courier_exception",
            "data": {
                "notification_template_id": "missed_delivery_retry",
                "event_type": "customer_not_home",
                "event_description": "Customer not home - will retry tomorrow",
                "first_name": "Alice",
                "tracking_number": "DPD123456789GB",
                "tracking_url": "https://track.dpd.co.uk/parcels/DPD123456789GB"
            }
        })
    );
}

#[tokio::test]
async fn pg_net_carries_the_same_request_and_its_answers_lead_to_the_same_states() {
    let courier = Courier::start_with(by_hand().without_shim().setting("raw_ops.carrier", "pg_net")).await;
    let superuser = courier.stack.connect_as_superuser().await.unwrap();
    pg_net::create_extension(&superuser).await.unwrap();
    let worker = PgNetWorker::builder(&courier.stack.cluster, &courier.stack.db);
    let _worker = worker.pause(Duration::from_millis(20)).start().await.unwrap();
    let shipment = courier.shipment("DPD1", Some("alice+box@example.com")).await;
    let sent = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.notification_in(&sent, "sent").await;
    let told = courier.told();
    assert_eq!(told[0].path, "/api/v1/customers/alice%2Bbox%40example.com/events");
    assert_eq!(
        told[0].basic_auth(),
        Some((SITE_ID.to_owned(), API_KEY.to_owned()))
    );
    let data = told[0].json().unwrap()["data"].clone();
    assert_eq!(data["notification_template_id"], "missed_delivery_retry");
    for (status, expected) in [(500, "pending"), (400, "failed")] {
        courier.world.next(EVENTS, [Reply::status(status)]);
        let event = notification_of(&courier.report(&shipment, "09", u32::from(status)).await);
        let row = courier.attempted(&event, 1).await;
        assert_eq!(row["notification_status"], expected);
    }
    assert_eq!(courier.told().len(), 3);
}

#[tokio::test]
async fn a_transaction_that_rolls_back_tells_nobody() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    run(&courier.client, "BEGIN").await;
    courier.report(&shipment, "01", 0).await;
    run(&courier.client, "ROLLBACK").await;
    let later = courier.shipment("2", Some("b@example.com")).await;
    let answer = courier.report(&later, "01", 0).await;
    courier.notification_in(&notification_of(&answer), "sent").await;
    let told = courier.told();
    assert_eq!(told.len(), 1, "only the one that came later: {told:?}");
    assert!(told[0].path.contains("b%40example.com"));
    let left =
        "SELECT (SELECT count(*) FROM raw_ops.courier_events) + (SELECT count(*) FROM raw_ops.courier_tasks)";
    assert_eq!(one::<i64>(&courier.client, left).await, 1);
}

#[tokio::test]
async fn each_code_is_told_with_its_template_or_not_at_all() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    for (code, event_type, template, priority) in [
        ("01", "customer_not_home", "missed_delivery_retry", "medium"),
        ("02", "premises_closed", "missed_delivery_retry", "medium"),
        ("03", "address_issue", "address_problem", "high"),
        ("08", "access_issue", "access_problem", "medium"),
        ("09", "weather_delay", "weather_delay", "low"),
        ("12", "damaged_in_transit", "package_damage_review", "high"),
    ] {
        let answer = courier.report(&shipment, code, 0).await;
        assert_eq!(answer["event_type"], event_type);
        assert_eq!(answer["notification_template_id"], template);
        assert_eq!(answer["priority"], priority);
        assert_eq!(answer["requires_customer_notification"], true);
        let notification = notification_of(&answer);
        courier.notification_in(&notification, "sent").await;
        let told = courier.told();
        let body = told.last().unwrap().json().unwrap();
        assert_eq!(body["data"]["notification_template_id"], template);
        assert_eq!(body["data"]["event_type"], event_type);
    }
    let before = courier.told().len();
    // '1' is not '01', and neither is '001'; 05 is known, and told nobody.
    for (code, event_type) in [
        ("1", None),
        ("001", None),
        ("77", None),
        ("05", Some("customer_refused")),
    ] {
        let answer = courier.report(&shipment, code, 0).await;
        assert_eq!(answer["event_type"].as_str(), event_type, "{answer}");
        assert_eq!(answer["requires_customer_notification"], false);
        assert!(answer["ops_event_id"].is_null() && answer["notification"].is_null());
    }
    courier.settled().await;
    assert_eq!(courier.told().len(), before);
    let stored: Vec<String> = column(
        &courier.client,
        "SELECT concat_ws(' ', event_code, coalesce(event_type, '-'), requires_customer_notification, raw_payload)
           FROM raw_ops.courier_events WHERE NOT requires_customer_notification ORDER BY event_code",
    )
    .await;
    assert_eq!(
        stored,
        [
            r#"001 - f {"raw": true}"#,
            r#"05 customer_refused f {"raw": true}"#,
            r#"1 - f {"raw": true}"#,
            r#"77 - f {"raw": true}"#
        ]
    );
    let notifications = "SELECT count(*) FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT'";
    assert_eq!(one::<i64>(&courier.client, notifications).await, 6);
}

#[tokio::test]
async fn the_mapping_is_data_of_each_courier() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let call = |name: &str, text: &str| {
        format!(
            "SELECT raw_ops.process_courier_event('{shipment}', '{name}', 'X7', {text}, clock_timestamp(), NULL)"
        )
    };
    let answer: Value = one(&courier.client, &call("Evri", "'left with a neighbour'")).await;
    assert_eq!(answer["requires_customer_notification"], false);
    run(
        &courier.client,
        "INSERT INTO raw_ops.courier_event_mapping (courier_name, event_code, event_type, notification_template_id,
                requires_customer_notification, priority, customer_message)
         VALUES ('Evri', 'X7', 'left_with_neighbour', 'neighbour', true, 'low', 'A neighbour has it')",
    )
    .await;
    let answer: Value = one(&courier.client, &call("EVRI", "NULL")).await;
    assert_eq!(answer["notification_template_id"], "neighbour");
    assert_eq!(answer["notification"]["event_description"], "A neighbour has it");
    let other: Value = one(&courier.client, &call("DPD", "NULL")).await;
    assert_eq!(other["requires_customer_notification"], false);
    courier.notification_in(&notification_of(&answer), "sent").await;
    assert_eq!(courier.told().len(), 1);
}

#[tokio::test]
async fn without_an_address_the_notification_is_skipped_and_with_the_orders_own_it_is_sent() {
    let courier = Courier::start().await;
    for (number, email) in [("1", None), ("2", Some("   "))] {
        let shipment = courier.shipment(number, email).await;
        let answer = courier.report(&shipment, "01", 0).await;
        assert_eq!(answer["notification_status"], "skipped", "{answer}");
    }
    let by_hand = "INSERT INTO raw_ops.ops_events (kind, entity_type, customer_event_type, event_payload)
                   VALUES ('CUSTOMER_EVENT', 'shipment', 'courier_exception', '{\"email\": null}') RETURNING id::text";
    let event: String = one(&courier.client, by_hand).await;
    let row = courier.notification_in(&event, "skipped").await;
    assert!(row["processed_at"].is_null() && row["notification_attempts"] == 0);
    let requests = "SELECT count(*) FROM raw_ops.http_requests";
    assert_eq!(one::<i64>(&courier.client, requests).await, 0);

    let guest = courier.shipment("3", None).await;
    run(
        &courier.client,
        &format!(
            "UPDATE raw_ops.orders SET customer_id = NULL, email = 'guest@example.com', shipping_address = '{{\"first_name\": \"Grace\"}}'
              WHERE id = (SELECT order_id FROM raw_ops.shipments WHERE id = '{guest}')"
        ),
    )
    .await;
    let answer = courier.report(&guest, "01", 0).await;
    courier.notification_in(&notification_of(&answer), "sent").await;
    let told = courier.told();
    assert!(told[0].path.contains("guest%40example.com"));
    assert_eq!(told[0].json().unwrap()["data"]["first_name"], "Grace");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let missing = refused(&courier.client, &event(unknown, "01", 0)).await;
    assert_eq!(missing.sqlstate, "P0002");
    assert!(missing.message.contains(unknown), "{missing:?}");
    assert!(missing.hint.contains("raw_ops.shipments"), "{missing:?}");
    for (arguments, problem) in [
        (
            "NULL, 'DPD', '01', '', now(), '{}'".to_owned(),
            "p_shipment_id: is null",
        ),
        (
            format!("'{shipment}', 'DPD', ' ', '', now(), '{{}}'"),
            "p_event_code: is null or blank",
        ),
        (
            format!("'{shipment}', 'DPD', '01', '', NULL, '{{}}'"),
            "p_event_time: is null",
        ),
    ] {
        let refusal = refused(
            &courier.client,
            &format!("SELECT raw_ops.process_courier_event({arguments})"),
        )
        .await;
        assert_eq!(refusal.message, problem);
    }
    let nothing = "SELECT (SELECT count(*) FROM raw_ops.courier_events) + (SELECT count(*) FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT')";
    assert_eq!(one::<i64>(&courier.client, nothing).await, 0);
}

#[tokio::test]
async fn a_role_with_the_function_alone_may_report_events_and_nobody_else() {
    let courier = Courier::start().await;
    let shipment = courier.shipment("1", Some("a@example.com")).await;
    as_superuser(
        &courier.stack,
        "CREATE ROLE forwarder LOGIN; CREATE ROLE stranger LOGIN; GRANT USAGE ON SCHEMA raw_ops TO forwarder, stranger;
         GRANT EXECUTE ON FUNCTION raw_ops.process_courier_event(uuid, text, text, text, timestamptz, jsonb) TO forwarder",
    )
    .await;
    let stranger = courier.stack.connect_as("stranger").await.unwrap();
    assert_eq!(
        refused(&stranger, &event(&shipment, "01", 0)).await.sqlstate,
        "42501"
    );
    let forwarder = courier.stack.connect_as("forwarder").await.unwrap();
    let answer: Value = one(&forwarder, &event(&shipment, "01", 0)).await;
    courier.notification_in(&notification_of(&answer), "sent").await;
    let read = refused(&forwarder, "SELECT * FROM raw_ops.courier_events").await;
    assert_eq!(read.sqlstate, "42501");
}
