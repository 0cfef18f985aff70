//! Claimed webhooks to changed tables: the whole set at once, and when it fails, halves of it, down to the one that
//! is to blame. A bad webhook costs only itself.

use super::blame::{self, Outcome};
use super::claim::Claimed;
use crate::command::{Applied, Batch, Envelope, LockKey};
use crate::courier;
use crate::db::settings::hardly_wait_for_locks;
use crate::db::subtransaction::{attempt_and_tell, attempt_until_unraced_and_tell, ends_transaction};
use crate::db::{Jsonb, LostRace, Session};
use crate::error::{Error, Result};
use crate::orders;
use crate::providers::{self, Command};

/// A domain: what it does of a batch, and where it looks again when somebody else was quicker.
struct Domain {
    apply: for<'a> fn(&Session, &mut Batch<Command<'a, Jsonb<'a>>>) -> Result<()>,
    lost_races: &'static [LostRace],
}

/// Who does what webhooks ask for, in this order: orders first, the rest may be about them.
const DOMAINS: &[Domain] = &[
    Domain {
        apply: orders::apply_orders,
        lost_races: orders::LOST_RACES,
    },
    Domain {
        apply: courier::apply_shipments,
        lost_races: &[],
    },
];

/// Webhooks a sub-transaction. More share its cost, but also more is done again when one of them fails.
const SET: usize = 250;

type Read<'a> = Envelope<Command<'a, Jsonb<'a>>>;

/// A claimed webhook on its way.
struct Entry<'c, 'a> {
    index: usize,
    claim: &'c Claimed<'a>,
    /// As it was read; gone with the first attempt.
    envelope: Option<Read<'a>>,
}

/// What has happened so far in a transaction that works on a set.
#[derive(Default)]
struct Progress {
    /// Webhooks that a locked table is in the way of.
    locked_out: usize,
    /// Whether rows are written, and with that locked until the transaction ends.
    has_written: bool,
    /// Whether a set that collided was left.
    has_left: bool,
}

/// What became of a set of claimed webhooks.
pub struct Processed {
    /// One a webhook, in order; none for one that is left.
    pub outcomes: Vec<Outcome>,
    /// Whether the next transaction can do at once what this one has left.
    pub has_left: bool,
}

/// Does what claimed webhooks ask for.
///
/// # Errors
/// Only when the trouble is the server's; nothing of it is to be held against a webhook then.
pub fn webhooks(session: &Session, claims: &[Claimed<'_>]) -> Result<Processed> {
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(claims.len());
    let mut entries = Vec::with_capacity(claims.len());
    for (index, (claim, read)) in claims.iter().zip(read_each(claims)?).enumerate() {
        match read {
            Ok(envelope) => entries.push(Entry {
                index,
                claim,
                envelope: Some(envelope),
            }),
            Err(error) => outcomes.push((index, Some(Err(error)))),
        }
    }
    entries.sort_by(|one, other| lock_key(one).cmp(&lock_key(other)));
    let mut progress = Progress::default();
    for set in entries.chunks_mut(SET) {
        let done = halving(session, set, &mut progress)?;
        outcomes.extend(set.iter().map(|entry| entry.index).zip(done));
    }
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    Ok(Processed {
        outcomes: blame::judge(session, claims, outcomes, |claim| alone(session, claim))?,
        has_left: progress.has_left,
    })
}

fn lock_key<'e>(entry: &'e Entry<'_, '_>) -> Option<&'e LockKey> {
    entry.envelope.as_ref()?.lock_key.as_ref()
}

/// What each webhook asks for. Reading calls into the server, which may fail at one of them: then each for itself.
fn read_each<'a>(claims: &[Claimed<'a>]) -> Result<Vec<Result<Read<'a>>>> {
    match attempt_and_tell(|| Ok(claims.iter().map(read).collect())) {
        Err(error) if !ends_transaction(&error) => claims
            .iter()
            .map(|claim| match attempt_and_tell(|| Ok(read(claim))) {
                Err(error) if ends_transaction(&error) => Err(error),
                Err(error) => Ok(Err(error)),
                Ok(read) => Ok(read),
            })
            .collect(),
        read => read,
    }
}

