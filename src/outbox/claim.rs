//! Taking attempts in hand, and finding those whose sender has died.

use super::destination::Destination;
use super::lanes::Lanes;
use super::policy::Response;
use super::request::{Attempt, Id, Request};
use crate::db::statement::Row;
use crate::db::{Session, Statement, Value};
use crate::error::Result;
use crate::schedule::Purpose;
use pgrx::pg_sys;
use std::collections::HashMap;

thread_local! {
    static FIND_DUE: Statement = const { Statement::new(
        include_str!("../../sql/outbox/find_due.sql"), &[pg_sys::INT8OID, pg_sys::TEXTARRAYOID]) };
    static MARK_SENDING: Statement = const { Statement::new(
        include_str!("../../sql/outbox/mark_sending.sql"), &[pg_sys::UUIDARRAYOID, pg_sys::TEXTOID]) };
    static FIND_LOST: Statement = const { Statement::new(
        include_str!("../../sql/outbox/find_lost.sql"), &[pg_sys::BOOLOID]) };
}

/// Takes queued requests that are due: `limit` in all, and as many as there is room for in each lane. Without `lanes` the
/// carrier bounds them itself.
pub fn claim_requests(
    session: &Session,
    limit: usize,
    lanes: Option<&Lanes>,
    carrier: &str,
) -> Result<Vec<Request>> {
    /// Looked at beyond the limit, so that one busy lane does not hide the others.
    const LOOK_AHEAD: usize = 4;
    let full = lanes.map(Lanes::full).unwrap_or_default();
    let looked_at = Value::Int8((limit * LOOK_AHEAD) as i64);
    let due = session.execute(&FIND_DUE, vec![looked_at, Value::TextArray(full)])?;
    let due = due.map(|row| {
        let destination = row.text(3).unwrap_or_default();
        (
            row.uuid(1).unwrap_or_default(),
            row.text(2).unwrap_or_default(),
            Destination::of_name(&destination),
        )
    });
    let chosen = choose(due, limit, lanes);
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let values = vec![Value::UuidArray(chosen), Value::Text(carrier)];
    Ok(session.execute(&MARK_SENDING, values)?.map(request_of_row))
}

/// Of what is due, in its order, what there is room for.
fn choose(due: Vec<(Id, String, Option<Destination>)>, limit: usize, lanes: Option<&Lanes>) -> Vec<Id> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut chosen = Vec::new();
    for (id, lane, destination) in due {
        if chosen.len() == limit {
            break;
        }
        let room = lanes.map_or(limit, |lanes| lanes.room(&lane, destination));
        let taken = taken.entry(lane).or_default();
        if *taken < room {
            *taken += 1;
            chosen.push(id);
        }
    }
    chosen
}

/// Attempts of a sender that has died; `of_builtin` also those whose lease still runs.
pub fn find_lost_attempts(session: &Session, of_builtin: bool) -> Result<Vec<Attempt>> {
    let rows = session.execute(&FIND_LOST, vec![Value::Boolean(of_builtin)])?;
    Ok(rows.map(lost_of_row))
}

/// An attempt of which nothing is known: id, purpose, destination, attempt.
pub fn lost_of_row(row: Row<'_, '_>) -> Attempt {
    Attempt {
        id: row.uuid(1).unwrap_or_default(),
        purpose: purpose_of(&row, 2),
        destination: destination_of(&row, 3),
        attempt: row.int4(4).unwrap_or(1),
        response: Response::lost(),
        public_url: None,
    }
}

fn request_of_row(row: Row<'_, '_>) -> Request {
    Request {
        id: row.uuid(1).unwrap_or_default(),
        purpose: purpose_of(&row, 2),
        destination: destination_of(&row, 3),
        lane: row.text(4).unwrap_or_default(),
        attempt: row.int4(5).unwrap_or(1),
        idempotency_key: row.text(6).unwrap_or_default(),
        url: row.text(7),
        path: row.text(8),
        headers: row.json(9).unwrap_or_default(),
        body: row.text(10).unwrap_or_default(),
        timeout_ms: row.int4(11).unwrap_or(10_000),
        subject: row.uuid(12).unwrap_or_default(),
    }
}

pub fn purpose_of(row: &Row<'_, '_>, column: i32) -> Option<Purpose> {
    row.text(column).and_then(|name| Purpose::of_request(&name))
}

pub fn destination_of(row: &Row<'_, '_>, column: i32) -> Option<Destination> {
    row.text(column).and_then(|name| Destination::of_name(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_lane_hides_no_other_and_a_carrier_without_lanes_takes_what_is_due() {
        let due = || {
            let busy = (0..20).map(|n| ([n; 16], "busy".to_owned(), Some(Destination::Endpoint)));
            let other = [([99; 16], "other".to_owned(), Some(Destination::CustomerIo))];
            busy.chain(other).collect::<Vec<_>>()
        };
        let last = |lanes: Option<&Lanes>, limit| {
            let chosen = choose(due(), limit, lanes);
            (chosen.len(), chosen.last().copied())
        };
        let mut lanes = Lanes::default();
        assert_eq!(last(Some(&lanes), 100), (9, Some([99; 16])));
        for _ in 0..8 {
            lanes.begin("busy", Some(Destination::Endpoint));
        }
        assert_eq!(last(Some(&lanes), 100), (1, Some([99; 16])));
        assert_eq!(last(None, 5), (5, Some([4; 16])));
        assert_eq!(last(None, 0), (0, None));
    }
}
