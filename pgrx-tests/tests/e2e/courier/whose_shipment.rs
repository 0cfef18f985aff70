//! Which shipment a courier's event is about, where several have had the same number.

use raw_ops_e2e::courier::{Dpd, dpd_event, fulfillment, fulfillment_delivery};
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::{Reply, wait_until};

use super::reports::{TOKEN, send, with_shim};
use super::*;

/// Two orders of two people.
struct TwoOrders {
    courier: Courier,
    orders: [Order; 2],
}

impl TwoOrders {
    async fn start() -> Self {
        let courier = with_shim().await;
        let mut orders = Generator::new(21)
            .orders(0..50)
            .filter(|order| order.customer_id.is_some() && order.email.is_some());
        let orders = [orders.next().unwrap(), orders.next().unwrap()];
        assert_ne!(orders[0].email, orders[1].email);
        for order in &orders {
            send(&courier, &order.delivery("orders/create")).await;
        }
        assert_eq!(drain(&courier.client, 100).await, [2, 2, 0, 0]);
        Self { courier, orders }
    }

    /// A fulfillment of the order at this position, of the same number as it; more members replace its own.
    async fn ships(&self, order: usize, numbers: &[&str], updated_at: &str, members: Value) {
        let mut body = fulfillment(700 + order as i64, self.orders[order].id, numbers, updated_at);
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        send(&self.courier, &fulfillment_delivery("fulfillments/update", &body)).await;
        drain(&self.courier.client, 100).await;
    }

    async fn reported(&self, number: &str, minute: u32) {
        let dpd = Dpd::to(self.courier.stack.shim().unwrap(), TOKEN);
        let event = dpd_event(
            number,
            "01",
            "No one was home",
            &format!("2026-01-19 14:{minute:02}:00"),
        );
        assert_eq!(dpd.send(&event).await.unwrap().status, 200);
        drain(&self.courier.client, 100).await;
    }

    /// The positions of the orders whose people were told, in order.
    async fn told(&self, count: usize) -> Vec<usize> {
        wait_until(LIMIT, "the people to be told", async || {
            self.courier.told().len() >= count
        })
        .await
        .unwrap();
        self.courier.settled().await;
        let position = |request: Arc<Received>| {
            let is_whose = |order: &Order| {
                let email = order.email.as_deref().unwrap();
                request
                    .path
                    .contains(&email.replace('@', "%40").replace('+', "%2B"))
            };
            self.orders.iter().position(is_whose).unwrap()
        };
        self.courier.told().into_iter().map(position).collect()
    }
}

const MORNING: &str = "2026-01-19T09:00:00Z";
const NOON: &str = "2026-01-19T12:00:00Z";

#[tokio::test]
async fn an_event_under_a_number_that_was_corrected_waits_for_the_order_that_has_it() {
    let shop = TwoOrders::start().await;
    shop.ships(0, &["P1"], MORNING, json!({})).await;
    // The number was the other order's.
    shop.ships(0, &["P2"], NOON, json!({})).await;
    shop.reported("P1", 5).await;
    let left: Vec<String> = column(
        &shop.courier.client,
        "SELECT state FROM raw_ops.webhook_elements_left",
    )
    .await;
    assert_eq!(left, ["waiting"]);
    shop.ships(1, &["P1"], NOON, json!({})).await;
    assert_eq!(shop.told(1).await, [1]);
    shop.reported("P2", 6).await;
    assert_eq!(shop.told(2).await, [1, 0]);
}

#[tokio::test]
async fn of_two_shipments_under_one_number_the_one_under_way_is_meant_and_not_the_one_called_off() {
    let shop = TwoOrders::start().await;
    shop.ships(1, &["P1"], MORNING, json!({})).await;
    // Made later, and cancelled.
    let cancelled = json!({"status": "cancelled", "created_at": NOON});
    shop.ships(0, &["P1"], NOON, cancelled).await;
    shop.reported("P1", 5).await;
    assert_eq!(shop.told(1).await, [1]);
}

#[tokio::test]
async fn of_two_shipments_under_one_number_the_reporting_couriers_is_meant() {
    let shop = TwoOrders::start().await;
    shop.ships(1, &["P1"], MORNING, json!({})).await;
    let another = json!({"tracking_company": "UPS", "created_at": NOON});
    shop.ships(0, &["P1"], NOON, another).await;
    shop.reported("P1", 5).await;
    assert_eq!(shop.told(1).await, [1]);
}

#[tokio::test]
async fn a_fulfillment_of_last_year_that_comes_late_takes_no_number_from_todays() {
    let shop = TwoOrders::start().await;
    shop.ships(1, &["P1"], MORNING, json!({})).await;
    let last_year = json!({"created_at": "2025-01-19T09:00:00Z"});
    shop.ships(0, &["P1"], "2025-01-20T09:00:00Z", last_year).await;
    shop.reported("P1", 5).await;
    assert_eq!(shop.told(1).await, [1]);
}

