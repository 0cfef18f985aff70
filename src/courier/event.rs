//! One event of a courier: looked up in the mapping, recorded once, the customer told, a task opened.
//! Source: DLV, Core Processing Function.

use super::task::{self, Duty, Task};
use super::{Id, shown};
use crate::config;
use crate::db::{self, Jsonb, JsonbArgument, Session, ids, owner, result_row, schema, settings, statements};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

statements! {
    execute find_shipment(id: Id) -> Shipment = file "courier/find_shipment.sql";
    execute find_mapping(courier: &str, code: &str) -> MappingRow = file "courier/find_mapping.sql";
    execute insert_event(
        id: Id,
        shop: &str,
        shipment: Id,
        courier: &str,
        code: &str,
        event_type: Option<&str>,
        event_text: Option<&str>,
        event_time: Timestamp,
        tells_customer: bool,
        withheld: Option<&str>,
        raw: Option<Jsonb<'_>>,
    ) = file "courier/record_event.sql";
    execute find_event(shipment: Id, code: &str, event_time: Timestamp) -> EventRow = file "courier/find_event.sql";
    execute insert_notification(id: Id, shop: &str, shipment: Id, message: &str, payload: &Json) = text
        "insert into raw_ops.ops_events
                (id, shop_domain, kind, entity_type, entity_id, customer_event_type, message, event_payload)
         values ($1, $2, 'CUSTOMER_EVENT', 'shipment', $3, 'courier_exception', $4, $5)";
    execute find_notification_status(id: Id) -> Option<String> = text
        "select notification_status from raw_ops.ops_events where id = $1";
}

result_row! {
    struct MappingRow {
        event_type: String,
        notification_template_id: Option<String>,
        requires_customer_notification: Option<bool>,
        priority: Option<String>,
        customer_message: Option<String>,
        task_action: Option<String>,
        task_within: Option<i64>,
    }
}

result_row! {
    struct EventRow {
        courier_event_id: Id,
        event_type: Option<String>,
        requires_customer_notification: Option<bool>,
        ops_event_id: Option<Id>,
        notification_status: Option<String>,
        event_payload: Option<Json>,
        task_id: Option<Id>,
        due_at: Option<Timestamp>,
        withheld: Option<String>,
    }
}

/// Why an event is [`withheld`]; the other reasons are the ends of a shipment's way.
const TOO_OLD: &str = "too_old";
/// Characters of a code: it is part of an index entry.
const LONGEST_CODE: usize = 100;

/// What a courier reports.
pub struct Event<'a> {
    pub shipment: Id,
    pub courier: &'a str,
    pub code: &'a str,
    pub text: Option<&'a str>,
    /// Microseconds since 2000.
    pub time: i64,
    pub raw: Option<Jsonb<'a>>,
}

result_row! {
    /// The shipment, and who is to be told about it.
    struct Shipment {
        id: Id,
        shop_domain: String,
        courier_name: Option<String>,
        tracking_no: Option<String>,
        tracking_url: Option<String>,
        order_name: Option<String>,
        email: Option<String>,
        first_name: Option<String>,
        /// `delivered` or `returned`, where its way has ended.
        ended: Option<String>,
    }
}

/// What a code means.
pub struct Meaning {
    event_type: String,
    template: Option<String>,
    tells_customer: bool,
    priority: String,
    customer_message: Option<String>,
    duty: Option<Duty>,
}

impl Meaning {
    /// Whether it ends the shipment's way.
    pub fn is_end(&self) -> bool {
        matches!(self.event_type.as_str(), "delivered" | "returned")
    }
}

/// The notification that an event became.
struct RecordedNotification {
    ops_event_id: Id,
    status: Option<String>,
    payload: Json,
}