fn read<'a>(claim: &Claimed<'a>) -> Result<Read<'a>> {
    let command = command(claim)?;
    Ok(Envelope {
        index: 0,
        webhook: claim.id,
        shop: claim.shop_domain.clone(),
        triggered_at: claim.triggered_at,
        payload_hash: claim.payload.map_or(0, Jsonb::hash),
        lock_key: command.lock_key(&claim.shop_domain),
        command,
    })
}

/// Webhooks found to need a locked table, one by one, before the rest is no longer taken apart to find more.
const MOST_LOCKED_OUT: usize = 10;

/// Halves a set that fails, down to the ones that fail alone.
///
/// Rows are locked in one order within a set, not across sets: once one is written, another that collides with other
/// transactions would make them fail in turn. It is left for a transaction that holds nothing yet.
fn halving(session: &Session, set: &mut [Entry<'_, '_>], progress: &mut Progress) -> Result<Vec<Outcome>> {
    let error = match attempt_until_unraced_and_tell(&lost_races(), || apply(session, set)) {
        Ok(outcomes) => {
            progress.has_written |= outcomes.iter().any(Result::is_ok);
            return Ok(outcomes.into_iter().map(Some).collect());
        }
        Err(error) if ends_transaction(&error) => return Err(error),
        Err(error) => error,
    };
    if error.is_serialization_failure() && progress.has_written {
        progress.has_left = true;
        return Ok(set.iter().map(|_| None).collect());
    }
    if let Error::TableLocked { table } = &error
        && (set.len() <= 1 || progress.locked_out >= MOST_LOCKED_OUT)
    {
        progress.locked_out += set.len();
        let locked = || Some(Err(Error::TableLocked { table: table.clone() }));
        return Ok(set.iter().map(|_| locked()).collect());
    }
    if set.len() <= 1 {
        return Ok(vec![Some(Err(error))]);
    }
    let _waits = error.is_lock_timeout().then(hardly_wait_for_locks);
    let (first, second) = set.split_at_mut(set.len() / 2);
    let mut outcomes = halving(session, first, progress)?;
    outcomes.extend(halving(session, second, progress)?);
    Ok(outcomes)
}

/// Another attempt at one webhook, by itself.
fn alone(session: &Session, claim: &Claimed<'_>) -> Result<Result<Applied>> {
    let mut entry = [Entry {
        index: 0,
        claim,
        envelope: None,
    }];
    let mut outcomes = halving(session, &mut entry, &mut Progress::default())?;
    Ok(outcomes
        .pop()
        .flatten()
        .unwrap_or_else(|| Err(Error::Internal("no outcome".into()))))
}

fn lost_races() -> Vec<LostRace> {
    let races = DOMAINS.iter().flat_map(|domain| domain.lost_races);
    races.copied().collect()
}

/// Applies a set; what is wrong with a payload stands in its own outcome, any other error fails the set.
fn apply(session: &Session, set: &mut [Entry<'_, '_>]) -> Result<Vec<Result<Applied>>> {
    let mut batch = Batch::new(set.len());
    for (index, entry) in set.iter_mut().enumerate() {
        match entry.envelope.take().map_or_else(|| read(entry.claim), Ok) {
            Ok(envelope) => batch.push(Envelope { index, ..envelope }),
            Err(error) => batch.settle(index, Err(error)),
        }
    }
    for domain in DOMAINS {
        (domain.apply)(session, &mut batch)?;
    }
    Ok(batch.into_outcomes())
}

fn command<'a>(claim: &Claimed<'a>) -> Result<Command<'a, Jsonb<'a>>> {
    match (claim.payload, &claim.unreadable) {
        (Some(payload), _) => providers::command(&claim.provider, &claim.topic, payload),
        (None, Some((code, message))) => Err(Error::Database {
            code: *code,
            message: message.clone(),
        }),
        (None, None) => Err(Error::NotJson {
            provider: claim.provider.clone(),
        }),
    }
}
