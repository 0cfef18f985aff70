//! Taking attempts in hand, and finding those whose sender has died.

use super::destination::Destination;
use super::lanes::Lanes;
use super::policy::Response;
use super::request::{Attempt, Id, Request};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::schedule::Purpose;
use serde_json::Value as Json;
use std::collections::HashMap;

statements! {
    execute find_due(most: i64, full_lanes: Vec<&str>) -> DueRow = file "outbox/find_due.sql";
    execute mark_sending(ids: Vec<Id>, carrier: &str) -> RequestRow = file "outbox/mark_sending.sql";
    execute find_lost(of_builtin: bool) -> LostRow = file "outbox/find_lost.sql";
}

result_row! {
    struct DueRow {
        id: Id,
        lane: String,
        destination: String,
    }
}

result_row! {
    struct RequestRow {
        id: Id,
        purpose: String,
        destination: String,
        lane: String,
        attempt: i32,
        idempotency_key: String,
        url: Option<String>,
        path: Option<String>,
        headers: Json,
        body: String,
        timeout_ms: i32,
        subject_id: Id,
        shop_domain: String,
    }
}

result_row! {
    /// An attempt of which nothing is known.
    pub struct LostRow {
        id: Id,
        purpose: String,
        destination: String,
        attempt: i32,
    }
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
    let due = find_due(session, (limit * LOOK_AHEAD) as i64, full)?.all()?;
    let chosen = choose(due, limit, lanes);
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    mark_sending(session, chosen, carrier)?.map(Request::from)
}

/// Of what is due, in its order, what there is room for.
fn choose(due: Vec<DueRow>, limit: usize, lanes: Option<&Lanes>) -> Vec<Id> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut chosen = Vec::new();
    for row in due {
        if chosen.len() == limit {
            break;
        }
        let destination = Destination::of_name(&row.destination);
        let room = lanes.map_or(limit, |lanes| lanes.room(&row.lane, destination));
        let taken = taken.entry(row.lane).or_default();
        if *taken < room {
            *taken += 1;
            chosen.push(row.id);
        }
    }
    chosen
}

/// Attempts of a sender that has died; `of_builtin` also those whose lease still runs.
pub fn find_lost_attempts(session: &Session, of_builtin: bool) -> Result<Vec<Attempt>> {
    find_lost(session, of_builtin)?.map(Attempt::from)
}

impl From<LostRow> for Attempt {
    fn from(row: LostRow) -> Self {
        Attempt {
            id: row.id,
            purpose: Purpose::of_request(&row.purpose),
            destination: Destination::of_name(&row.destination),
            attempt: row.attempt,
            response: Response::lost(),
            public_url: None,
        }
    }
}

impl From<RequestRow> for Request {
    fn from(row: RequestRow) -> Self {
        Request {
            id: row.id,
            purpose: Purpose::of_request(&row.purpose),
            destination: Destination::of_name(&row.destination),
            lane: row.lane,
            attempt: row.attempt,
            idempotency_key: row.idempotency_key,
            url: row.url,
            path: row.path,
            headers: row.headers,
            body: row.body,
            timeout_ms: row.timeout_ms,
            subject: row.subject_id,
            shop: row.shop_domain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_lane_hides_no_other_and_a_carrier_without_lanes_takes_what_is_due() {
        let due = || {
            let row = |id, lane: &str, destination: Destination| DueRow {
                id: [id; 16],
                lane: lane.into(),
                destination: destination.as_str().into(),
            };
            let busy = (0..20).map(|n| row(n, "busy", Destination::Endpoint));
            busy.chain([row(99, "other", Destination::CustomerIo)])
                .collect::<Vec<_>>()
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