/// An event that is recorded, now or earlier.
pub struct Recorded {
    courier_event_id: Id,
    shipment_id: Id,
    code: String,
    event_type: Option<String>,
    tells_customer: bool,
    /// Why nobody is told, though the mapping says so.
    withheld: Option<String>,
    template: Option<String>,
    priority: Option<String>,
    notification: Option<RecordedNotification>,
    task: Option<Task>,
    is_duplicate: bool,
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn process_courier_event(
    p_shipment_id: Option<pgrx::Uuid>,
    p_courier_name: Option<&str>,
    p_event_code: Option<&str>,
    p_event_text: Option<&str>,
    p_event_time: Option<TimestampWithTimeZone>,
    p_raw_payload: Option<JsonbArgument<'_>>,
) -> Result<JsonB, ErrorReport> {
    let missing = |name| move || Error::argument(name, "is null");
    let code = p_event_code.unwrap_or_default().trim();
    if code.is_empty() {
        return Err(Error::argument("p_event_code", "is null or blank").into());
    }
    if code.chars().nth(LONGEST_CODE).is_some() {
        let problem = format!("longer than {LONGEST_CODE} characters");
        return Err(Error::argument("p_event_code", problem).into());
    }
    let event = Event {
        shipment: *p_shipment_id.ok_or_else(missing("p_shipment_id"))?.as_bytes(),
        courier: p_courier_name.unwrap_or_default().trim(),
        code,
        text: p_event_text,
        time: p_event_time.ok_or_else(missing("p_event_time"))?.into(),
        raw: p_raw_payload.map(|payload| payload.open()),
    };
    let recorded = owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            // Whoever calls this may tell the courier next that the event is here.
            settings::commit_durably();
            record_event(session, &event)
        })
    })?;
    Ok(JsonB(db::json_for_client(recorded.to_json())))
}

/// Records an event, once, and does what its code asks for.
///
/// # Errors
/// [`Error::NoSuch`] when there is no such shipment.
pub fn record_event(session: &Session, event: &Event<'_>) -> Result<Recorded> {
    let shipment = shipment(session, event.shipment)?;
    let courier = match (event.courier, &shipment.courier_name) {
        ("", Some(own)) => own,
        ("", None) => "unknown",
        (named, _) => named,
    };
    let meaning = meaning(session, courier, event.code)?;
    let withheld = meaning
        .as_ref()
        .and_then(|meaning| withheld(event, &shipment, meaning));
    let asked = meaning.as_ref().filter(|_| withheld.is_none());
    let tells_customer = asked.is_some_and(|meaning| meaning.tells_customer);
    let id = ids::uuid_v7();
    let event_type = meaning.as_ref().map(|meaning| meaning.event_type.as_str());
    let written = insert_event(
        session,
        id,
        &shipment.shop_domain,
        shipment.id,
        courier,
        event.code,
        event_type,
        event.text,
        Timestamp(event.time),
        tells_customer,
        withheld,
        event.raw,
    )?;
    if written == 0 {
        return earlier(session, event, meaning.as_ref());
    }
    let mut recorded = Recorded {
        courier_event_id: id,
        shipment_id: shipment.id,
        code: event.code.to_owned(),
        event_type: event_type.map(str::to_owned),
        tells_customer,
        withheld: withheld.map(str::to_owned),
        template: meaning.as_ref().and_then(|meaning| meaning.template.clone()),
        priority: meaning.as_ref().map(|meaning| meaning.priority.clone()),
        notification: None,
        task: None,
        is_duplicate: false,
    };
    if let Some(meaning) = asked {
        if tells_customer {
            recorded.notification = Some(tell(session, event, courier, &shipment, meaning, id)?);
        }
        if let Some(duty) = &meaning.duty {
            let task = task::open_task(
                session,
                id,
                &shipment.shop_domain,
                shipment.id,
                event.code,
                &meaning.event_type,
                duty,
            )?;
            recorded.task = Some(task);
        }
    }
    Ok(recorded)
}

/// Old news is not told as new, and of a shipment whose way has ended only the end itself. What would not be told anyway is not
/// withheld.
fn withheld<'a>(event: &Event<'_>, shipment: &'a Shipment, meaning: &Meaning) -> Option<&'a str> {
    if !meaning.tells_customer && meaning.duty.is_none() {
        return None;
    }
    let age = db::clock().saturating_sub(event.time);
    if config::courier_notice_max_age().is_some_and(|most| age > most) {
        return Some(TOO_OLD);
    }
    shipment.ended.as_deref().filter(|_| !meaning.is_end())
}

fn shipment(session: &Session, id: Id) -> Result<Shipment> {
    let found = find_shipment(session, id)?.first()?;
    found.ok_or_else(|| Error::NoSuch {
        name: "p_shipment_id",
        problem: format!("there is no shipment {} here", shown(id)),
        next: "Find it by its tracking number: SELECT id, tracking_no, created_at FROM raw_ops.shipments \
               WHERE tracking_no = '<number>';",
    })
}

