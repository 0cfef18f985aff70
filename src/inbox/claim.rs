//! Taking webhooks to work on: row locks, nothing written, so that a crash just lets go.

use crate::db::{Jsonb, Session, Statement, Value};
use crate::error::Result;
use pgrx::pg_sys;
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
    /// `None` when the body is not JSON.
    pub payload: Option<Jsonb<'a>>,
}

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

/// The oldest pending webhooks.
pub fn pending<'a>(session: &Session, limit: i32) -> Result<Vec<Claimed<'a>>> {
    let now = crate::db::clock();
    let hint = LOW_WATER.get();
    let wanted = limit as usize;
    let mut from = if now < hint.sweep_at {
        hint.received_at
    } else {
        EVERYTHING
    };
    let mut rows = pending_since(session, limit, from)?;
    if rows.len() < wanted && from != EVERYTHING {
        // Rows claimed by the first look are this transaction's own: the second finds them again, and the rest.
        from = EVERYTHING;
        rows = pending_since(session, limit, from)?;
    }
    let last = rows.last().map(|(_, received_at)| *received_at);
    LOW_WATER.set(match last {
        Some(last) if rows.len() == wanted && wanted >= LONG_QUEUE => LowWater {
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
    Ok(rows.into_iter().map(|(row, _)| row).collect())
}

fn pending_since<'a>(session: &Session, limit: i32, from: i64) -> Result<Vec<(Claimed<'a>, i64)>> {
    let rows = session.run(&PENDING, vec![Value::Int8(limit.into()), Value::Timestamp(from)])?;
    Ok(rows.map(|row| (claimed(row), row.timestamp(7).unwrap_or(i64::MIN))))
}

/// The newest webhooks that are due for another attempt.
pub fn due<'a>(session: &Session, limit: i32) -> Result<Vec<Claimed<'a>>> {
    Ok(session.run(&DUE, vec![Value::Int8(limit.into())])?.map(claimed))
}

/// One webhook; waits for another transaction that works on it.
pub fn one<'a>(session: &Session, id: [u8; 16]) -> Result<Option<Claimed<'a>>> {
    Ok(session.run(&ONE, vec![Value::Uuid(id)])?.first(claimed))
}

fn claimed<'a>(row: crate::db::statement::Row) -> Claimed<'a> {
    Claimed {
        id: row.uuid(1).unwrap_or_default(),
        provider: row.text(2).unwrap_or_default(),
        topic: row.text(3).unwrap_or_default(),
        status: row.text(4).unwrap_or_default(),
        attempts_made: row.int4(5).unwrap_or(0),
        triggered_at: row.timestamp(6),
        payload: row.jsonb(8),
    }
}
