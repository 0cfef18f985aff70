//! pg_net as the carrier. It is a lossy socket: its tables are emptied by a crash and its ids start again, answers
//! expire, its worker may be down. So our rows are the truth, and what it does not answer in time is tried again.
//! Source: PG_FINDINGS §3.

use super::builtin::shown;
use crate::db::{self, Rowset, Session, Statement, Value, ids};
use crate::error::Result;
use crate::outbox::claim::{destination_of, lost_of_row, purpose_of};
use crate::outbox::policy::{Response, retry_after};
use crate::outbox::receivers::PreparedRequest;
use crate::outbox::{Attempt, Request};
use pgrx::pg_sys;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

thread_local! {
    static POST: Statement = const { Statement::new(
        "select net.http_post(url := $1, body := $2::text::jsonb, headers := $3, timeout_milliseconds := $4)",
        &[pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID, pg_sys::INT4OID]) };
    static MARK_DISPATCHED: Statement = const { Statement::new(
        include_str!("../../../sql/outbox/mark_dispatched.sql"), &[pg_sys::UUIDOID]) };
    static BEGIN_EPOCH: Statement = const { Statement::new(
        "insert into raw_ops.pg_net_epoch (epoch) values ($1) on conflict (only_row) do nothing", &[pg_sys::UUIDOID]) };
    static EPOCH: Statement = const { Statement::new("select epoch from raw_ops.pg_net_epoch", &[]) };
    static COLLECT: Statement = const { Statement::new(
        include_str!("../../../sql/outbox/collect_pg_net.sql"), &[pg_sys::UUIDOID, pg_sys::INT8OID]) };
    static FORGET_LATE: Statement = const { Statement::new(
        include_str!("../../../sql/outbox/forget_late_answers.sql"), &[pg_sys::UUIDOID]) };
    static LAST_ID: Statement = const { Statement::new(
        "select case when is_called then last_value else 0 end from net.http_request_queue_id_seq", &[]) };
    static FORGOTTEN: Statement = const { Statement::new(
        include_str!("../../../sql/outbox/forgotten_by_pg_net.sql"), &[pg_sys::UUIDOID, pg_sys::INT8OID]) };
    static UNQUEUE: Statement = const { Statement::new(
        include_str!("../../../sql/outbox/unqueue_pg_net.sql"), &[pg_sys::UUIDARRAYOID]) };
    static IN_FLIGHT: Statement = const { Statement::new(
        "select count(*) from raw_ops.http_requests where state = 'sending' and carrier = 'pg_net'", &[]) };
}

/// Hands requests to pg_net, which sends them once this transaction is committed. When it takes none, all failed.
pub fn dispatch(session: &Session, requests: Vec<(Request, PreparedRequest)>) -> Result<Vec<Attempt>> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    match db::attempt(|| hand_over(session, &requests)) {
        Ok(()) => Ok(Vec::new()),
        Err(error) => {
            // What it complains about may be the URL.
            let failure = Response {
                detail: Some(error.to_string()),
                ..Response::failure(format!(
                    "pg_net took nothing (SQLSTATE {})",
                    error.sqlstate_text()
                ))
            };
            let failed = |(request, ready): (Request, PreparedRequest)| {
                Attempt::of(&request, failure.clone(), Some(ready.public_url))
            };
            Ok(requests.into_iter().map(failed).collect())
        }
    }
}

fn hand_over(session: &Session, requests: &[(Request, PreparedRequest)]) -> Result<()> {
    let mut rows = Rowset::new(
        c"dispatched",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"carrier_ref", pg_sys::INT8OID),
            (c"public_url", pg_sys::TEXTOID),
        ],
    );
    for (request, ready) in requests {
        let headers: Map<String, Json> = ready
            .headers
            .iter()
            // pg_net has its own; a second would go out beside it.
            .filter(|(name, _)| *name != hyper::header::USER_AGENT)
            .map(|(name, value)| {
                let shown = if name == hyper::header::CONTENT_TYPE {
                    "Content-Type"
                } else {
                    name.as_str()
                };
                (shown.to_owned(), String::from_utf8_lossy(value.as_bytes()).into())
            })
            .collect();
        let (url, headers) = (ready.uri.to_string(), Json::Object(headers));
        let values = vec![
            Value::Text(&url),
            Value::Text(&request.body),
            Value::Json(&headers),
            Value::Int4(request.timeout_ms),
        ];
        let id = session.execute(&POST, values)?.first(|row| row.int8(1)).flatten();
        rows.uuid(request.id).int8(id);
        rows.text(Some(&ready.public_url)).end_row();
    }
    rows.register(session)?;
    session.execute(&MARK_DISPATCHED, vec![Value::Uuid(epoch(session)?)])?;
    Ok(())
}

/// Stays the same until a crash of the server empties pg_net's tables.
fn epoch(session: &Session) -> Result<[u8; 16]> {
    session.execute(&BEGIN_EPOCH, vec![Value::Uuid(ids::uuid_v7())])?;
    let epoch = session
        .execute(&EPOCH, vec![])?
        .first(|row| row.uuid(1))
        .flatten();
    Ok(epoch.unwrap_or_default())
}

