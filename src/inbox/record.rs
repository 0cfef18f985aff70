//! Writing down what became of claimed webhooks: one statement for the successes, one for the failures.

use super::claim::Claimed;
use super::counters::{self, Counts};
use crate::db::{self, Rowset, Session, Statement, Value, ids};
use crate::error::{Error, Result};
use crate::schedule::{self, Next, Purpose};
use pgrx::pg_sys;
use serde::Serialize;
use std::time::Instant;

/// What one call did; also what SQL callers get back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub claimed: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub dead_lettered: usize,
    /// Whether the claim ended at its limit, in number or in bytes: there may be more.
    #[serde(skip)]
    pub more: bool,
}

impl Tally {
    pub fn to_json(self) -> pgrx::JsonB {
        pgrx::JsonB(serde_json::json!(self))
    }
}

thread_local! {
    static SUCCESSES: Statement = const { Statement::new(
        include_str!("../../sql/inbox/record_successes.sql"), &[pg_sys::UUIDARRAYOID, pg_sys::INT4OID]) };
    static FAILURES: Statement = const { Statement::new(
        include_str!("../../sql/inbox/record_failures.sql"), &[pg_sys::INT4OID, pg_sys::TIMESTAMPTZOID]) };
    static DEAD_LETTER: Statement = const { Statement::new(include_str!("../../sql/inbox/dead_letter.sql"), &[]) };
    static LOG_DEAD_LETTERS: Statement = const { Statement::new(
        include_str!("../../sql/inbox/log_dead_letters.sql"), &[]) };
}

/// Records one outcome a claimed webhook, in the order of the claims; where there is none the webhook stays as it is.
pub fn outcomes<T>(
    session: &Session,
    claims: &[Claimed<'_>],
    outcomes: &[Option<Result<T>>],
    started: Instant,
) -> Result<Tally> {
    let milliseconds = started
        .elapsed()
        .as_micros()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(i32::MAX);
    let ended = || {
        let both = claims.iter().zip(outcomes);
        both.filter_map(|(claim, outcome)| Some((claim, outcome.as_ref()?)))
    };
    let succeeded: Vec<_> = ended()
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(claim, _)| claim.id)
        .collect();
    let failed: Vec<_> = ended()
        .filter_map(|(claim, outcome)| outcome.as_ref().err().map(|e| (claim, e)))
        .collect();

    let mut tally = Tally {
        claimed: claims.len(),
        succeeded: succeeded.len(),
        ..Tally::default()
    };
    if !succeeded.is_empty() {
        session.execute(
            &SUCCESSES,
            vec![Value::UuidArray(succeeded), Value::Int4(milliseconds)],
        )?;
    }
    if !failed.is_empty() {
        tally.dead_lettered = failures(session, &failed, milliseconds)?;
        tally.failed = failed.len() - tally.dead_lettered;
    }
    let mut counts = Counts::default();
    for (claim, outcome) in ended() {
        counts.attempted(&claim.provider, outcome.is_ok());
    }
    counters::tally(session, &counts, milliseconds)?;
    Ok(tally)
}

/// Returns how many had no attempt left.
fn failures(session: &Session, failed: &[(&Claimed<'_>, &Error)], milliseconds: i32) -> Result<usize> {
    let schedule = schedule::of_purpose(session, Purpose::Webhooks)?;
    let now = db::clock();
    let mut rows = Rowset::new(
        c"failures",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"error", pg_sys::TEXTOID),
            (c"category", pg_sys::TEXTOID),
            (c"retry_at", pg_sys::TIMESTAMPTZOID),
            (c"event_id", pg_sys::UUIDOID),
        ],
    );
    let (mut dead, mut in_two_steps) = (0, false);
    for (claim, error) in failed {
        let retry_at = match schedule.after_failure(claim.attempts_made + 1) {
            Next::RetryAfter(wait) => Some(now + wait),
            Next::GiveUp => None,
        };
        if retry_at.is_none() {
            dead += 1;
            in_two_steps |= claim.status != "failed";
        }
        rows.uuid(claim.id)
            .text(Some(&error.to_string()))
            .text(Some(error.category().as_str()));
        rows.timestamp(retry_at).uuid(ids::uuid_v7()).end_row();
    }
    rows.register(session)?;
    session.execute(&FAILURES, vec![Value::Int4(milliseconds), Value::Timestamp(now)])?;
    if in_two_steps {
        session.execute(&DEAD_LETTER, vec![])?;
    }
    if dead > 0 {
        session.execute(&LOG_DEAD_LETTERS, vec![])?;
    }
    Ok(dead)
}
