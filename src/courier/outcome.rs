//! What became of notifications' requests goes back to their rows in `ops_events`; people hear at once of those given up.

use super::Id;
use super::notification::{as_own_write, queue};
use super::unwanted::{WHY_UNWANTED, find_unwanted};
use crate::alerts::{self, Finding, Shops, Thresholds};
use crate::db::{self, Session, TypedRowset, result_row, rowset_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::outbox::{Outcome, Requester, State};
use crate::schedule::Purpose;
use std::collections::HashSet;

/// The check that follows the alert about notifications given up: counts them, repeats and raises it.
pub const CHECK_NAME: &str = "courier_watchdog_health";
pub const FAILED: &str = "failed_notifications";

/// What to do about notifications given up, of one of several shops too: see what Customer.io said, mend that, send again.
pub fn what_to_do(shops: &Shops, shop: &str, error: Option<&str>) -> Vec<String> {
    let recent = format!(
        "kind = 'CUSTOMER_EVENT' AND customer_event_type = 'courier_exception' AND created_at > now() - interval '1 day'{}",
        shops.condition("AND", shop)
    );
    let mut steps = vec![format!(
        "SELECT ops_event_id, created_at, event_type, notification_attempts, notification_last_error FROM \
         raw_ops.courier_failed_notifications{} ORDER BY created_at DESC LIMIT 20;",
        shops.condition("WHERE", shop)
    )];
    if error.is_some_and(|error| error.contains("customerio_api_key")) {
        let whose = match shops.name_of(shop) {
            Some(_) if !shop.is_empty() => format!(", {}", db::literal(shop)),
            _ => String::new(),
        };
        for (secret, value) in [
            ("customerio_site_id", "<site ID>"),
            ("customerio_api_key", "<API key>"),
        ] {
            steps.push(format!(
                "-- SELECT raw_ops.fn_set_secret_v1('{secret}', '{value}'{whose});"
            ));
        }
    }
    steps.push(format!(
        "-- Once the cause is mended, send them again: UPDATE raw_ops.ops_events SET notification_status = 'pending', \
         notification_attempts = 0, notification_last_error = NULL, notification_next_retry_at = NULL WHERE {recent} AND \
         notification_status = 'failed';"
    ));
    steps.push(format!(
        "SELECT notification_status, count(*), max(notification_next_retry_at) AS next_try FROM raw_ops.ops_events WHERE {recent} \
         GROUP BY 1;"
    ));
    steps
}

pub const REQUESTER: Requester = Requester {
    purpose: Purpose::Courier,
    find_unwanted,
    why_unwanted: WHY_UNWANTED,
    on_recorded: follow_outcomes,
    on_discarded: discard_notifications,
    // A customer hears of what was given up only when a person says so.
    on_secret_set: |_| Ok(0),
};

statements! {
    execute settle_notifications() with (outcomes: OutcomeRow<'static>) -> Settled
        = file "courier/settle_notifications.sql";
    execute skip_notifications(events: Vec<Id>, why: &str) = text
        "update raw_ops.ops_events
            set notification_status = 'skipped', notification_last_error = $2, notification_next_retry_at = null
          where id = any ($1) and processed_at is null and notification_status = 'pending'";
}

rowset_row! {
    struct OutcomeRow<'a> {
        id: Id,
        status: &'static str,
        error: Option<&'a str>,
        next_at: Option<Timestamp>,
        attempt: i32,
    }
}

result_row! {
    /// A notification after an attempt.
    struct Settled {
        id: Id,
        shop_domain: String,
        attempts: i32,
        tracking_no: Option<String>,
        event_type: Option<String>,
        error: Option<String>,
        /// Somebody has set its attempts meanwhile.
        was_set: bool,
        /// No attempt is left for it.
        is_over: bool,
    }
}

fn follow_outcomes(session: &Session, outcomes: &[&Outcome]) -> Result<()> {
    let mut given_up = Vec::new();
    let mut rest = outcomes.to_vec();
    rest.sort_by_key(|outcome| outcome.attempt);
    // An event has one attempt in hand at a time. Should somebody have made it several, each is heard in its turn.
    while !rest.is_empty() {
        let mut subjects = HashSet::new();
        let (once, again): (Vec<&Outcome>, Vec<&Outcome>) = rest
            .into_iter()
            .partition(|outcome| subjects.insert(outcome.subject));
        given_up.extend(settle(session, &once)?);
        rest = again;
    }
    alert_about(session, &given_up)
}

/// Writes down the last attempt of each event. Returns the notifications that are given up now.
fn settle(session: &Session, outcomes: &[&Outcome]) -> Result<Vec<Settled>> {
    let mut rows = TypedRowset::new(session);
    for outcome in outcomes {
        rows.push(OutcomeRow {
            id: outcome.subject,
            status: status_after(outcome.state),
            error: outcome.reason(),
            next_at: outcome.next_at.map(Timestamp),
            attempt: outcome.attempt,
        })?;
    }
    // Those that are gone, or processed by other means, do not come back.
    let written = as_own_write(|| settle_notifications(session, &mut rows))?.all()?;
    let (begun_anew, mut given_up): (Vec<Settled>, Vec<Settled>) =
        written.into_iter().partition(|notification| notification.was_set);
    given_up.retain(|notification| notification.is_over);
    let begun_anew: Vec<Id> = begun_anew.iter().map(|notification| notification.id).collect();
    queue(session, &begun_anew)?;
    Ok(given_up)
}

/// `notification_status` after an attempt that ended so.
fn status_after(state: State) -> &'static str {
    match state {
        State::Succeeded => "sent",
        State::Failed => "pending",
        State::Abandoned => "failed",
    }
}