/// What has come back, and what never will, because pg_net has forgotten it. It keeps nothing of what came.
pub fn collect(session: &Session) -> Result<Vec<Attempt>> {
    let epoch = epoch(session)?;
    session.execute(&FORGET_LATE, vec![Value::Uuid(epoch)])?;
    if in_flight(session)? == 0 {
        return Ok(Vec::new());
    }
    let last_id = session
        .execute(&LAST_ID, vec![])?
        .first(|row| row.int8(1))
        .flatten();
    let known = || vec![Value::Uuid(epoch), Value::Int8(last_id.unwrap_or(i64::MAX))];
    let forgotten = session.execute(&FORGOTTEN, known())?.map(lost_of_row);
    // An answer under the id of a forgotten request is somebody else's, and stays.
    let came = session.execute(&COLLECT, known())?.map(attempt_of_row);
    Ok(came.into_iter().chain(forgotten).collect())
}

/// How many requests it has not answered yet.
pub fn in_flight(session: &Session) -> Result<i64> {
    Ok(session
        .execute(&IN_FLIGHT, vec![])?
        .first(|row| row.int8(1))
        .flatten()
        .unwrap_or(0))
}

/// Of attempts whose lease has run out, those that are given up: what pg_net has not begun is taken back, so that it is not
/// sent late as well. What it has in hand is waited for; that ends with its batch, or with its worker.
pub fn take_back(session: &Session, mut unanswered: Vec<Attempt>) -> Result<Vec<Attempt>> {
    if unanswered.is_empty() {
        return Ok(unanswered);
    }
    let ids = unanswered.iter().map(|one| one.id).collect();
    let in_hand: HashSet<[u8; 16]> = session
        .execute(&UNQUEUE, vec![Value::UuidArray(ids)])?
        .map(|row| row.uuid(1).unwrap_or_default())
        .into_iter()
        .collect();
    unanswered.retain(|one| !in_hand.contains(&one.id));
    for one in &mut unanswered {
        one.response = Response::failure(
            "pg_net gave no answer in time; is its worker up? SELECT net.check_worker_is_up();",
        );
    }
    Ok(unanswered)
}

fn attempt_of_row(row: crate::db::statement::Row) -> Attempt {
    let status = row.int4(5);
    let body = row
        .text_bytes(7)
        .map(|body| shown(&body))
        .filter(|body| !body.is_empty());
    // Receivers' headers need not be valid text.
    let asked = row.text_bytes(6).map(|value| shown(&value));
    let timeout = row.int4(11).unwrap_or_default();
    let reason = row.text(9).filter(|_| status.is_none());
    let error = match (status, row.boolean(8)) {
        (Some(_), _) => None,
        (None, Some(true)) => Some(format!("no answer within {timeout} ms")),
        (None, _) => Some(match reason.as_deref().and_then(in_words) {
            Some(words) => format!("no response: {words}"),
            None => "no response, as pg_net says".into(),
        }),
    };
    Attempt {
        id: row.uuid(1).unwrap_or_default(),
        purpose: purpose_of(&row, 2),
        destination: destination_of(&row, 3),
        attempt: row.int4(4).unwrap_or(1),
        public_url: None,
        response: Response {
            status,
            retry_after: asked.and_then(|value| retry_after(&value, db::clock())),
            latency_ms: row.int4(10).map(|latency| latency.max(0)),
            body,
            error,
            detail: reason,
            ..Response::default()
        },
    }
}

/// What libcurl is known to say, in its older and newer words, and what that means.
const REASONS: &[(&str, &str)] = &[
    ("Couldn't resolve host name", "the host's name does not resolve"),
    ("Could not resolve hostname", "the host's name does not resolve"),
    ("Couldn't connect to server", "no connection to the host"),
    ("Could not connect to server", "no connection to the host"),
    ("Timeout was reached", "no sign of the host within its time"),
    ("SSL connect error", "TLS: no secure connection"),
    (
        "SSL peer certificate or SSH remote key was not OK",
        "TLS: its certificate is not valid",
    ),
    (
        "Server returned nothing (no headers, no data)",
        "the connection was closed before the answer",
    ),
    (
        "Transferred a partial file",
        "the connection was closed before the answer was whole",
    ),
    (
        "Failed sending data to the peer",
        "the other side broke the connection off",
    ),
    (
        "Failure when receiving data from the peer",
        "the other side broke the connection off",
    ),
    ("Number of redirects hit maximum amount", "too many redirects"),
    (
        "URL using bad/illegal format or missing URL",
        "the URL is not one",
    ),
    ("Unsupported protocol", "neither http nor https"),
    ("Weird server reply", "what answers does not speak HTTP"),
];

/// What pg_net's reason means; `None` unless it is one of those, whole.
fn in_words(reason: &str) -> Option<&'static str> {
    let known = REASONS.iter().find(|(said, _)| *said == reason);
    known.map(|(_, meaning)| *meaning)
}
