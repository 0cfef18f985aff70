//! Claiming webhooks to work on: row locks, nothing written, so that a crash releases them.

use super::crash;
use crate::db::subtransaction::{self, ends_transaction};
use crate::db::{Jsonb, Row, Rows, Session, Statement, Value};
use crate::error::Result;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::cell::Cell;

/// A webhook this transaction holds.
pub struct Claimed<'a> {
    pub id: [u8; 16],
    pub provider: String,
    pub topic: String,
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

thread_local! {
    static PENDING: Statement = const { Statement::new(
        include_str!("../../sql/inbox/claim_pending.sql"), &[pg_sys::INT8OID, pg_sys::TIMESTAMPTZOID]) };
    static DUE: Statement = const { Statement::new(include_str!("../../sql/inbox/claim_due.sql"), &[pg_sys::INT8OID]) };
    static ONE: Statement = const { Statement::new(include_str!("../../sql/inbox/claim_one.sql"), &[pg_sys::UUIDOID]) };
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
    let mut rows = pending_since(session, limit, from)?;
    if rows.affected() < wanted && from != EVERYTHING {
        // Rows claimed by the first look are this transaction's own: the second finds them again, and the rest.
        from = EVERYTHING;
        rows = pending_since(session, limit, from)?;
    }
    let (claimed, last) = read(&rows)?;
    let more = claimed.len() < rows.affected() || rows.affected() == wanted;
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

fn pending_since(session: &Session, limit: i32, from: i64) -> Result<Rows<'_>> {
    session.execute(&PENDING, vec![Value::Int8(limit.into()), Value::Timestamp(from)])
}

/// The newest webhooks that are due for another attempt, `limit` at most.
pub fn due(session: &Session, limit: i32) -> Result<Claims<'_>> {
    let rows = session.execute(&DUE, vec![Value::Int8(limit.into())])?;
    let (claims, _) = read(&rows)?;
    let more = claims.len() < rows.affected() || rows.affected() == limit as usize;
    Ok(Claims { claims, more })
}

/// One webhook; waits for another transaction that works on it.
pub fn one(session: &Session, id: [u8; 16]) -> Result<Option<Claimed<'_>>> {
    let rows = session.execute(&ONE, vec![Value::Uuid(id)])?;
    // A person wants it: whatever it is suspected of, it is worked on.
    crash::note(&[id]);
    crash::clear_at_commit(id);
    rows.first(claimed_or_why_not).transpose()
}

/// Those of the claimed rows that this transaction works on, and when the last of them was received: no suspects among
/// others, and no more than fit together into the memory meant for them. The rest is let go with the transaction.
fn read<'s>(rows: &Rows<'s>) -> Result<(Vec<Claimed<'s>>, Option<i64>)> {
    let suspects = crash::suspects();
    let mut chosen: Vec<Row> = rows.map(|row| row);
    if !suspects.is_empty() {
        let is_suspect = |row: &Row| suspects.contains_key(&row.uuid(ID).unwrap_or_default());
        let (under_suspicion, others): (Vec<Row>, Vec<Row>) = chosen.into_iter().partition(is_suspect);
        chosen = others;
        if let (true, Some(first)) = (chosen.is_empty(), under_suspicion.first()) {
            let id = first.uuid(ID).unwrap_or_default();
            let deaths = suspects.get(&id).copied().unwrap_or(0);
            if deaths >= crash::TIMES {
                return Ok((vec![not_touched(*first, deaths)], first.timestamp(RECEIVED_AT)));
            }
            crash::clear_at_commit(id);
            chosen = vec![*first];
        }
    }
    let mut bytes = 0_usize;
    let mut fits = |row: &&Row| {
        bytes = bytes.saturating_add(row.full_size(PAYLOAD));
        bytes <= MOST_BYTES
    };
    let most = chosen.iter().take_while(|row| fits(row)).count().max(1);
    chosen.truncate(most);
    if !chosen.is_empty() {
        let ids: Vec<[u8; 16]> = chosen
            .iter()
            .map(|row| row.uuid(ID).unwrap_or_default())
            .collect();
        crash::note(&ids);
    }
    let last = chosen.last().and_then(|row| row.timestamp(RECEIVED_AT));
    let claims =
        match subtransaction::attempt_and_tell(|| Ok(chosen.iter().map(|row| claimed(*row)).collect())) {
            Err(error) if !ends_transaction(&error) => {
                // One that cannot be read must not hide the others.
                chosen.iter().map(|row| claimed_or_why_not(*row)).collect()
            }
            claims => claims,
        };
    Ok((claims?, last))
}

fn claimed_or_why_not<'s>(row: Row<'_, 's>) -> Result<Claimed<'s>> {
    match subtransaction::attempt_and_tell(|| Ok(claimed(row))) {
        Err(error) if !ends_transaction(&error) => Ok(Claimed {
            unreadable: Some((error.sqlstate(), error.to_string())),
            ..without_payload(row)
        }),
        outcome => outcome,
    }
}

/// A webhook that has crashed the server too often.
fn not_touched<'s>(row: Row<'_, 's>, deaths: u32) -> Claimed<'s> {
    let why = format!(
        "the server died {deaths} times while it worked on this webhook alone; it is only processed again by hand"
    );
    Claimed {
        unreadable: Some((PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, why)),
        ..without_payload(row)
    }
}

/// Columns of all three statements.
const ID: i32 = 1;
const RECEIVED_AT: i32 = 7;
const PAYLOAD: i32 = 8;

fn claimed<'s>(row: Row<'_, 's>) -> Claimed<'s> {
    Claimed {
        payload: row.jsonb(PAYLOAD),
        ..without_payload(row)
    }
}

fn without_payload<'s>(row: Row<'_, 's>) -> Claimed<'s> {
    Claimed {
        id: row.uuid(ID).unwrap_or_default(),
        provider: row.text(2).unwrap_or_default(),
        topic: row.text(3).unwrap_or_default(),
        status: row.text(4).unwrap_or_default(),
        attempts_made: row.int4(5).unwrap_or(0),
        triggered_at: row.timestamp(6),
        payload: None,
        unreadable: None,
    }
}
