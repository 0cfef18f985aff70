//! A provider nobody knew before: one file in `src/providers/`, one in `edge-shim/src/providers/`, one line in each registry
//! (both behind the feature `example_provider`). Everything else follows.

use super::reports::{order, send, send_fulfillment};
use super::*;
use raw_ops_e2e::http::{Answer, HttpClient, headers};

const TOKEN: &str = "example-token-1";

async fn scan(courier: &Courier, number: &str) -> Answer {
    let url = courier.stack.shim().unwrap().url("/webhooks/example");
    let headers = headers([("content-type", "application/json"), ("x-webhook-token", TOKEN)]);
    let body = json!({"scans": [{"number": number, "what": "42", "at": "2026-01-19T14:05:00Z"}]});
    let http = HttpClient::new(LIMIT);
    let body = body.to_string().into_bytes();
    http.post(&url, headers.unwrap(), body.into()).await.unwrap()
}

#[tokio::test]
async fn a_provider_of_one_file_and_one_line_is_stored_read_matched_and_counted() {
    let options = by_hand().setting("raw_ops.courier_notice_max_age", 0);
    let courier = Courier::start_with(options.shim_env("EXAMPLE_WEBHOOK_TOKEN", TOKEN)).await;
    let order = order();
    send(&courier, &order.delivery("orders/create")).await;
    send_fulfillment(&courier, &order, &["1550"], "2026-01-19T09:00:00Z").await;

    let early = scan(&courier, "1660").await;
    let known = scan(&courier, "1550").await;
    assert_eq!((early.status, known.status), (200, 200), "{}", known.text());
    assert_eq!(drain(&courier.client, 100).await, [4, 4, 0, 0]);
    // What came before its shipment waits for it, under its own provider's name.
    send_fulfillment(&courier, &order, &["1550", "1660"], "2026-01-19T10:00:00Z").await;
    assert_eq!(drain(&courier.client, 100).await, [1, 1, 0, 0]);

    let events =
        "SELECT string_agg(concat_ws(' ', s.tracking_no, e.courier_name, e.event_code), ', ' ORDER BY 1)
                    FROM raw_ops.courier_events e JOIN raw_ops.shipments s ON s.id = e.shipment_id";
    let events: String = one(&courier.client, events).await;
    assert_eq!(events, "1550 Example 42, 1660 Example 42");
    let unread = "SELECT last_error || ' ' || error_category FROM raw_ops.webhook_inbox WHERE id =
                  (raw_ops.receive_webhook('example', 'shipment/lost', 'x', '{}', '{}')->>'webhook_id')::uuid";
    run(
        &courier.client,
        "SELECT raw_ops.receive_webhook('example', 'shipment/lost', 'x', '{}', '{}')",
    )
    .await;
    assert_eq!(drain(&courier.client, 100).await, [1, 0, 1, 0]);
    let unread: String = one(&courier.client, unread).await;
    assert_eq!(
        unread,
        "topic: nothing here handles example \"shipment/lost\" unknown_topic"
    );
}
