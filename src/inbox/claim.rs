//! Claiming webhooks to work on: row locks, nothing written, so that a crash releases them.

use super::crash;
use crate::db::subtransaction::{self, ends_transaction};
use crate::db::{Found, Jsonb, Session, StoredJsonb, result_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use pgrx::PgSqlErrorCode;
use std::cell::Cell;

/// A webhook this transaction holds.
pub struct Claimed<'a> {
    pub id: [u8; 16],
    pub provider: String,
    pub topic: String,
    pub shop_domain: String,
    pub status: String,
    pub attempts_made: i32,
    /// When the provider says it happened, microseconds since 2000.
    pub triggered_at: Option<i64>,
    /// `None` when the body is not JSON, or cannot be read.
    pub payload: Option<Jsonb<'a>>,
    /// Why the payload cannot be read: damaged on disk, larger than there is memory, or it has crashed the server.
    pub unreadable: Option<(PgSqlErrorCode, String)>,
}

/// What one transaction works on.
pub struct Claims<'a> {
    pub claims: Vec<Claimed<'a>>,
    /// Whether a limit ended them, of number or of bytes.
    pub more: bool,
}

/// Bytes of payloads, unpacked, that one transaction works on; one webhook in any case. Reading a payload takes about six
/// times its size in memory.
const MOST_BYTES: usize = 32 << 20;

statements! {
    execute claim_pending(most: i64, since: Timestamp) -> ClaimRow<'s> = file "inbox/claim_pending.sql";
    execute claim_due(most: i64) -> ClaimRow<'s> = file "inbox/claim_due.sql";
    execute claim_one(id: [u8; 16]) -> ClaimRow<'s> = file "inbox/claim_one.sql";
}

result_row! {
    struct ClaimRow<'s> {
        id: [u8; 16],
        provider: String,
        topic: String,
        shop_domain: String,
        processing_status: String,
        processing_attempts: i32,
        triggered_at: Option<Timestamp>,
        received_at: Timestamp,
        payload: Option<StoredJsonb<'s>>,
    }
}

thread_local! {
    static LOW_WATER: Cell<LowWater> = const { Cell::new(LowWater { received_at: i64::MIN, sweep_at: 0 }) };
}

/// Where this backend's drains got to in a long queue. While somebody holds an old snapshot, index entries of
/// finished webhooks cannot be cleaned away, and a scan from the very beginning reads them all again at every claim.
/// So scans of a long queue start here. It is a hint only: commits overtake each other, so it is set back well before
/// the last claim, and every few seconds, and whenever a claim is not full, the whole queue is looked at.
#[derive(Clone, Copy)]
struct LowWater {
    received_at: i64,
    sweep_at: i64,
}

const EVERYTHING: i64 = i64::MIN;
const SWEEP_EVERY: i64 = 5_000_000;
/// Longer than a capture takes from its timestamp to its commit, mostly; the sweep finds the rest.
const OVERLAP: i64 = 1_000_000;
/// Smaller claims are a person's: those always look at everything.
const LONG_QUEUE: usize = 50;

/// The oldest pending webhooks, `limit` at most.
pub fn pending(session: &Session, limit: i32) -> Result<Claims<'_>> {
    let now = crate::db::clock();
    let hint = LOW_WATER.get();
    let wanted = limit as usize;
    let mut from = if now < hint.sweep_at {
        hint.received_at
    } else {
        EVERYTHING
    };
    let mut found = claim_pending(session, limit.into(), Timestamp(from))?;
    if found.count() < wanted && from != EVERYTHING {
        // Rows claimed by the first look are this transaction's own: the second finds them again, and the rest.
        from = EVERYTHING;
        found = claim_pending(session, limit.into(), Timestamp(from))?;
    }
    let (claimed, last) = read(&found)?;
    let more = claimed.len() < found.count() || found.count() == wanted;
    LOW_WATER.set(match last {
        Some(last) if more && wanted >= LONG_QUEUE => LowWater {
            received_at: last - OVERLAP,
            sweep_at: if from == EVERYTHING {
                now + SWEEP_EVERY
            } else {
                hint.sweep_at
            },
        },
        _ => LowWater {
            received_at: EVERYTHING,
            sweep_at: 0,
        },
    });
    Ok(Claims {
        claims: claimed,
        more,
    })
}

