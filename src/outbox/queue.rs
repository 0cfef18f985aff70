//! What others do to the queue: the only writers of requests that no sender has in hand. Every function takes a whole set.

use super::request::{Id, NewRequest};
use crate::db::{Rowset, Session, Statement, Value, ids};
use crate::error::Result;
use crate::schedule::Purpose;
use pgrx::pg_sys;
use serde_json::Value as Json;
use std::collections::HashMap;

thread_local! {
    static ENQUEUE: Statement = const { Statement::new(include_str!("../../sql/outbox/enqueue.sql"), &[]) };
    static CANCEL: Statement = const { Statement::new(
        include_str!("../../sql/outbox/cancel.sql"), &[pg_sys::TEXTOID]) };
    static RESCHEDULE: Statement = const { Statement::new(include_str!("../../sql/outbox/reschedule.sql"), &[]) };
    static IN_FLIGHT: Statement = const { Statement::new(
        include_str!("../../sql/outbox/in_flight.sql"), &[pg_sys::UUIDARRAYOID]) };
    static DISCARD: Statement = const { Statement::new(
        "update raw_ops.http_requests
            set state = 'abandoned', lease_until = null, completed_at = clock_timestamp(), error = $1
          where state in ('queued', 'sending') returning purpose, subject_id", &[pg_sys::TEXTOID]) };
    static WAITING: Statement = const { Statement::new(
        "select count(*) from raw_ops.http_requests where state in ('queued', 'sending')", &[]) };
    static NEXT_DUE: Statement = const { Statement::new(
        "select least((select min(send_after) from raw_ops.http_requests where state = 'queued'),
                      (select min(lease_until) from raw_ops.http_requests where state = 'sending'))", &[]) };
    static TRIM: Statement = const { Statement::new(
        include_str!("../../sql/outbox/trim.sql"), &[pg_sys::INT8OID]) };
    static TRIM_BODIES: Statement = const { Statement::new(
        include_str!("../../sql/outbox/trim_bodies.sql"), &[pg_sys::INT8OID]) };
}

/// Queues requests; sent after the commit of the current transaction, not at all if it rolls back. Of those whose key,
/// destination and attempt are there already nothing is queued: the same cause asks once.
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
            (c"body_id", pg_sys::UUIDOID),
            (c"idempotency_key", pg_sys::TEXTOID),
            (c"attempt", pg_sys::INT4OID),
            (c"timeout_ms", pg_sys::INT4OID),
        ],
    );
    for (request, (body, body_id)) in requests.iter().zip(stored_bodies(requests)) {
        rows.uuid(ids::uuid_v7()).text(Some(request.purpose.as_str()));
        rows.uuid(request.subject)
            .text(Some(request.destination.as_str()));
        rows.text(request.url).text(request.path);
        rows.json(&request.headers)
            .optional_json(body)
            .optional_uuid(body_id);
        rows.text(Some(request.idempotency_key))
            .int4(Some(request.attempt))
            .int4(Some(request.timeout_ms))
            .end_row();
    }
    rows.register(session)?;
    session.execute(&ENQUEUE, vec![])?;
    Ok(())
}

/// The body that is stored for each request, and the id it is shared under. Of requests with one and the same body (not an
/// equal one) the first brings it along, and all have its id.
fn stored_bodies<'a>(requests: &[NewRequest<'a>]) -> Vec<(Option<&'a Json>, Option<Id>)> {
    let address = |request: &NewRequest<'_>| std::ptr::from_ref(request.body);
    let mut times: HashMap<*const Json, usize> = HashMap::new();
    for request in requests {
        *times.entry(address(request)).or_default() += 1;
    }
    let mut shared: HashMap<*const Json, Id> = HashMap::new();
    let stored = |request: &NewRequest<'a>| match shared.get(&address(request)) {
        Some(id) => (None, Some(*id)),
        None if times[&address(request)] == 1 => (Some(request.body), None),
        None => {
            let id = ids::uuid_v7();
            shared.insert(address(request), id);
            (Some(request.body), Some(id))
        }
    };
    requests.iter().map(stored).collect()
}

