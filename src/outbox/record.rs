//! Writing down what became of attempts, in one statement for all of them; the attempts that follow are queued by it.

use super::claim::{destination_of, purpose_of};
use super::destination::receiver_of;
use super::policy::{Verdict, verdict};
use super::request::{Attempt, Outcome, State};
use crate::db::statement::Row;
use crate::db::{Rowset, Session, Statement, ids};
use crate::error::Result;
use crate::schedule::{self, Purpose, Schedule};
use pgrx::pg_sys;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

thread_local! {
    static RECORD: Statement = const { Statement::new(include_str!("../../sql/outbox/record.sql"), &[]) };
}

/// Writes down what became of attempts, and queues the ones that follow. Returns what the parts that asked must know.
pub fn record_attempts(session: &Session, attempts: Vec<Attempt>) -> Result<Vec<Outcome>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let mut schedules = Schedules::default();
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
            (c"has_url_in_row", pg_sys::BOOLOID),
            (c"next_id", pg_sys::UUIDOID),
            (c"wait_us", pg_sys::INT8OID),
        ],
    );
    for one in &attempts {
        let (response, receiver) = (&one.response, receiver_of(one.destination));
        let schedule = schedules.of(session, one.purpose.unwrap_or(Purpose::Outbound))?;
        let (state, wait) = match verdict(response, receiver.class, one.attempt, schedule) {
            Verdict::Succeeded => (State::Succeeded, None),
            Verdict::Failed(wait) => (State::Failed, Some(wait)),
            Verdict::Abandoned => (State::Abandoned, None),
        };
        let redacted = (receiver.redact)(response);
        rows.uuid(one.id).text(Some(state.as_str()));
        rows.int4(response.status).int4(response.latency_ms);
        rows.text(redacted.error.as_deref())
            .text(redacted.body.as_deref());
        rows.text(one.public_url.as_deref().filter(|url| !url.is_empty()));
        rows.boolean(Some(receiver.has_url_in_row));
        rows.uuid(ids::uuid_v7()).int8(wait).end_row();
    }
    rows.register(session)?;
    Ok(session.execute(&RECORD, vec![])?.map(outcome_of_row))
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

fn outcome_of_row(row: Row<'_, '_>) -> Outcome {
    let state = State::of(&row.text(6).unwrap_or_default());
    Outcome {
        purpose: purpose_of(&row, 2),
        subject: row.uuid(3).unwrap_or_default(),
        destination: destination_of(&row, 4),
        attempt: row.int4(5).unwrap_or(1),
        state,
        error: row.text(7),
        next_at: row.timestamp(8).filter(|_| state == State::Failed),
    }
}
