//! The outbox: a row is written with the change that causes it, and sent once that is committed. One row an attempt.

use super::policy::{Kind, Response, Verdict, verdict};
use super::redaction;
use crate::db::{Rowset, Session, Statement, Value, ids};
use crate::error::Result;
use crate::schedule::{self, Purpose, Schedule};
use pgrx::pg_sys;
use serde_json::Value as Json;
use std::collections::HashMap;

/// Requests in flight to one host at a time.
pub const LANE_WIDTH: usize = 8;

/// Requests in flight in one lane: Slack wants one message a second, so one at a time.
pub fn lane_width(lane: &str) -> usize {
    if lane.starts_with("slack_url_") {
        1
    } else {
        LANE_WIDTH
    }
}

/// A message to send.
pub struct NewRequest<'a> {
    pub purpose: Purpose,
    /// The row it is about, in the table its purpose names.
    pub subject: [u8; 16],
    pub destination: &'a str,
    /// For endpoints.
    pub url: Option<&'a str>,
    /// For Customer.io.
    pub path: Option<&'a str>,
    pub headers: Json,
    pub body: &'a Json,
    /// The same for every attempt.
    pub idempotency_key: &'a str,
    /// Which attempt this is: the schedule counts from here. 1 is the first.
    pub attempt: i32,
    pub timeout_ms: i32,
}

/// An attempt under way.
pub struct Request {
    pub id: [u8; 16],
    pub purpose: Option<Purpose>,
    pub subject: [u8; 16],
    pub destination: String,
    pub lane: String,
    pub attempt: i32,
    pub idempotency_key: String,
    pub url: Option<String>,
    pub path: Option<String>,
    pub headers: Json,
    /// Exactly these bytes are sent.
    pub body: String,
    pub timeout_ms: i32,
}

/// An attempt and what came back.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: [u8; 16],
    pub purpose: Option<Purpose>,
    pub destination: String,
    pub attempt: i32,
    pub response: Response,
    /// Where it went, without secrets.
    pub public_url: Option<String>,
}

impl Attempt {
    pub fn of(request: &Request, response: Response, public_url: Option<String>) -> Self {
        Self {
            id: request.id,
            purpose: request.purpose,
            destination: request.destination.clone(),
            attempt: request.attempt,
            response,
            public_url,
        }
    }
}

/// What an attempt that was recorded means for the part that asked for it.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub purpose: Option<Purpose>,
    pub subject: [u8; 16],
    pub destination: String,
    pub attempt: i32,
    pub state: State,
    pub error: Option<String>,
    /// When the next attempt is due, if one follows; microseconds since 2000.
    pub next_at: Option<i64>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Succeeded,
    /// Another attempt follows.
    Failed,
    /// None follows.
    Abandoned,
}

