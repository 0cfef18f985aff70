//! Whose fault it is when a webhook fails because the server lacked memory, disk or temporary files. On a server in trouble
//! every webhook fails so, and none of them may be held to account. One that alone needs more than there is must not
//! stop the others for ever.

use super::claim::Claimed;
use crate::command::Applied;
use crate::db::{Session, statements};
use crate::error::{Error, Result};

/// What became of a claimed webhook; `None`: nothing, it stays as it is for another time.
pub type Outcome = Option<Result<Applied>>;

/// How often a webhook must fail alone to be blamed for what the server may lack.
const TRIES: usize = 3;

statements! {
    execute have_others_succeeded(webhook: [u8; 16]) -> bool = file "inbox/others_succeed.sql";
}

/// Lets those stand that are settled. Of the others, which the server may have failed, those are to blame that fail three
/// times by themselves while at least as many succeed beside them; the rest stays as it is. A table that somebody has
/// locked is nobody's fault. `alone` is another attempt at one webhook, by itself. What is left already stays so; there is a success
/// beside it then.
///
/// # Errors
/// The server's fault, when nothing is left to record.
pub fn judge(
    session: &Session,
    claims: &[Claimed<'_>],
    mut outcomes: Vec<Outcome>,
    alone: impl Fn(&Claimed<'_>) -> Result<Result<Applied>>,
) -> Result<Vec<Outcome>> {
    let lacking = positions(&outcomes, Error::is_lack_of_means);
    let locked = positions(&outcomes, is_table_locked);
    let doubtful = positions(&outcomes, Error::may_be_servers_fault);
    if lacking.is_empty() && locked.is_empty() && doubtful.is_empty() {
        return Ok(outcomes);
    }
    let nothing_else = lacking.len() + locked.len() + doubtful.len() == outcomes.len();
    let succeeded = outcomes
        .iter()
        .flatten()
        .filter(|outcome| outcome.is_ok())
        .count();

    let mut left: Vec<usize> = if nothing_else {
        // Nothing beside them to compare: what has become of others meanwhile decides, for one at a time.
        let mut left: Vec<usize> = (0..outcomes.len()).collect();
        let first = left.iter().position(|position| !locked.contains(position));
        if let Some(first) = first
            && others_succeed(session, &claims[first])?
        {
            left.remove(first);
        }
        left
    } else if lacking.len() <= succeeded {
        locked
    } else {
        locked.into_iter().chain(lacking.iter().copied()).collect()
    };
    for &suspect in &lacking {
        for _ in 1..TRIES {
            if left.contains(&suspect) || !has_failed(&outcomes[suspect], Error::is_lack_of_means) {
                break;
            }
            outcomes[suspect] = Some(alone(&claims[suspect])?);
        }
        if has_failed(&outcomes[suspect], is_table_locked) {
            left.push(suspect);
        }
    }
    let (mut settled, mut first_fault) = (Vec::with_capacity(outcomes.len()), None);
    for (position, outcome) in outcomes.into_iter().enumerate() {
        if left.contains(&position) {
            first_fault = first_fault.or(outcome.and_then(Result::err));
            settled.push(None);
        } else {
            settled.push(outcome);
        }
    }
    match first_fault {
        Some(error) if settled.iter().all(Option::is_none) => Err(error),
        _ => Ok(settled),
    }
}

fn has_failed(outcome: &Outcome, is: fn(&Error) -> bool) -> bool {
    let failed = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
    failed.is_some_and(is)
}

fn positions(outcomes: &[Outcome], is: fn(&Error) -> bool) -> Vec<usize> {
    let matching = |position: &usize| has_failed(&outcomes[*position], is);
    (0..outcomes.len()).filter(matching).collect()
}

fn is_table_locked(error: &Error) -> bool {
    matches!(error, Error::TableLocked { .. })
}

fn others_succeed(session: &Session, claim: &Claimed<'_>) -> Result<bool> {
    Ok(have_others_succeeded(session, claim.id)?.first()? == Some(true))
}