/// Takes back what is queued about these subjects. What a sender holds at this moment is as good as sent: it is neither
/// waited for nor taken back.
pub fn cancel_requests(session: &Session, subjects: &[Id], why: &str) -> Result<()> {
    cancel(session, subjects.iter().map(|subject| (*subject, None)), why)
}

/// The same, except for the attempt named beside each subject: that one may stay queued.
pub fn cancel_other_attempts(session: &Session, kept: &[(Id, i32)], why: &str) -> Result<()> {
    let kept = kept.iter().map(|(subject, attempt)| (*subject, Some(*attempt)));
    cancel(session, kept, why)
}

fn cancel(session: &Session, subjects: impl Iterator<Item = (Id, Option<i32>)>, why: &str) -> Result<()> {
    let mut rows = Rowset::new(
        c"unwanted",
        &[
            (c"subject_id", pg_sys::UUIDOID),
            (c"kept_attempt", pg_sys::INT4OID),
        ],
    );
    for (subject, kept) in subjects {
        rows.uuid(subject).int4(kept).end_row();
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.register(session)?;
    session.execute(&CANCEL, vec![Value::Text(why)])?;
    Ok(())
}

/// Sets when the queued request of each subject is due: microseconds since 2000; `None` or the past: now. One that a sender
/// holds is on its way.
pub fn reschedule_requests(session: &Session, due: &[(Id, Option<i64>)]) -> Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let mut rows = Rowset::new(
        c"due",
        &[
            (c"subject_id", pg_sys::UUIDOID),
            (c"due_at", pg_sys::TIMESTAMPTZOID),
        ],
    );
    for (subject, due_at) in due {
        rows.uuid(*subject).timestamp(*due_at).end_row();
    }
    rows.register(session)?;
    session.execute(&RESCHEDULE, vec![])?;
    Ok(())
}

/// What the outbox holds about a subject.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The request that was queued last.
    pub last: Id,
    /// Whether one is queued or being sent.
    pub is_in_flight: bool,
}

/// Which of these subjects have requests, and whether one is in flight. A subject without any is not in the answer.
pub fn requests_in_flight(session: &Session, subjects: &[Id]) -> Result<HashMap<Id, Standing>> {
    let rows = session.execute(&IN_FLIGHT, vec![Value::UuidArray(subjects.to_vec())])?;
    let standing = rows.map(|row| {
        let standing = Standing {
            last: row.uuid(2).unwrap_or_default(),
            is_in_flight: row.boolean(3).unwrap_or(false),
        };
        (row.uuid(1).unwrap_or_default(), standing)
    });
    Ok(standing.into_iter().collect())
}

/// Takes back everything that is queued or believed to be under way, waiting for who holds it. Returns whose it was.
pub fn discard_requests(session: &Session, why: &str) -> Result<Vec<(Option<Purpose>, Id)>> {
    let discarded = session.execute(&DISCARD, vec![Value::Text(why)])?;
    Ok(discarded.map(|row| {
        let purpose = row.text(1).and_then(|name| Purpose::of_request(&name));
        (purpose, row.uuid(2).unwrap_or_default())
    }))
}

/// Deletes requests that have ended and are older than `log_retention` says, `limit` at most; they stay counted. Bodies that
/// no request is left for go with them. Returns how many requests went.
pub fn trim_requests(session: &Session, limit: i64) -> Result<i64> {
    let trimmed = session.execute(&TRIM, vec![Value::Int8(limit)])?;
    let trimmed = trimmed.first(|row| row.int8(1)).flatten();
    session.execute(&TRIM_BODIES, vec![Value::Int8(limit)])?;
    Ok(trimmed.unwrap_or(0))
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
