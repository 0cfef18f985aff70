//! Writing down what became of claimed webhooks: one statement for the successes, one for the failures.

use super::claim::Claimed;
use super::counters::{self, Counts};
use crate::db::{self, Session, TypedRowset, ids, rowset_row, statements};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use crate::schedule::{self, Next, Purpose};
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

statements! {
    execute record_successes(webhooks: Vec<[u8; 16]>, milliseconds: i32) = file "inbox/record_successes.sql";
    execute record_failures(milliseconds: i32, now: Timestamp) with (failures: FailureRow<'static>)
        = file "inbox/record_failures.sql";
    execute dead_letter() with (failures: FailureRow<'static>) = file "inbox/dead_letter.sql";
    execute log_dead_letters() with (failures: FailureRow<'static>) = file "inbox/log_dead_letters.sql";
}

rowset_row! {
    /// A webhook that has failed; without a time to try it again it is a dead letter.
    struct FailureRow<'a> {
        id: [u8; 16],
        error: &'a str,
        category: &'a str,
        retry_at: Option<Timestamp>,
        event_id: [u8; 16],
    }
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
        record_successes(session, succeeded, milliseconds)?;
    }
    if !failed.is_empty() {
        tally.dead_lettered = failures(session, &failed, milliseconds)?;
        tally.failed = failed.len() - tally.dead_lettered;
    }
    let mut counts = Counts::default();
    for (claim, outcome) in ended() {
        counts.attempted(&claim.provider, &claim.shop_domain, outcome.is_ok());
    }
    counters::tally(session, &counts, milliseconds)?;
    Ok(tally)
}

/// Returns how many had no attempt left.
fn failures(session: &Session, failed: &[(&Claimed<'_>, &Error)], milliseconds: i32) -> Result<usize> {
    let schedule = schedule::of_purpose(session, Purpose::Webhooks)?;
    let now = db::clock();
    let mut rows = TypedRowset::new(session);
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
        rows.push(FailureRow {
            id: claim.id,
            error: &error.to_string(),
            category: error.category().as_str(),
            retry_at: retry_at.map(Timestamp),
            event_id: ids::uuid_v7(),
        })?;
    }
    record_failures(session, milliseconds, Timestamp(now), &mut rows)?;
    if in_two_steps {
        dead_letter(session, &mut rows)?;
    }
    if dead > 0 {
        log_dead_letters(session, &mut rows)?;
    }
    Ok(dead)
}
