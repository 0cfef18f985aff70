//! Webhooks that fail at first: one that comes right by itself, one that ends as a dead letter and is settled by hand.

use std::time::Duration;

use anyhow::{Context, Result};
use raw_ops_e2e::shopify::Sender;
use raw_ops_e2e::wait_for;
use serde_json::Value;
use tokio_postgres::{Client, Row};

use crate::alarm::Slack;
use crate::checks::Checks;
use crate::plan::{Plan, priced_abc};
use crate::screen::Screen;
use raw_ops_e2e::table::Table;

const LIMIT: Duration = Duration::from_secs(30);
/// More than the schedule has.
const MOST_ATTEMPTS: usize = 10;
const NOTE: &str = "Demo: the price \"abc\" was sent on purpose; there is nothing to correct";

const ATTEMPT: &str =
    "SELECT attempts, processing_status, coalesce(error_category, ''), coalesce(last_error, ''),
            extract(epoch FROM next_retry_at - last_error_at)::float8, to_char(next_retry_at, 'HH24:MI:SS')
       FROM raw_ops.webhook_inbox WHERE event_id = $1 AND attempts >= $2";
const MOVE_CLOCK: &str = "UPDATE raw_ops.webhook_inbox SET next_retry_at = now()
      WHERE event_id = $1 AND processing_status = 'failed'";

/// What is known of a webhook after an attempt.
struct Attempt {
    number: i32,
    status: String,
    category: String,
    error: String,
    /// Seconds until the next attempt, and when that is.
    wait: Option<f64>,
    due: Option<String>,
}

impl Attempt {
    fn of(row: &Row) -> Self {
        Self {
            number: row.get(0),
            status: row.get(1),
            category: row.get(2),
            error: row.get(3),
            wait: row.get(4),
            due: row.get(5),
        }
    }

    fn failed(&self) -> bool {
        self.status != "success"
    }

    fn row(&self) -> [String; 4] {
        let next = match (self.wait, &self.due) {
            (Some(wait), Some(due)) => format!("in {:.0} min, {due} UTC", wait / 60.0),
            _ => "none".to_owned(),
        };
        // The row keeps its last error for the record; a success had none.
        let category = if self.failed() {
            self.category.clone()
        } else {
            String::new()
        };
        [self.number.to_string(), self.status.clone(), category, next]
    }
}

/// Follows a webhook through its attempts, moving its clock, until it is tried no more.
async fn walk(client: &Client, event_id: &str) -> Result<Vec<Attempt>> {
    let mut attempts: Vec<Attempt> = Vec::new();
    while attempts.len() < MOST_ATTEMPTS {
        let made = attempts.last().map_or(0, |attempt| attempt.number);
        let what = format!("attempt {} at webhook {event_id}", made + 1);
        let attempt = wait_for(LIMIT, &what, async || {
            let row = client.query_opt(ATTEMPT, &[&event_id, &(made + 1)]).await;
            row.map(|row| row.map(|row| Attempt::of(&row))).transpose()
        })
        .await??;
        let over = !matches!(attempt.status.as_str(), "failed" | "retrying");
        attempts.push(attempt);
        if over {
            break;
        }
        client.execute(MOVE_CLOCK, &[&event_id]).await?;
        // The worker or pg_cron may be faster; then this finds nothing to do.
        client
            .batch_execute("SELECT raw_ops.retry_failed_webhooks()")
            .await?;
    }
    Ok(attempts)
}

/// The attempts, and below them their errors; one that repeats stands once.
fn show(screen: &Screen, attempts: &[Attempt]) {
    let mut table = Table::new(&[">attempt", "status", "error_category", "next attempt"]);
    for attempt in attempts {
        table.row(attempt.row());
    }
    screen.table(&table);
    let failed: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.failed()).collect();
    for same in failed.chunk_by(|one, other| one.error == other.error) {
        let (first, last) = (same[0], same[same.len() - 1]);
        let name = match same.len() {
            1 => format!("error {}", first.number),
            _ => format!("errors {}-{}", first.number, last.number),
        };
        screen.pair(&name, &first.error);
    }
    screen.line("");
}

/// The cancellation that came before its order.
pub async fn cancellation(
    screen: &Screen,
    checks: &mut Checks,
    client: &Client,
    plan: &mut Plan,
) -> Result<()> {
    screen.say(
        "The schedule is 1, 5, 15 and 30 minutes. Nobody wants to wait for that here, so the demo moves the \
         clock, now and in the next step: it sets next_retry_at to now() and calls retry_failed_webhooks(), \
         as the worker or pg_cron would when the time has come.",
    );
    let attempts = walk(client, plan.early.id()).await?;
    show(screen, &attempts);
    let last = attempts.last().context("no attempt was made")?;
    checks.equal(
        "tried again, the cancellation is processed",
        &"success",
        &last.status.as_str(),
    );
    plan.truth.learn(&plan.early.delivery)?;
    let query = "SELECT order_name, cancel_reason FROM raw_ops.orders
                  WHERE shopify_order_id = $1 AND cancelled_at IS NOT NULL";
    let row = client.query_opt(query, &[&plan.cancelled.id]).await?;
    let found = row.map_or_else(
        || "not cancelled".to_owned(),
        |row| row.get::<_, Option<String>>(1).unwrap_or_default(),
    );
    let what = format!("order #{} is cancelled, with its reason", plan.cancelled.number);
    checks.equal(&what, &"customer", &found.as_str());
    Ok(())
}

