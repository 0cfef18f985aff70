//! The Courier Watchdog: the customer hears of a delivery exception from the shop first, once, and in the end somebody
//! hears of it if they did not.

mod attempts;
mod bounds;
mod copies;
mod dlv_queries;
mod dlv_statements;
mod fulfillments;
mod lists;
mod new_provider;
mod notifications;
mod old_news;
mod once;
mod reports;
mod tasks;
mod whose_shipment;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use raw_ops_e2e::courier::tell_customers_through;
use raw_ops_e2e::receiver::customerio::{Account, CUSTOMERS};
use raw_ops_e2e::stack::OWNER_ROLE;
use raw_ops_e2e::{Cluster, Machine, Received, Receiver, Stack, StackOptions, wait_for, wait_until};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::*;

const SITE_ID: &str = "site-7f3a";
const API_KEY: &str = "key-91be2c";
/// Every customer's path.
const EVENTS: &str = "/api/v1/customers/*";

/// A stack that tells customers, and the world it tells.
pub struct Courier {
    // Dropped in this order.
    pub client: Client,
    pub world: Arc<Receiver>,
    pub stack: Stack,
}

impl Courier {
    /// Nothing happens by itself but sending.
    pub async fn start() -> Self {
        Self::start_with(by_hand().without_shim()).await
    }

    pub async fn start_with(options: StackOptions) -> Self {
        let world = Arc::new(Receiver::start().unwrap());
        let options = options.setting("raw_ops.customerio_base_url", world.url(""));
        let stack = Stack::start(options).await.unwrap();
        let client = stack.connect().await.unwrap();
        stack.post_alerts_to(&world).await.unwrap();
        let account = Account::new(SITE_ID, API_KEY);
        tell_customers_through(&stack, &world, &account).await.unwrap();
        Self { client, world, stack }
    }

    /// An order with its customer and a shipment; returns that shipment's id.
    pub async fn shipment(&self, number: &str, email: Option<&str>) -> String {
        let sql = "WITH buyer AS (
                       INSERT INTO raw_ops.customers (shopify_customer_id, email, first_name)
                       VALUES (abs(hashtextextended($1, 0)), $2, 'Alice') RETURNING id
                   ), sold AS (
                       INSERT INTO raw_ops.orders (shopify_order_id, order_name, customer_id)
                       SELECT abs(hashtextextended($1, 0)), '#1001', id FROM buyer RETURNING id
                   )
                   INSERT INTO raw_ops.shipments (order_id, courier_name, tracking_no, tracking_url)
                   SELECT id, 'DPD', $1, 'https://track.dpd.co.uk/parcels/' || $1 FROM sold RETURNING id::text";
        match self.client.query_one(sql, &[&number, &email]).await {
            Ok(row) => row.get(0),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// What DPD reports about a shipment, at so many minutes past [`noon`].
    pub async fn report(&self, shipment: &str, code: &str, minute: u32) -> Value {
        one(&self.client, &event(shipment, code, minute)).await
    }

    /// Everything Customer.io has been sent so far.
    pub fn told(&self) -> Vec<Arc<Received>> {
        let mut requests = self.world.requests();
        requests.retain(|request| request.path.starts_with(CUSTOMERS));
        requests
    }

    /// Every alert so far: channel's path and headline.
    pub fn alerts(&self) -> Vec<(String, String)> {
        let requests = self.world.requests();
        let alerts = requests
            .iter()
            .filter(|request| request.path.starts_with("/slack/"));
        alerts
            .map(|request| {
                let message = request.json().unwrap();
                let headline = message["text"]
                    .as_str()
                    .unwrap()
                    .lines()
                    .next()
                    .unwrap()
                    .to_owned();
                (request.path.clone(), headline)
            })
            .collect()
    }

    /// Waits until a notification is in this state; returns its row.
    pub async fn notification_in(&self, event: &str, status: &str) -> Value {
        let sql = format!("SELECT to_jsonb(e) FROM raw_ops.ops_events e WHERE id = '{event}'");
        let what = format!("the notification to be {status}");
        let waited = wait_for(LIMIT, &what, async || {
            let row: Value = one(&self.client, &sql).await;
            (row["notification_status"] == status).then_some(row)
        });
        match waited.await {
            Ok(row) => row,
            Err(error) => panic!("{error:#}: {}", one::<Value>(&self.client, &sql).await),
        }
    }

    /// Waits until so many attempts at a notification have ended; returns its row.
    pub async fn attempted(&self, event: &str, times: i64) -> Value {
        let sql = format!("SELECT to_jsonb(e) FROM raw_ops.ops_events e WHERE id = '{event}'");
        wait_for(LIMIT, &format!("attempt {times} to end"), async || {
            let row: Value = one(&self.client, &sql).await;
            (row["notification_attempts"] == times).then_some(row)
        })
        .await
        .unwrap()
    }

    /// The time has come for whatever waits for it.
    pub async fn move_clock(&self) {
        run(&self.client, MOVE_CLOCK).await;
    }

    /// Waits until nothing is on its way.
    pub async fn settled(&self) {
        let open = "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'sending' OR state = 'queued' AND send_after <= now()";
        wait_until(LIMIT, "the outbox to be at rest", async || {
            one::<i64>(&self.client, open).await == 0
        })
        .await
        .unwrap();
    }

    /// `attempt state status` of each request about a notification, in order.
    pub async fn requests(&self, event: &str) -> Vec<String> {
        let sql = format!(
            "SELECT concat_ws(' ', attempt, state, coalesce(status_code::text, '-')) FROM raw_ops.http_requests
              WHERE subject_id = '{event}' ORDER BY created_at, attempt"
        );
        column(&self.client, &sql).await
    }
}

const MOVE_CLOCK: &str = "UPDATE raw_ops.http_requests SET send_after = now() WHERE state = 'queued'";

/// Twelve hours before the tests began, in seconds since 1970: news, and the same in every call.
pub fn noon() -> u64 {
    static NOON: OnceLock<u64> = OnceLock::new();
    *NOON.get_or_init(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs() - 12 * 3600
    })
}

