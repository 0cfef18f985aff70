//! The notification to a customer: from a row of `ops_events` to a request in the outbox. What became of it goes back to the
//! row in [`super::outcome`].
//!
//! The event's row is what counts, also when somebody writes it by hand: the outbox follows. An event has at most one
//! request on its way. Whoever queues one holds the event's row, so triggers and retry runs never do it twice. All of an
//! event's requests carry the same id: Customer.io takes it once.

use super::{Id, shown};
use crate::db::{self, Session, owner, result_row, schema, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::outbox::receivers::customerio;
use crate::outbox::{self, Destination, NewRequest};
use crate::schedule::Purpose;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};
use std::cell::Cell;

/// What the campaign "Courier Exception Handler" is triggered by.
const EVENT_NAME: &str = "courier_exception";
const TIMEOUT_MS: i32 = 10_000;
const BEGUN_ANEW: &str = "not needed: somebody has set the notification's attempts";
const REMOVED: &str = "not needed: the notification was removed";

statements! {
    execute lock_notifications(events: Vec<Id>) -> Waiting = file "courier/lock_notifications.sql";
    execute write_status(events: Vec<Id>, status: &str) = text
        "update raw_ops.ops_events set notification_status = $2
          where id = any ($1) and notification_status is distinct from $2";
    execute write_shop(event: Id, shop: &str) = text
        "update raw_ops.ops_events set shop_domain = $2 where id = $1";
}

thread_local! {
    /// Set while this module itself writes the columns that the trigger follows.
    static OWN_WRITE: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn as_own_write<T>(write: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            OWN_WRITE.set(false);
        }
    }
    let _reset = Reset;
    OWN_WRITE.set(true);
    write()
}

/// What [`queue`] did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queued {
    pub queued: usize,
    /// Nobody to tell: no e-mail.
    pub skipped: usize,
}

/// The trigger of `ops_events`: an INSERT queues the notification; what an UPDATE says of attempts and of the next one's time
/// holds for the request, which is how DLV sends one again by hand; a DELETE takes it back.
#[pg_trigger]
fn notify_courier_exception<'a>(
    trigger: &'a pgrx::PgTrigger<'a>,
) -> Result<Option<PgHeapTuple<'a, impl WhoAllocated>>, ErrorReport> {
    let is_here = trigger.new().is_some();
    let row = trigger.new().or(trigger.old());
    let id: Option<pgrx::Uuid> = row.and_then(|row| row.get_by_name("id").ok().flatten());
    if let Some(id) = id
        && !OWN_WRITE.get()
        && let Err(error) = notify(*id.as_bytes(), is_here)
    {
        db::raise(error);
    }
    Ok(trigger.new())
}

/// With the owner's rights: who may write an event need not have any on the outbox.
fn notify(event: Id, is_here: bool) -> Result<()> {
    owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            match is_here {
                true => queue(session, &[event]).map(|_| ()),
                false => outbox::cancel_requests(session, &[event], REMOVED),
            }
        })
    })
}

/// Makes the outbox follow events that are to be sent: each has one request, for the attempt after those it has made, due
/// when it says. One that a sender has in hand is waited for.
pub fn queue(session: &Session, events: &[Id]) -> Result<Queued> {
    if events.is_empty() {
        return Ok(Queued::default());
    }
    let locked = lock_notifications(session, events.to_vec())?.all()?;
    let next_attempts: Vec<(Id, i32)> = locked
        .iter()
        .map(|event| (event.id, event.notification_attempts + 1))
        .collect();
    outbox::cancel_other_attempts(session, &next_attempts, BEGUN_ANEW)?;
    // Asked once the rows are locked: what others have queued until then is seen.
    let standing = outbox::requests_in_flight(session, events)?;
    let (mut outgoing, mut skipped) = (Vec::new(), Vec::new());
    for event in &locked {
        let standing = standing.get(&event.id);
        match event.email() {
            _ if standing.is_some_and(|standing| standing.is_in_flight) => {}
            Some(email) => {
                let last = standing.map(|standing| standing.last);
                outgoing.push(Notification::of(event, &email, last));
            }
            None => skipped.push(event.id),
        }
    }
    for event in locked.iter().filter(|event| event.is_of_shipment) {
        as_own_write(|| write_shop(session, event.id, &event.shop_domain))?;
    }
    let messages: Vec<NewRequest<'_>> = outgoing.iter().map(Notification::message).collect();
    outbox::enqueue_requests(session, &messages)?;
    let due: Vec<(Id, Option<i64>)> = locked
        .iter()
        .map(|event| (event.id, event.notification_next_retry_at.map(|at| at.0)))
        .collect();
    outbox::reschedule_requests(session, &due)?;
    let done = Queued {
        queued: outgoing.len(),
        skipped: skipped.len(),
    };
    let queued = outgoing.iter().map(|notification| notification.event).collect();
    set_status(session, queued, "pending")?;
    set_status(session, skipped, "skipped")?;
    Ok(done)
}