/// A price that is no number: five attempts, the dead letter queue, and settled by a person.
pub async fn dead_letter(
    screen: &Screen,
    checks: &mut Checks,
    client: &Client,
    sender: &Sender,
    slack: &Slack,
) -> Result<()> {
    let order = priced_abc();
    let delivery = order.delivery("orders/create");
    let event_id = delivery.webhook_id.clone().unwrap_or_default();
    let answer = sender.send(&delivery).await;
    checks.equal(
        "a correctly signed order with the price \"abc\" is taken",
        &200,
        &answer.status.unwrap_or_default(),
    );
    let attempts = walk(client, &event_id).await?;
    show(screen, &attempts);
    let minutes: Vec<String> = attempts
        .iter()
        .filter_map(|attempt| Some(format!("{:.0}", attempt.wait? / 60.0)))
        .collect();
    checks.equal(
        "five attempts, and between them minutes",
        &"1, 5, 15, 30",
        &minutes.join(", ").as_str(),
    );
    let named = attempts
        .iter()
        .filter(|attempt| attempt.error.contains("line_items[0].price") && attempt.error.contains("abc"));
    checks.count(
        "each error names the field and the value",
        attempts.len(),
        i64::try_from(named.count())?,
    );
    let query = "SELECT id::text, processing_status FROM raw_ops.webhook_inbox WHERE event_id = $1";
    let row = client.query_one(query, &[&event_id]).await?;
    checks.equal(
        "after the fifth it is a dead letter",
        &"dlq",
        &row.get::<_, &str>(1),
    );
    let id: String = row.get(0);
    let written = "SELECT count(*) FROM raw_ops.orders WHERE shopify_order_id = $1";
    let written: i64 = client.query_one(written, &[&order.id]).await?.get(0);
    checks.count("and nothing of its order was written", 0, written);
    slack.hears_of_the_dead_letter(screen, checks, client).await?;
    settle_by_update(screen, checks, client, &id).await?;
    settle_properly(screen, checks, client, &id).await?;
    slack.hears_of_the_end(screen, checks, client).await
}

/// The forbidden way.
async fn settle_by_update(screen: &Screen, checks: &mut Checks, client: &Client, id: &str) -> Result<()> {
    screen.line("");
    screen.say("An operator in a hurry:");
    screen.line("");
    let statement =
        format!("UPDATE raw_ops.webhook_inbox SET processing_status = 'success'\n WHERE id = '{id}';");
    screen.sql(&statement);
    let refused = client.batch_execute(&statement).await.err();
    let said = refused.as_ref().and_then(tokio_postgres::Error::as_db_error);
    match said {
        Some(error) => {
            screen.pair("ERROR:", error.message());
            screen.pair("HINT:", error.hint().unwrap_or("(none)"));
        }
        None => screen.say("(no error)"),
    }
    screen.line("");
    let hint = said.and_then(|error| error.hint()).unwrap_or("no hint");
    let query = "SELECT processing_status FROM raw_ops.webhook_inbox WHERE id = $1::text::uuid";
    let status: String = client.query_one(query, &[&id]).await?.get(0);
    checks.holds(
        "the database refuses, and its hint names the function to use",
        status == "dlq" && hint.contains("fn_resolve_webhook_manually_v1"),
        "still dlq, and a hint with fn_resolve_webhook_manually_v1",
        &match status.as_str() {
            "dlq" if hint.contains("fn_resolve_webhook_manually_v1") => "still dlq".to_owned(),
            status => format!("{status}; {hint}"),
        },
    );
    Ok(())
}

/// The way with a note and a trail.
async fn settle_properly(screen: &Screen, checks: &mut Checks, client: &Client, id: &str) -> Result<()> {
    screen.line("");
    screen.say("As the hint says:");
    screen.line("");
    screen.sql(&format!(
        "SELECT raw_ops.fn_resolve_webhook_manually_v1('{id}',\n       '{NOTE}');"
    ));
    let call = "SELECT raw_ops.fn_resolve_webhook_manually_v1($1::text::uuid, $2)::text";
    let answer: String = client.query_one(call, &[&id, &NOTE]).await?.get(0);
    screen.say(&answer);
    let audit = "SELECT to_char(created_at, 'HH24:MI:SS'), message, event_payload
                   FROM raw_ops.ops_events WHERE kind = 'AUDIT' AND entity_id = $1::text::uuid";
    let rows = client.query(audit, &[&id]).await?;
    screen.line("");
    screen.say("Its row in raw_ops.ops_events:");
    screen.line("");
    for row in &rows {
        let payload: Value = row.get(2);
        let text = |member: &str| payload[member].as_str().unwrap_or("(missing)").to_owned();
        let status = |side: &str| {
            payload[side]["processing_status"]
                .as_str()
                .unwrap_or("(missing)")
                .to_owned()
        };
        screen.pair("kind", "AUDIT");
        screen.pair("message", row.get(1));
        screen.pair("at", row.get(0));
        screen.pair("who", &text("who"));
        screen.pair("note", &text("note"));
        screen.pair("change", &format!("{} → {}", status("before"), status("after")));
    }
    screen.line("");
    let query = "SELECT processing_status FROM raw_ops.webhook_inbox WHERE id = $1::text::uuid";
    let status: String = client.query_one(query, &[&id]).await?.get(0);
    checks.equal(
        "the webhook is settled by a person",
        &"resolved_manual",
        &status.as_str(),
    );
    let noted = rows
        .iter()
        .filter(|row| row.get::<_, Value>(2)["note"] == NOTE)
        .count();
    checks.count("with one audit row, which has the note", 1, i64::try_from(noted)?);
    Ok(())
}