thread_local! {
    static ENQUEUE: Statement = const { Statement::new(include_str!("../../sql/outbox/enqueue.sql"), &[]) };
    static FIND_DUE: Statement = const { Statement::new(
        include_str!("../../sql/outbox/find_due.sql"), &[pg_sys::INT8OID, pg_sys::TEXTARRAYOID]) };
    static MARK_SENDING: Statement = const { Statement::new(
        include_str!("../../sql/outbox/mark_sending.sql"), &[pg_sys::UUIDARRAYOID, pg_sys::TEXTOID]) };
    static RECORD: Statement = const { Statement::new(include_str!("../../sql/outbox/record.sql"), &[]) };
    static FIND_LOST: Statement = const { Statement::new(
        include_str!("../../sql/outbox/find_lost.sql"), &[pg_sys::BOOLOID]) };
    static CANCEL: Statement = const { Statement::new(
        include_str!("../../sql/outbox/cancel.sql"), &[pg_sys::UUIDOID, pg_sys::TEXTOID]) };
    static DISCARD: Statement = const { Statement::new(
        "update raw_ops.http_requests
            set state = 'abandoned', lease_until = null, completed_at = clock_timestamp(), error = $1
          where state in ('queued', 'sending') returning purpose, subject_id", &[pg_sys::TEXTOID]) };
    static WAITING: Statement = const { Statement::new(
        "select count(*) from raw_ops.http_requests where state in ('queued', 'sending')", &[]) };
    static NEXT_DUE: Statement = const { Statement::new(
        "select least((select min(send_after) from raw_ops.http_requests where state = 'queued'),
                      (select min(lease_until) from raw_ops.http_requests where state = 'sending'))", &[]) };
}

/// Queues requests; sent after the commit of the current transaction, not at all if it rolls back.
pub fn enqueue_requests(session: &Session, requests: &[NewRequest<'_>]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut rows = Rowset::new(
        c"requests",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"purpose", pg_sys::TEXTOID),
            (c"subject_id", pg_sys::UUIDOID),
            (c"destination", pg_sys::TEXTOID),
            (c"url", pg_sys::TEXTOID),
            (c"path", pg_sys::TEXTOID),
            (c"headers", pg_sys::JSONBOID),
            (c"body", pg_sys::JSONBOID),
            (c"idempotency_key", pg_sys::TEXTOID),
            (c"attempt", pg_sys::INT4OID),
            (c"timeout_ms", pg_sys::INT4OID),
        ],
    );
    for request in requests {
        rows.uuid(ids::uuid_v7()).text(Some(request.purpose.as_str()));
        rows.uuid(request.subject).text(Some(request.destination));
        rows.text(request.url).text(request.path);
        rows.json(&request.headers).json(request.body);
        rows.text(Some(request.idempotency_key))
            .int4(Some(request.attempt))
            .int4(Some(request.timeout_ms))
            .end_row();
    }
    rows.register(session)?;
    session.execute(&ENQUEUE, vec![])?;
    Ok(())
}

/// Takes queued requests that are due, as many as `room` says for each lane and `limit` in all.
pub fn claim_requests(
    session: &Session,
    limit: usize,
    room: &dyn Fn(&str) -> usize,
    full_lanes: &[String],
    carrier: &str,
) -> Result<Vec<Request>> {
    /// Looked at beyond the limit, so that one busy lane does not hide the others.
    const LOOK_AHEAD: usize = 4;
    let full: Vec<&str> = full_lanes.iter().map(String::as_str).collect();
    let looked_at = Value::Int8((limit * LOOK_AHEAD) as i64);
    let due = session.execute(&FIND_DUE, vec![looked_at, Value::TextArray(full)])?;
    let due = due.map(|row| (row.uuid(1).unwrap_or_default(), row.text(2).unwrap_or_default()));
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut chosen = Vec::new();
    for (id, lane) in due {
        let room = room(&lane);
        let taken = taken.entry(lane).or_default();
        if *taken < room && chosen.len() < limit {
            *taken += 1;
            chosen.push(id);
        }
    }
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let values = vec![Value::UuidArray(chosen), Value::Text(carrier)];
    Ok(session.execute(&MARK_SENDING, values)?.map(request_of_row))
}

/// Attempts of a sender that has died; `of_builtin` also those whose lease still runs.
pub fn find_lost_attempts(session: &Session, of_builtin: bool) -> Result<Vec<Attempt>> {
    let rows = session.execute(&FIND_LOST, vec![Value::Boolean(of_builtin)])?;
    let lost = rows.map(request_of_row);
    Ok(lost
        .iter()
        .map(|request| Attempt::of(request, Response::lost(), None))
        .collect())
}

pub(super) fn request_of_row(row: crate::db::statement::Row) -> Request {
    Request {
        id: row.uuid(1).unwrap_or_default(),
        purpose: row.text(2).and_then(|name| Purpose::of_request(&name)),
        destination: row.text(3).unwrap_or_default(),
        lane: row.text(4).unwrap_or_default(),
        attempt: row.int4(5).unwrap_or(1),
        idempotency_key: row.text(6).unwrap_or_default(),
        url: row.text(7),
        path: row.text(8),
        headers: row.json(9).unwrap_or_default(),
        body: row.text(10).unwrap_or_default(),
        timeout_ms: row.int4(11).unwrap_or(10_000),
        subject: row.uuid(12).unwrap_or_default(),
    }
}

/// Writes down what became of attempts, and queues the ones that follow. Returns what the parts that asked must know.
pub fn record_attempts(session: &Session, attempts: Vec<Attempt>) -> Result<Vec<Outcome>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let mut schedules: HashMap<Purpose, Schedule> = HashMap::new();
    let mut rows = Rowset::new(
        c"attempts",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"state", pg_sys::TEXTOID),
            (c"status_code", pg_sys::INT4OID),
            (c"latency_ms", pg_sys::INT4OID),
            (c"error", pg_sys::TEXTOID),
            (c"response_body", pg_sys::TEXTOID),
            (c"public_url", pg_sys::TEXTOID),
            (c"next_id", pg_sys::UUIDOID),
            (c"wait_us", pg_sys::INT8OID),
        ],
    );
    for one in &attempts {
        let purpose = one.purpose.unwrap_or(Purpose::Outbound);
        let schedule = match schedules.entry(purpose) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                unknown.insert(schedule::of_purpose(session, purpose)?)
            }
        };
        let response = &one.response;
        let (state, wait) = match verdict(
            response,
            Kind::of_destination(&one.destination),
            one.attempt,
            schedule,
        ) {
            Verdict::Succeeded => ("succeeded", None),
            Verdict::Failed(wait) => ("failed", Some(wait)),
            Verdict::Abandoned => ("abandoned", None),
        };
        rows.uuid(one.id)
            .text(Some(state))
            .int4(response.status)
            .int4(response.latency_ms);
        let redacted = redaction::redact(&one.destination, response);
        rows.text(redacted.error.as_deref())
            .text(redacted.body.as_deref());
        rows.text(one.public_url.as_deref().filter(|url| !url.is_empty()));
        rows.uuid(ids::uuid_v7()).int8(wait).end_row();
    }
    rows.register(session)?;
    Ok(session.execute(&RECORD, vec![])?.map(outcome_of_row))
}