/// The call of `process_courier_event` for an event at so many minutes past [`noon`].
pub fn event(shipment: &str, code: &str, minute: u32) -> String {
    event_at(
        shipment,
        code,
        &format!("to_timestamp({}) + interval '{minute} minutes'", noon()),
    )
}

/// The same for an event at the time that this SQL says.
pub fn event_at(shipment: &str, code: &str, time: &str) -> String {
    format!(
        "SELECT raw_ops.process_courier_event('{shipment}', 'DPD', '{code}', 'Customer not home - will retry tomorrow',
                {time}, '{{\"raw\": true}}')"
    )
}

/// The id of the notification that an answer of `process_courier_event` names.
pub fn notification_of(answer: &Value) -> String {
    answer["ops_event_id"]
        .as_str()
        .unwrap_or_else(|| panic!("no notification: {answer}"))
        .to_owned()
}

/// The test event that DLV inserts by hand, for this customer.
pub fn by_hand_event(email: &str) -> String {
    format!(
        "INSERT INTO raw_ops.ops_events (kind, entity_type, customer_event_type, message, event_payload)
         VALUES ('CUSTOMER_EVENT', 'shipment', 'courier_exception', 'TEST',
                 '{{\"email\": \"{email}\", \"notification_template_id\": \"weather_delay\"}}') RETURNING id::text"
    )
}

impl Courier {
    /// A dump of it in a server of its own, with the secrets and the way out that the original has: nothing but the guard
    /// keeps it from sending.
    pub async fn restored(&self, dump: &[u8]) -> Self {
        let cluster = Cluster::builder()
            .for_raw_ops("shop")
            .fast()
            .setting("raw_ops.workers", 0)
            .setting("raw_ops.customerio_base_url", self.world.url(""))
            .setting("raw_ops.delivery_hosts", "")
            .on(Machine::named("staging"))
            .start()
            .await
            .unwrap();
        let client = cluster.connect("shop").await.unwrap();
        run(&client, "CREATE ROLE raw_ops_shim; CREATE ROLE shop_owner LOGIN").await;
        cluster.pg_restore("shop", dump, &[]).await.unwrap();
        let client = cluster.connect_as("shop", OWNER_ROLE).await.unwrap();
        for (name, value) in [("customerio_site_id", SITE_ID), ("customerio_api_key", API_KEY)] {
            let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2)";
            client.execute(sql, &[&name, &value]).await.unwrap();
        }
        Self {
            client,
            world: Arc::clone(&self.world),
            stack: Stack {
                shim: None,
                cluster,
                db: "shop".to_owned(),
                shopify_secret: String::new(),
            },
        }
    }
}
