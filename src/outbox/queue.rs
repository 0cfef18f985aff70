//! What others do to the queue: the only writers of requests that no sender has in hand. Every function takes a whole set.

use super::request::{Id, NewRequest};
use crate::db::{Session, TypedRowset, ids, result_row, rowset_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::schedule::Purpose;
use serde_json::Value as Json;
use std::collections::HashMap;

statements! {
    execute insert_requests() with (requests: RequestRow<'static>) = file "outbox/enqueue.sql";
    execute cancel_queued(why: &str) with (unwanted: UnwantedRow) = file "outbox/cancel.sql";
    execute set_due() with (due: DueRow) = file "outbox/reschedule.sql";
    execute find_standing(subjects: Vec<Id>) -> StandingRow = file "outbox/in_flight.sql";
    execute discard_all(why: &str) -> DiscardedRow = text
        "update raw_ops.http_requests
            set state = 'abandoned', lease_until = null, completed_at = clock_timestamp(), error = $1
          where state in ('queued', 'sending') returning purpose, subject_id";
    execute count_waiting() -> i64 = text
        "select count(*) from raw_ops.http_requests where state in ('queued', 'sending')";
    execute find_next_due() -> Option<Timestamp> = text
        "select least((select min(send_after) from raw_ops.http_requests where state = 'queued'),
                      (select min(lease_until) from raw_ops.http_requests where state = 'sending'))";
    execute delete_old(most: i64) -> i64 = file "outbox/trim.sql";
    execute delete_unused_bodies(most: i64) = file "outbox/trim_bodies.sql";
}

rowset_row! {
    struct RequestRow<'a> {
        id: Id,
        purpose: &'static str,
        subject_id: Id,
        shop_domain: &'a str,
        destination: &'static str,
        url: Option<&'a str>,
        path: Option<&'a str>,
        headers: &'a Json,
        body: Option<&'a Json>,
        body_id: Option<Id>,
        idempotency_key: &'a str,
        attempt: i32,
        timeout_ms: i32,
    }
}

rowset_row! {
    struct UnwantedRow {
        subject_id: Id,
        kept_attempt: Option<i32>,
    }
}

rowset_row! {
    struct DueRow {
        subject_id: Id,
        due_at: Option<Timestamp>,
    }
}

result_row! {
    struct StandingRow {
        subject_id: Id,
        last_id: Id,
        is_in_flight: bool,
    }
}

result_row! {
    struct DiscardedRow {
        purpose: String,
        subject_id: Id,
    }
}

/// Queues requests; sent after the commit of the current transaction, not at all if it rolls back. Of those whose key,
/// destination and attempt are there already nothing is queued: the same cause asks once.
pub fn enqueue_requests(session: &Session, requests: &[NewRequest<'_>]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let mut rows = TypedRowset::new(session);
    for (request, (body, body_id)) in requests.iter().zip(stored_bodies(requests)) {
        rows.push(RequestRow {
            id: ids::uuid_v7(),
            purpose: request.purpose.as_str(),
            subject_id: request.subject,
            shop_domain: request.shop,
            destination: request.destination.as_str(),
            url: request.url,
            path: request.path,
            headers: &request.headers,
            body,
            body_id,
            idempotency_key: request.idempotency_key,
            attempt: request.attempt,
            timeout_ms: request.timeout_ms,
        })?;
    }
    insert_requests(session, &mut rows)?;
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
    let mut rows = TypedRowset::new(session);
    for (subject_id, kept_attempt) in subjects {
        rows.push(UnwantedRow {
            subject_id,
            kept_attempt,
        })?;
    }
    if !rows.is_empty() {
        cancel_queued(session, why, &mut rows)?;
    }
    Ok(())
}

/// Sets when the queued request of each subject is due: microseconds since 2000; `None` or the past: now. One that a sender
/// holds is on its way.
pub fn reschedule_requests(session: &Session, due: &[(Id, Option<i64>)]) -> Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let mut rows = TypedRowset::new(session);
    for &(subject_id, due_at) in due {
        rows.push(DueRow {
            subject_id,
            due_at: due_at.map(Timestamp),
        })?;
    }
    set_due(session, &mut rows)?;
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
    let standing = find_standing(session, subjects.to_vec())?.map(|row| {
        let standing = Standing {
            last: row.last_id,
            is_in_flight: row.is_in_flight,
        };
        (row.subject_id, standing)
    })?;
    Ok(standing.into_iter().collect())
}

/// Takes back everything that is queued or believed to be under way, waiting for who holds it. Returns whose it was.
pub fn discard_requests(session: &Session, why: &str) -> Result<Vec<(Option<Purpose>, Id)>> {
    discard_all(session, why)?.map(|row| (Purpose::of_request(&row.purpose), row.subject_id))
}

/// Deletes requests that have ended and are older than `log_retention` says, `limit` at most; they stay counted. Bodies that
/// no request is left for go with them. Returns how many requests went.
pub fn trim_requests(session: &Session, limit: i64) -> Result<i64> {
    let trimmed = delete_old(session, limit)?.first()?;
    delete_unused_bodies(session, limit)?;
    Ok(trimmed.unwrap_or(0))
}

/// How many requests are queued or under way.
pub fn count_waiting_requests(session: &Session) -> Result<i64> {
    Ok(count_waiting(session)?.first()?.unwrap_or(0))
}

/// When there will be something to do: the next queued request is due or a lease runs out. Microseconds since 2000.
pub fn next_due_request(session: &Session) -> Result<Option<i64>> {
    Ok(find_next_due(session)?.first()?.flatten().map(|due| due.0))
}