/// What a code means; `None`: it is not in the mapping.
pub fn meaning(session: &Session, courier: &str, code: &str) -> Result<Option<Meaning>> {
    let found = find_mapping(session, courier, code)?.first()?;
    Ok(found.map(|row| Meaning {
        event_type: row.event_type,
        template: row.notification_template_id,
        tells_customer: row.requires_customer_notification == Some(true),
        priority: row.priority.unwrap_or_default(),
        customer_message: row.customer_message,
        duty: row
            .task_action
            .zip(row.task_within)
            .map(|(action, within)| Duty { action, within }),
    }))
}

/// Writes the notification; the trigger of `ops_events` queues it.
fn tell(
    session: &Session,
    event: &Event<'_>,
    courier: &str,
    shipment: &Shipment,
    meaning: &Meaning,
    courier_event: Id,
) -> Result<RecordedNotification> {
    let text = event.text.map(str::trim).filter(|text| !text.is_empty());
    let payload = json!({
        "email": shipment.email,
        "first_name": shipment.first_name,
        "notification_template_id": meaning.template,
        "event_type": meaning.event_type,
        "event_description": text.or(meaning.customer_message.as_deref()),
        "event_code": event.code,
        "event_time": db::timestamp_text(event.time),
        "priority": meaning.priority,
        "courier_name": courier,
        "courier_event_id": shown(courier_event),
        "order_name": shipment.order_name,
        "shipment": {
            "id": shown(shipment.id), "tracking_no": shipment.tracking_no, "tracking_url": shipment.tracking_url,
        },
    });
    let ops_event_id = ids::uuid_v7();
    let message = format!("{courier} {}: {}", event.code, meaning.event_type);
    insert_notification(
        session,
        ops_event_id,
        &shipment.shop_domain,
        shipment.id,
        &message,
        &payload,
    )?;
    let status = find_notification_status(session, ops_event_id)?.first()?;
    Ok(RecordedNotification {
        ops_event_id,
        status: status.flatten(),
        payload,
    })
}

/// What became of the event when it was reported before.
fn earlier(session: &Session, event: &Event<'_>, meaning: Option<&Meaning>) -> Result<Recorded> {
    let found = find_event(session, event.shipment, event.code, Timestamp(event.time))?.first()?;
    let found = found.map(|row| Recorded {
        courier_event_id: row.courier_event_id,
        shipment_id: event.shipment,
        code: event.code.to_owned(),
        event_type: row.event_type,
        tells_customer: row.requires_customer_notification == Some(true),
        withheld: row.withheld,
        template: meaning.and_then(|meaning| meaning.template.clone()),
        priority: meaning.map(|meaning| meaning.priority.clone()),
        notification: row.ops_event_id.map(|ops_event_id| RecordedNotification {
            ops_event_id,
            status: row.notification_status,
            payload: row.event_payload.unwrap_or_default(),
        }),
        task: row
            .task_id
            .zip(row.due_at)
            .map(|(id, due_at)| Task { id, due_at: due_at.0 }),
        is_duplicate: true,
    });
    // In a REPEATABLE READ transaction an event that somebody else has just recorded cannot be seen.
    found.ok_or(Error::Database {
        code: PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        message: "the same event is being recorded by another transaction; try again".into(),
    })
}

/// Why nobody is told, in a sentence.
fn reason(withheld: &str) -> String {
    match withheld {
        TOO_OLD => "the event is older than raw_ops.courier_notice_max_age: stored, nobody is told".into(),
        end => format!("the shipment was {end} already: stored, nobody is told"),
    }
}

impl Recorded {
    /// DLV's notification instructions. `notification` is what is sent, by the system itself; nobody else need do it.
    pub fn to_json(&self) -> Json {
        let notification = self.notification.as_ref();
        json!({
            "success": true,
            "outcome": if self.is_duplicate { "duplicate" } else { "recorded" },
            "duplicate": self.is_duplicate,
            "courier_event_id": shown(self.courier_event_id),
            "shipment_id": shown(self.shipment_id),
            "event_code": self.code,
            "event_type": self.event_type,
            "requires_customer_notification": self.tells_customer,
            "withheld": self.withheld,
            "reason": self.withheld.as_deref().map(reason),
            "notification_template_id": self.template,
            "priority": self.priority,
            "ops_event_id": notification.map(|notification| shown(notification.ops_event_id)),
            "notification_status": notification.and_then(|notification| notification.status.clone()),
            "notification": notification.map(|notification| notification.payload.clone()),
            "task": self.task.map(Task::to_json),
        })
    }
}
