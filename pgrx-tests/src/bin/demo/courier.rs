//! The Courier Watchdog: a missed delivery becomes a message at Customer.io (a receiver on this machine that answers as
//! Customer.io does), an address issue also a task for a person.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use raw_ops_e2e::courier::{Dpd, dpd_event, fulfillment, fulfillment_delivery, tell_customers_through};
use raw_ops_e2e::receiver::Received;
use raw_ops_e2e::receiver::customerio::Account;
use raw_ops_e2e::shopify::Sender;
use raw_ops_e2e::{Receiver, Stack, wait_until};
use serde_json::Value;
use tokio_postgres::Client;

use crate::checks::Checks;
use crate::screen::{Screen, milliseconds};
use raw_ops_e2e::table::Table;

const LIMIT: Duration = Duration::from_secs(20);
/// What DPD proves itself with.
pub const TOKEN: &str = "demo-token-of-dpd";
const PARCEL: &str = "15501234567890";
const FULFILLMENT: i64 = 4_563_210_987;

/// Somebody who has bought something and left an address.
const BUYER: &str = "SELECT o.shopify_order_id, o.order_name, c.email, c.first_name
      FROM raw_ops.orders o JOIN raw_ops.customers c ON c.id = o.customer_id
     WHERE c.email LIKE '%@%' AND c.first_name <> '' AND o.cancelled_at IS NULL ORDER BY o.shopify_order_id LIMIT 1";
/// UK time so many minutes ago, as DPD writes it: only what is news is told.
const UK_TIME: &str = "SELECT to_char(now() AT TIME ZONE 'Europe/London' - $1::int4 * interval '1 minute', 'YYYY-MM-DD HH24:MI:SS')";
const PARCELS: &str = "SELECT count(*) FROM raw_ops.shipments WHERE tracking_no = $1";
const NOTICES: &str =
    "SELECT notification_status || ' after attempt ' || notification_attempts FROM raw_ops.ops_events
     WHERE customer_event_type = 'courier_exception' AND event_payload->>'event_code' = $1";
const TASKS: &str = "SELECT task_id::text, event_type, action, tracking_no, (due_at - created_at)::text,
            to_char(due_at, 'HH24:MI') || ' UTC' FROM raw_ops.courier_open_tasks";

/// Customer.io and DPD, as the demo has them.
struct World {
    customerio: Receiver,
    dpd: Dpd,
}

/// Two reports of DPD, and what becomes of them.
pub async fn watch(
    screen: &Screen,
    checks: &mut Checks,
    client: &Client,
    stack: &Stack,
    sender: &Sender,
) -> Result<()> {
    let world = World {
        customerio: Receiver::start()?,
        dpd: Dpd::to(stack.shim()?, TOKEN),
    };
    let account = Account::new("demo-site", "demo-key");
    tell_customers_through(stack, &world.customerio, &account).await?;
    screen.pair(
        "notifications to",
        &format!(
            "{} (a receiver on this machine that plays Customer.io)",
            world.customerio.url("")
        ),
    );
    let buyer = client.query_one(BUYER, &[]).await?;
    let (order, name, email): (i64, &str, &str) = (buyer.get(0), buyer.get(1), buyer.get(2));
    let shipment = fulfillment(FULFILLMENT, order, &[PARCEL], "2026-01-19T09:00:00+00:00");
    let answer = sender
        .send(&fulfillment_delivery("fulfillments/create", &shipment))
        .await;
    ensure!(answer.accepted(), "the fulfillment was not taken: {answer:?}");
    wait_until(LIMIT, "the parcel", async || {
        let row = client.query_one(PARCELS, &[&PARCEL]).await;
        row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    })
    .await?;
    screen.say(&format!(
        "Shopify says (fulfillments/create) that order {name} is on its way: shipment {PARCEL}. The same day DPD reports that nobody was home."
    ));
    missed_delivery(screen, checks, client, &world, email).await?;
    address_issue(screen, checks, client, &world).await
}