#[tokio::test]
async fn payloads_of_one_fulfillment_come_to_the_same_shipments_in_any_order() {
    let shop = TwoOrders::start().await;
    let payloads = five_payloads(shop.orders[0].id);
    let rows = "SELECT concat_ws(' ', tracking_no, status, courier_name, tracking_url) FROM raw_ops.shipments ORDER BY 1";
    let expected = [
        "P1 replaced DPD Local https://track.dpd.co.uk/parcels/P1",
        "P2 replaced DPD Local https://track.dpd.co.uk/parcels/P2",
        "P3 delivered DPD Local https://track.dpd.co.uk/parcels/P3",
    ];
    for first in 0..payloads.len() {
        for step in 1..payloads.len() {
            run(
                &shop.courier.client,
                "TRUNCATE raw_ops.shipments, raw_ops.fulfillments CASCADE",
            )
            .await;
            for turn in 0..payloads.len() {
                let (body, triggered_at) = &payloads[(first + turn * step) % payloads.len()];
                let mut delivery = fulfillment_delivery("fulfillments/update", body);
                delivery.triggered_at = (*triggered_at).to_owned();
                send(&shop.courier, &delivery).await;
                assert_eq!(drain(&shop.courier.client, 10).await, [1, 1, 0, 0]);
            }
            assert_eq!(
                column::<String>(&shop.courier.client, rows).await,
                expected,
                "{first} {step}"
            );
        }
    }
}

/// Of the same second; the last of the shop's own time was triggered last.
fn five_payloads(order: i64) -> [(Value, &'static str); 5] {
    let second = |numbers: &[&str], members: Value| {
        let mut body = fulfillment(700, order, numbers, NOON);
        for (name, value) in members.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };

    [
        (
            second(&[], json!({"status": "pending"})),
            "2026-01-19T12:00:00.100Z",
        ),
        (second(&["P1", "P2"], json!({})), "2026-01-19T12:00:00.300Z"),
        (
            second(
                &["P1", "P3"],
                json!({"shipment_status": "in_transit", "tracking_urls": []}),
            ),
            "2026-01-19T12:00:00.500Z",
        ),
        (
            second(
                &["P3"],
                json!({"tracking_company": null, "shipment_status": "delivered"}),
            ),
            "2026-01-19T12:00:00.700Z",
        ),
        (
            second(&["P3"], json!({"status": null, "tracking_company": "DPD Local"})),
            "2026-01-19T12:00:00.900Z",
        ),
    ]
}

/// The shipment itself names no shop: it is of its order's, with all that follows from it.
#[tokio::test]
async fn a_shops_own_workspace_hears_of_its_shipments_and_no_other() {
    let courier = Courier::start().await;
    courier.world.always(EVENTS, Reply::ok());
    run(
        &courier.client,
        "SELECT raw_ops.fn_set_secret_v1('customerio_site_id', 'site-uk', 'uk.example'),
                raw_ops.fn_set_secret_v1('customerio_api_key', 'key-uk', 'uk.example')",
    )
    .await;
    for (number, shop, site_id) in [("1", "uk.example", "site-uk"), ("2", "eu.example", SITE_ID)] {
        let shipment = courier.shipment(number, Some("a@example.com")).await;
        let name = format!(
            "UPDATE raw_ops.orders o SET shop_domain = '{shop}' FROM raw_ops.shipments s WHERE s.id = '{shipment}' AND o.id = s.order_id"
        );
        run(&courier.client, &name).await;
        let answer = courier.report(&shipment, "03", 0).await;
        let event = notification_of(&answer);
        courier.notification_in(&event, "sent").await;
        let told = courier.told();
        assert_eq!(told.last().unwrap().basic_auth().unwrap().0, site_id);
        let task = answer["task"]["task_id"].as_str().unwrap();
        let done = format!("SELECT raw_ops.fn_complete_courier_task_v1('{task}', 'called')");
        assert_eq!(one::<Value>(&courier.client, &done).await["success"], true);
        let shops = format!(
            "SELECT DISTINCT shop_domain FROM (
               SELECT shop_domain FROM raw_ops.courier_events WHERE shipment_id = '{shipment}'
               UNION ALL SELECT shop_domain FROM raw_ops.courier_tasks WHERE shipment_id = '{shipment}'
               UNION ALL SELECT shop_domain FROM raw_ops.ops_events WHERE entity_id IN ('{shipment}', '{task}')
               UNION ALL SELECT shop_domain FROM raw_ops.http_requests WHERE subject_id = '{event}') AS rows"
        );
        assert_eq!(column::<String>(&courier.client, &shops).await, [shop]);
    }
    assert_eq!(courier.told().len(), 2);
}