fn set_status(session: &Session, events: Vec<Id>, status: &str) -> Result<()> {
    if !events.is_empty() {
        as_own_write(|| write_status(session, events, status))?;
    }
    Ok(())
}

result_row! {
    /// An event whose notification is to be sent.
    struct Waiting {
        id: Id,
        shop_domain: String,
        /// It named no shop itself.
        is_of_shipment: bool,
        event_payload: Json,
        notification_attempts: i32,
        notification_next_retry_at: Option<Timestamp>,
    }
}

impl Waiting {
    fn email(&self) -> Option<String> {
        let email = self.event_payload["email"].as_str()?.trim();
        (!email.is_empty()).then(|| email.to_owned())
    }
}

/// A request of the Track API.
struct Notification {
    event: Id,
    shop: String,
    attempt: i32,
    path: String,
    body: Json,
    key: String,
}

impl Notification {
    /// Begun again after its `last` request it has another key, since its attempts count from the first; whoever else
    /// begins it again after that one has the same key, so it is begun once.
    fn of(event: &Waiting, email: &str, last: Option<Id>) -> Self {
        let key = match last {
            None => format!("courier-{}", shown(event.id)),
            Some(last) => format!("courier-{}-{}", shown(event.id), shown(last)),
        };
        Self {
            event: event.id,
            shop: event.shop_domain.clone(),
            attempt: event.notification_attempts + 1,
            path: customerio::events_path(email),
            body: customerio::event(EVENT_NAME, event.id, &data(&event.event_payload)),
            key,
        }
    }

    fn message(&self) -> NewRequest<'_> {
        NewRequest {
            purpose: Purpose::Courier,
            subject: self.event,
            shop: &self.shop,
            destination: Destination::CustomerIo,
            url: None,
            path: Some(&self.path),
            headers: json!({}),
            body: &self.body,
            idempotency_key: &self.key,
            attempt: self.attempt,
            timeout_ms: TIMEOUT_MS,
        }
    }
}

/// Exactly these members: others of an event's payload, such as `recipient` or `reply_to`, would override the campaign's own.
/// Source: DLV, Customer.io Payload.
fn data(payload: &Json) -> Json {
    json!({
        "notification_template_id": payload["notification_template_id"],
        "event_type": payload["event_type"],
        "event_description": payload["event_description"],
        "first_name": payload["first_name"],
        "tracking_number": payload["shipment"]["tracking_no"],
        "tracking_url": payload["shipment"]["tracking_url"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: Json) -> Waiting {
        Waiting {
            id: [1; 16],
            shop_domain: String::new(),
            is_of_shipment: false,
            event_payload: payload,
            notification_attempts: 0,
            notification_next_retry_at: None,
        }
    }

    fn dlv() -> Json {
        json!({
            "email": " alice@example.com ", "first_name": "Alice", "notification_template_id": "missed_delivery_retry",
            "event_type": "customer_not_home", "event_description": "Customer not home - will retry tomorrow",
            "reply_to": "somebody@else.example",
            "shipment": {"tracking_no": "DPD123456789GB", "tracking_url": "https://track.dpd.co.uk/..."},
        })
    }

    #[test]
    fn the_request_is_the_one_that_dlv_prints() {
        let event = event(dlv());
        let notification = Notification::of(&event, &event.email().unwrap(), None);
        assert_eq!(notification.path, "/api/v1/customers/alice%40example.com/events");
        assert_eq!(
            notification.body,
            json!({
                "name": "courier_exception",
                "id": customerio::event_id([1; 16]),
                "data": {
                    "notification_template_id": "missed_delivery_retry",
                    "event_type": "customer_not_home",
                    "event_description": "Customer not home - will retry tomorrow",
                    "first_name": "Alice",
                    "tracking_number": "DPD123456789GB",
                    "tracking_url": "https://track.dpd.co.uk/...",
                },
            })
        );
    }

    #[test]
    fn begun_again_it_has_another_key_and_the_same_id() {
        let event = event(dlv());
        let [first, second] =
            [None, Some([2; 16])].map(|last| Notification::of(&event, "a@example.com", last));
        assert_ne!(first.key, second.key);
        assert_eq!(first.body["id"], second.body["id"]);
        assert_eq!((first.attempt, second.attempt), (1, 1));
    }

    #[test]
    fn without_an_address_there_is_nobody_to_tell() {
        for payload in [
            json!({}),
            json!({"email": null}),
            json!({"email": "  "}),
            json!({"email": 7}),
            json!("x"),
        ] {
            assert_eq!(event(payload).email(), None);
        }
    }
}