/// The newest webhooks that are due for another attempt, `limit` at most.
pub fn due(session: &Session, limit: i32) -> Result<Claims<'_>> {
    let found = claim_due(session, limit.into())?;
    let (claims, _) = read(&found)?;
    let more = claims.len() < found.count() || found.count() == limit as usize;
    Ok(Claims { claims, more })
}

/// One webhook; waits for another transaction that works on it.
pub fn one(session: &Session, id: [u8; 16]) -> Result<Option<Claimed<'_>>> {
    let found = claim_one(session, id)?;
    // A person wants it: whatever it is suspected of, it is worked on.
    crash::note(&[id]);
    crash::clear_at_commit(id);
    found.first()?.map(claimed_or_why_not).transpose()
}

/// Those of the claimed rows that this transaction works on, and when the last of them was received: no suspects among
/// others, and no more than fit together into the memory meant for them. The rest is let go with the transaction.
fn read<'s>(found: &Found<'s, ClaimRow<'s>>) -> Result<(Vec<Claimed<'s>>, Option<i64>)> {
    let suspects = crash::suspects();
    let mut chosen = found.all()?;
    if !suspects.is_empty() {
        let is_suspect = |row: &ClaimRow<'_>| suspects.contains_key(&row.id);
        let (under_suspicion, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_suspect);
        chosen = others;
        if let (true, Some(first)) = (chosen.is_empty(), under_suspicion.into_iter().next()) {
            let deaths = suspects.get(&first.id).copied().unwrap_or(0);
            if deaths >= crash::TIMES {
                let received_at = first.received_at.0;
                return Ok((vec![not_touched(first, deaths)], Some(received_at)));
            }
            crash::clear_at_commit(first.id);
            chosen = vec![first];
        }
    }
    let mut bytes = 0_usize;
    let mut fits = |row: &&ClaimRow<'_>| {
        bytes = bytes.saturating_add(row.payload.as_ref().map_or(0, StoredJsonb::full_size));
        bytes <= MOST_BYTES
    };
    let most = chosen.iter().take_while(|row| fits(row)).count().max(1);
    chosen.truncate(most);
    if !chosen.is_empty() {
        let ids: Vec<[u8; 16]> = chosen.iter().map(|row| row.id).collect();
        crash::note(&ids);
    }
    let last = chosen.last().map(|row| row.received_at.0);
    let payloads = subtransaction::attempt_and_tell(|| Ok(chosen.iter().map(payload).collect::<Vec<_>>()));
    let claims = match payloads {
        // One that cannot be read must not hide the others.
        Err(error) if !ends_transaction(&error) => chosen
            .into_iter()
            .map(claimed_or_why_not)
            .collect::<Result<_>>()?,
        payloads => {
            let rows = chosen.into_iter().zip(payloads?);
            rows.map(|(row, payload)| claimed(row, payload)).collect()
        }
    };
    Ok((claims, last))
}

fn claimed_or_why_not(row: ClaimRow<'_>) -> Result<Claimed<'_>> {
    match subtransaction::attempt_and_tell(|| Ok(payload(&row))) {
        Err(error) if !ends_transaction(&error) => Ok(Claimed {
            unreadable: Some((error.sqlstate(), error.to_string())),
            ..claimed(row, None)
        }),
        payload => Ok(claimed(row, payload?)),
    }
}

/// A webhook that has crashed the server too often.
fn not_touched(row: ClaimRow<'_>, deaths: u32) -> Claimed<'_> {
    let why = format!(
        "the server died {deaths} times while it worked on this webhook alone; it is only processed again by hand"
    );
    Claimed {
        unreadable: Some((PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, why)),
        ..claimed(row, None)
    }
}

fn payload<'s>(row: &ClaimRow<'s>) -> Option<Jsonb<'s>> {
    row.payload.as_ref().map(StoredJsonb::open)
}

fn claimed<'s>(row: ClaimRow<'s>, payload: Option<Jsonb<'s>>) -> Claimed<'s> {
    Claimed {
        id: row.id,
        provider: row.provider,
        topic: row.topic,
        shop_domain: row.shop_domain,
        status: row.processing_status,
        attempts_made: row.processing_attempts,
        triggered_at: row.triggered_at.map(|at| at.0),
        payload,
        unreadable: None,
    }
}