/// Tells people at once, not at the monitor's next run. It must not keep the answers from being recorded: what was sent
/// would be sent again. The monitor tells what is not told here.
fn alert_about(session: &Session, given_up: &[Settled]) -> Result<()> {
    if given_up.is_empty() {
        return Ok(());
    }
    let told = db::attempt(|| {
        let shops = Shops::read(session)?;
        for (shop, given_up) in shops.group(given_up, |one| &one.shop_domain) {
            tell(session, &shops, shop, &given_up)?;
        }
        Ok(())
    });
    if let Err(error) = told {
        pgrx::warning!("raw_ops: no alert about a failed courier notification: {error}");
    }
    Ok(())
}

/// Tells of a shop's notifications given up just now, of the last of them in detail: DLV alerts #ops-alerts at once. While that
/// alert is open there is nothing to add; the monitor counts, repeats and raises it.
fn tell(session: &Session, shops: &Shops, shop: &str, given_up: &[&Settled]) -> Result<()> {
    let thresholds = Thresholds::of(session, CHECK_NAME)?;
    let (Some(mildest), Some(last)) = (thresholds.mildest(FAILED), given_up.last()) else {
        return Ok(());
    };
    let finding = Finding::new(FAILED, mildest, "Courier Notification Failed")
        .field("Failed Now", given_up.len())
        .field("Shipment", last.tracking_no.as_deref().unwrap_or("unknown"))
        .field("Event", last.event_type.as_deref().unwrap_or("unknown"))
        .field("Attempts", last.attempts)
        .field("Error", last.error.as_deref().unwrap_or_default())
        .field("Event ID", pgrx::Uuid::from_bytes(last.id))
        .next(what_to_do(shops, shop, last.error.as_deref()))
        .of_shop(shops, shop);
    alerts::open_unless_open(session, CHECK_NAME, &finding)
}

/// Notifications whose requests somebody has discarded are not sent at all, unless by hand.
fn discard_notifications(session: &Session, events: Vec<Id>, why: &str) -> Result<()> {
    if !events.is_empty() {
        skip_notifications(session, events, why)?;
    }
    Ok(())
}