fn outcome_of_row(row: crate::db::statement::Row) -> Outcome {
    let state = match row.text(6).as_deref() {
        Some("succeeded") => State::Succeeded,
        Some("failed") => State::Failed,
        _ => State::Abandoned,
    };
    Outcome {
        purpose: row.text(2).and_then(|name| Purpose::of_request(&name)),
        subject: row.uuid(3).unwrap_or_default(),
        destination: row.text(4).unwrap_or_default(),
        attempt: row.int4(5).unwrap_or(1),
        state,
        error: row.text(7),
        next_at: row.timestamp(8).filter(|_| state == State::Failed),
    }
}

/// Takes back attempts that are queued and no longer needed.
pub fn cancel_requests(session: &Session, subject: [u8; 16], why: &str) -> Result<()> {
    session.execute(&CANCEL, vec![Value::Uuid(subject), Value::Text(why)])?;
    Ok(())
}

/// Takes back everything that is queued or believed to be under way. Returns whose it was.
pub fn discard_requests(session: &Session, why: &str) -> Result<Vec<(Option<Purpose>, [u8; 16])>> {
    let discarded = session.execute(&DISCARD, vec![Value::Text(why)])?;
    Ok(discarded.map(|row| {
        let purpose = row.text(1).and_then(|name| Purpose::of_request(&name));
        (purpose, row.uuid(2).unwrap_or_default())
    }))
}

/// How many requests are queued or under way.
pub fn count_waiting_requests(session: &Session) -> Result<i64> {
    let count = session.execute(&WAITING, vec![])?.first(|row| row.int8(1));
    Ok(count.flatten().unwrap_or(0))
}

/// When there will be something to do: the next queued request is due or a lease runs out. Microseconds since 2000.
pub fn next_due_request(session: &Session) -> Result<Option<i64>> {
    Ok(session
        .execute(&NEXT_DUE, vec![])?
        .first(|row| row.timestamp(1))
        .flatten())
}
