//! Writing down what became of attempts, in one statement for all of them; the attempts that follow are queued by it.

use super::destination::{Destination, receiver_of};
use super::policy::{Verdict, verdict};
use super::request::{Attempt, Id, Outcome, State};
use crate::db::{Session, TypedRowset, ids, result_row, rowset_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::schedule::{self, Purpose, Schedule};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

statements! {
    execute record() with (attempts: AttemptRow<'static>) -> OutcomeRow = file "outbox/record.sql";
}

rowset_row! {
    struct AttemptRow<'a> {
        id: Id,
        state: &'static str,
        status_code: Option<i32>,
        latency_ms: Option<i32>,
        error: Option<&'a str>,
        response_body: Option<&'a str>,
        public_url: Option<&'a str>,
        has_url_in_row: bool,
        next_id: Id,
        wait_us: Option<i64>,
    }
}

result_row! {
    struct OutcomeRow {
        purpose: String,
        subject_id: Id,
        destination: String,
        attempt: i32,
        state: String,
        error: Option<String>,
        next_at: Option<Timestamp>,
    }
}

/// Writes down what became of attempts, and queues the ones that follow. Returns what the parts that asked must know.
pub fn record_attempts(session: &Session, attempts: Vec<Attempt>) -> Result<Vec<Outcome>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let mut schedules = Schedules::default();
    let mut rows = TypedRowset::new(session);
    for one in &attempts {
        let (response, receiver) = (&one.response, receiver_of(one.destination));
        let schedule = schedules.of(session, one.purpose.unwrap_or(Purpose::Outbound))?;
        let (state, wait) = match verdict(response, receiver.class, one.attempt, schedule) {
            Verdict::Succeeded => (State::Succeeded, None),
            Verdict::Failed(wait) => (State::Failed, Some(wait)),
            Verdict::Abandoned => (State::Abandoned, None),
        };
        let redacted = (receiver.redact)(response);
        rows.push(AttemptRow {
            id: one.id,
            state: state.as_str(),
            status_code: response.status,
            latency_ms: response.latency_ms,
            error: redacted.error.as_deref(),
            response_body: redacted.body.as_deref(),
            public_url: one.public_url.as_deref().filter(|url| !url.is_empty()),
            has_url_in_row: receiver.has_url_in_row,
            next_id: ids::uuid_v7(),
            wait_us: wait,
        })?;
    }
    record(session, &mut rows)?.map(Outcome::from)
}

/// The schedule of each purpose, read once.
#[derive(Default)]
struct Schedules(HashMap<Purpose, Schedule>);

impl Schedules {
    fn of(&mut self, session: &Session, purpose: Purpose) -> Result<&Schedule> {
        Ok(match self.0.entry(purpose) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(schedule::of_purpose(session, purpose)?),
        })
    }
}

impl From<OutcomeRow> for Outcome {
    fn from(row: OutcomeRow) -> Self {
        let state = State::of(&row.state);
        Outcome {
            purpose: Purpose::of_request(&row.purpose),
            subject: row.subject_id,
            destination: Destination::of_name(&row.destination),
            attempt: row.attempt,
            state,
            error: row.error,
            next_at: row.next_at.filter(|_| state == State::Failed).map(|at| at.0),
        }
    }
}
