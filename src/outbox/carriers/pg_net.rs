//! pg_net as the carrier. It is a lossy socket: its tables are emptied by a crash and its ids start again, answers
//! expire, its worker may be down. So our rows are the truth, and what it does not answer in time is tried again.
//! Source: PG_FINDINGS §3.

use super::builtin::shown;
use crate::db::{self, Session, TextBytes, TypedRowset, ids, result_row, rowset_row, statements};
use crate::error::{Error, Result};
use crate::outbox::PreparedRequest;
use crate::outbox::claim::LostRow;
use crate::outbox::policy::{Response, retry_after};
use crate::outbox::{Attempt, Destination, Id, Request};
use crate::schedule::Purpose;
use hyper::header::{CONTENT_TYPE, HeaderMap, USER_AGENT};
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

statements! {
    execute hand_over_all(epoch: Id) with (ready: ReadyRow<'static>) = file "outbox/hand_to_pg_net.sql";
    execute begin_epoch(new: Id) = text
        "insert into raw_ops.pg_net_epoch (epoch) values ($1) on conflict (only_row) do nothing";
    execute find_epoch() -> Id = text "select epoch from raw_ops.pg_net_epoch";
    execute collect_answers(epoch: Id, last_id: i64) -> AnswerRow = file "outbox/collect_pg_net.sql";
    execute forget_late_answers(epoch: Id) = file "outbox/forget_late_answers.sql";
    execute find_last_id() -> i64 = text
        "select case when is_called then last_value else 0 end from net.http_request_queue_id_seq";
    execute find_forgotten(epoch: Id, last_id: i64) -> LostRow = file "outbox/forgotten_by_pg_net.sql";
    execute unqueue(ids: Vec<Id>) -> Id = file "outbox/unqueue_pg_net.sql";
    execute count_in_flight() -> i64 = text
        "select count(*) from raw_ops.http_requests where state = 'sending' and carrier = 'pg_net'";
}

rowset_row! {
    struct ReadyRow<'a> {
        id: Id,
        url: &'a str,
        public_url: &'a str,
        headers: Json,
        body: &'a str,
        timeout_ms: i32,
    }
}

result_row! {
    struct AnswerRow {
        id: Id,
        purpose: String,
        destination: String,
        attempt: i32,
        status_code: Option<i32>,
        retry_after: Option<TextBytes>,
        content: Option<TextBytes>,
        timed_out: Option<bool>,
        error_msg: Option<String>,
        latency_ms: Option<i32>,
        timeout_ms: i32,
    }
}

/// Hands requests to pg_net, which sends them once this transaction is committed. Returns those that it does not take.
pub fn dispatch(session: &Session, requests: &[(Request, PreparedRequest)]) -> Result<Vec<Attempt>> {
    match requests {
        [] => Ok(Vec::new()),
        some => Ok(hand_over(session, epoch(session)?, some)),
    }
}

/// pg_net raises an error for a URL that its library cannot read: the set is halved until that one is alone, so that it harms
/// no neighbour.
fn hand_over(session: &Session, epoch: Id, requests: &[(Request, PreparedRequest)]) -> Vec<Attempt> {
    match (
        db::attempt(|| hand_over_together(session, epoch, requests)),
        requests,
    ) {
        (Ok(()), _) => Vec::new(),
        (Err(error), [one]) => vec![not_taken(one, &error)],
        (Err(_), several) => {
            let (first, second) = several.split_at(several.len() / 2);
            let mut refused = hand_over(session, epoch, first);
            refused.append(&mut hand_over(session, epoch, second));
            refused
        }
    }
}

fn not_taken((request, ready): &(Request, PreparedRequest), error: &Error) -> Attempt {
    let response = Response {
        // What it complains about may be the URL.
        detail: Some(error.to_string()),
        ..Response::failure(format!(
            "pg_net did not take it (SQLSTATE {})",
            error.sqlstate_text()
        ))
    };
    Attempt::of(request, response, Some(ready.public_url.clone()))
}