async fn missed_delivery(
    screen: &Screen,
    checks: &mut Checks,
    client: &Client,
    world: &World,
    email: &str,
) -> Result<()> {
    let event = dpd_event(
        PARCEL,
        "01",
        "Customer not home - will retry tomorrow",
        &uk_time(client, 150).await?,
    );
    let started = Instant::now();
    let answer = world.dpd.send(&event).await?;
    ensure!(
        answer.status == 200,
        "DPD's report was not taken: {}",
        answer.text()
    );
    let request = world.customerio.wait_for_requests(LIMIT, 1).await?.remove(0);
    let took = request.at.saturating_duration_since(started);
    show(screen, &request)?;
    let body = request.json()?;
    let expected = format!(
        "/api/v1/customers/{}/events",
        email.replace('+', "%2B").replace('@', "%40")
    );
    checks.equal("the message is the buyer's", &expected, &request.path);
    checks.equal(
        "with the template of a missed delivery",
        &"missed_delivery_retry",
        &body["data"]["notification_template_id"]
            .as_str()
            .unwrap_or_default(),
    );
    checks.holds(
        "within a second of DPD's report",
        took < Duration::from_secs(1),
        "less than 1 s",
        &milliseconds(took.as_secs_f64() * 1000.0),
    );
    let sent = async || status(client, "01").await;
    let waited = wait_until(LIMIT, "it to be recorded", async || {
        sent().await == "sent after attempt 1"
    })
    .await;
    checks.equal(
        "its row in ops_events knows",
        &"sent after attempt 1",
        &sent().await.as_str(),
    );
    waited?;
    // Senders repeat events; a customer must be notified once.
    for _ in 0..2 {
        world.dpd.send(&event).await?;
    }
    Ok(())
}

async fn address_issue(screen: &Screen, checks: &mut Checks, client: &Client, world: &World) -> Result<()> {
    screen.line("");
    screen.say("Then DPD reports an address issue. The customer is asked, and a person has two hours:");
    let event = dpd_event(PARCEL, "03", "Address not found", &uk_time(client, 15).await?);
    world.dpd.send(&event).await?;
    let is_second = |request: &Received| request.mentions("address_problem");
    world
        .customerio
        .wait_for(LIMIT, "the second message", is_second)
        .await?;
    let tasks = client.query(TASKS, &[]).await?;
    let mut table = Table::new(&["task", "parcel", "due after", "due at"]);
    for row in &tasks {
        table.row([1, 3, 4, 5].map(|column| row.get::<_, String>(column)));
    }
    screen.table(&table);
    let task = tasks.first().context("there is no task")?;
    screen.pair("to do", task.get(2));
    screen.line("");
    checks.equal(
        "the task is due in two hours",
        &"02:00:00",
        &task.get::<_, &str>(4),
    );
    let told = world.customerio.count();
    checks.count(
        "two events, two messages; the repeats of the first sent none",
        2,
        i64::try_from(told)?,
    );
    let done = "SELECT raw_ops.fn_complete_courier_task_v1($1::text::uuid, 'Demo: street corrected with the customer')";
    let answer: Value = client.query_one(done, &[&task.get::<_, &str>(0)]).await?.get(0);
    let open = client.query(TASKS, &[]).await?.len();
    checks.holds(
        "a note closes it",
        answer["success"] == true && open == 0,
        "no task left",
        &format!("{open} open"),
    );
    Ok(())
}

async fn uk_time(client: &Client, minutes_ago: i32) -> Result<String> {
    Ok(client.query_one(UK_TIME, &[&minutes_ago]).await?.get(0))
}

async fn status(client: &Client, code: &str) -> String {
    match client.query_opt(NOTICES, &[&code]).await {
        Ok(row) => row.map_or_else(|| "no notification".to_owned(), |row| row.get(0)),
        Err(error) => error.to_string(),
    }
}

/// A request as it arrived, without its credentials.
fn show(screen: &Screen, request: &Received) -> Result<()> {
    screen.line("");
    screen.say("What arrives at Customer.io:");
    screen.line("");
    let body = serde_json::to_string_pretty(&request.json()?)?;
    screen.sql(&format!(
        "{} {}\nAuthorization: Basic (site id and key)\n\n{body}",
        request.method, request.path
    ));
    screen.line("");
    Ok(())
}
