//! Claimed webhooks to changed tables: the whole set at once, and when it fails, halves of it, down to the one that
//! is to blame. A bad webhook costs only itself.

use super::claim::Claimed;
use crate::db::{self, Jsonb, Session};
use crate::error::{Error, Result};
use crate::orders::{self, Applied};
use crate::providers::{self, Command};

/// One outcome a webhook, in order.
///
/// # Errors
/// Only when the trouble is the server's; nothing of it is to be held against a webhook then.
pub fn webhooks(session: &Session, claims: &[Claimed<'_>]) -> Result<Vec<Result<Applied>>> {
    match db::attempt_until_unraced(|| apply(session, claims)) {
        Ok(outcomes) => Ok(outcomes),
        Err(error) if error.is_servers_fault() => Err(error),
        Err(error) if claims.len() <= 1 => Ok(vec![Err(error)]),
        Err(_) => {
            let (first, second) = claims.split_at(claims.len() / 2);
            let mut outcomes = webhooks(session, first)?;
            outcomes.extend(webhooks(session, second)?);
            Ok(outcomes)
        }
    }
}

/// Applies a set; what is wrong with a payload stands in its own outcome, any other error fails the set.
fn apply(session: &Session, claims: &[Claimed<'_>]) -> Result<Vec<Result<Applied>>> {
    let mut outcomes: Vec<Result<Applied>> = Vec::with_capacity(claims.len());
    let mut changes = Vec::with_capacity(claims.len());
    for (index, claim) in claims.iter().enumerate() {
        match command(claim) {
            Ok(command) => {
                changes.push(change(index, claim, command));
                outcomes.push(Ok(Applied::default()));
            }
            Err(error) => outcomes.push(Err(error)),
        }
    }
    for (index, outcome) in orders::apply(session, changes)? {
        outcomes[index] = outcome;
    }
    Ok(outcomes)
}

fn command<'a>(claim: &Claimed<'a>) -> Result<Command<'a, Jsonb<'a>>> {
    match claim.payload {
        Some(payload) => providers::command(&claim.provider, &claim.topic, payload),
        None => Err(Error::NotJson {
            provider: claim.provider.clone(),
        }),
    }
}

fn change<'a>(index: usize, claim: &Claimed<'a>, command: Command<'a, Jsonb<'a>>) -> orders::Change<'a> {
    let (order, must_exist) = match command {
        Command::UpsertOrder(order) => (order, false),
        Command::CancelOrder(order) => (order, true),
    };
    orders::Change {
        index,
        order,
        payload_hash: claim.payload.map_or(0, Jsonb::hash),
        must_exist,
        triggered_at: claim.triggered_at,
    }
}