fn hand_over_together(session: &Session, epoch: Id, requests: &[(Request, PreparedRequest)]) -> Result<()> {
    let mut rows = TypedRowset::new(session);
    for (request, ready) in requests {
        rows.push(ReadyRow {
            id: request.id,
            url: &ready.uri.to_string(),
            public_url: &ready.public_url,
            headers: headers(&ready.headers),
            body: &request.body,
            timeout_ms: request.timeout_ms,
        })?;
    }
    hand_over_all(session, epoch, &mut rows)?;
    Ok(())
}

/// As pg_net wants them: with a `Content-Type` that is spelled so, and without what it adds itself.
fn headers(headers: &HeaderMap) -> Json {
    let shown = headers
        .iter()
        .filter(|(name, _)| *name != USER_AGENT)
        .map(|(name, value)| {
            let name = match name {
                name if name == CONTENT_TYPE => "Content-Type",
                name => name.as_str(),
            };
            (name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into())
        });
    Json::Object(shown.collect::<Map<String, Json>>())
}

/// Stays the same until a crash of the server empties pg_net's tables.
fn epoch(session: &Session) -> Result<Id> {
    begin_epoch(session, ids::uuid_v7())?;
    Ok(find_epoch(session)?.first()?.unwrap_or_default())
}

/// What has come back, and what never will, because pg_net has forgotten it. It keeps nothing of what came.
pub fn collect(session: &Session) -> Result<Vec<Attempt>> {
    let epoch = epoch(session)?;
    forget_late_answers(session, epoch)?;
    if in_flight(session)? == 0 {
        return Ok(Vec::new());
    }
    let last_id = find_last_id(session)?.first()?.unwrap_or(i64::MAX);
    let forgotten = find_forgotten(session, epoch, last_id)?.map(Attempt::from)?;
    // An answer under the id of a forgotten request is somebody else's, and stays.
    let came = collect_answers(session, epoch, last_id)?.map(Attempt::from)?;
    Ok(came.into_iter().chain(forgotten).collect())
}

/// How many requests it has not answered yet.
pub fn in_flight(session: &Session) -> Result<i64> {
    Ok(count_in_flight(session)?.first()?.unwrap_or(0))
}

/// Of attempts whose lease has run out, those that are given up: what pg_net has not begun is taken back, so that it is not
/// sent late as well. What it has in hand is waited for; that ends with its batch, or with its worker.
pub fn take_back(session: &Session, mut unanswered: Vec<Attempt>) -> Result<Vec<Attempt>> {
    if unanswered.is_empty() {
        return Ok(unanswered);
    }
    let ids = unanswered.iter().map(|one| one.id).collect();
    let in_hand: HashSet<Id> = unqueue(session, ids)?.all()?.into_iter().collect();
    unanswered.retain(|one| !in_hand.contains(&one.id));
    for one in &mut unanswered {
        one.response = Response::failure(
            "pg_net gave no answer in time; is its worker up? SELECT net.check_worker_is_up();",
        );
    }
    Ok(unanswered)
}

impl From<AnswerRow> for Attempt {
    fn from(row: AnswerRow) -> Self {
        let status = row.status_code;
        let reason = row.error_msg.filter(|_| status.is_none());
        let error = match (status, row.timed_out) {
            (Some(_), _) => None,
            (None, Some(true)) => Some(format!("no answer within {} ms", row.timeout_ms)),
            (None, _) => Some(match reason.as_deref().and_then(in_words) {
                Some(words) => format!("no response: {words}"),
                None => "no response, as pg_net says".into(),
            }),
        };
        // What comes from receivers need not be valid text.
        let text = |bytes: Option<TextBytes>| bytes.map(|bytes| shown(&bytes.0));
        let asked = text(row.retry_after);
        Attempt {
            id: row.id,
            purpose: Purpose::of_request(&row.purpose),
            destination: Destination::of_name(&row.destination),
            attempt: row.attempt,
            public_url: None,
            response: Response {
                status,
                retry_after: asked.and_then(|value| retry_after(&value, db::clock())),
                latency_ms: row.latency_ms.map(|latency| latency.max(0)),
                body: text(row.content).filter(|body| !body.is_empty()),
                error,
                detail: reason,
                ..Response::default()
            },
        }
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
