//! One pass over the outbox: claim, send, record, and tell the part that asked: [`requesters`]. Sending itself happens between the two
//! transactions [`take`] and [`finish`]; with pg_net both are one, [`pg_net_pass`]. The doors: deliver now, resume, set a secret.

mod deliver;
mod requesters;
mod resume;
mod set_secret;
#[cfg(any(test, feature = "pg_test"))]
mod tests;

use crate::db::{self, Session, schema};
use crate::error::Result;
use crate::outbox::carriers::pg_net;
use crate::outbox::carriers::{self, InForce};
use crate::outbox::clone_guard;
use crate::outbox::policy::Response;
use crate::outbox::secrets::Secrets;
use crate::outbox::{self, Attempt, Lanes, Request};
use crate::outbox::{PreparedRequest, Unprepared, prepare_request};

/// What a look at the outbox brought.
pub enum Work {
    /// To be sent by the built-in carrier; recorded by [`finish`].
    Builtin(Vec<(Request, PreparedRequest)>),
    /// pg_net does the sending; call [`pg_net_pass`].
    PgNet,
    /// This database was restored or copied: it sends nothing.
    Held,
}

/// What there is room for, as the sender sees it.
pub struct Room<'a> {
    pub limit: usize,
    /// What is in flight.
    pub lanes: &'a Lanes,
    /// The sender has just started: whatever was being sent, it is not by this process.
    pub just_started: bool,
}

/// Takes what is due for the built-in carrier. One transaction.
pub fn take(room: &Room<'_>) -> Result<Work> {
    db::session(|session| {
        schema::ensure_ready(session)?;
        if !clone_guard::may_send(session)? {
            return Ok(Work::Held);
        }
        if carriers::carrier_in_force(session)? == InForce::PgNet {
            return Ok(Work::PgNet);
        }
        let lost = outbox::find_lost_attempts(session, room.just_started)?;
        record_and_tell(session, lost)?;
        let carrier = InForce::Builtin.as_str();
        let claimed = outbox::claim_requests(session, room.limit, Some(room.lanes), carrier)?;
        Ok(Work::Builtin(ready(session, claimed)?))
    })
}

/// Records what came back. One transaction.
pub fn finish(attempts: Vec<Attempt>) -> Result<()> {
    db::session(|session| {
        schema::ensure_ready(session)?;
        record_and_tell(session, attempts)
    })
}

/// What a pass through pg_net did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    pub dispatched: usize,
    pub recorded: usize,
    pub in_flight: i64,
}

/// Requests handed to pg_net at a time: it sends its queue in batches of 200.
const PG_NET_LIMIT: usize = 200;

/// Collects pg_net's answers and hands it what is due. One transaction.
pub fn pg_net_pass() -> Result<Pass> {
    db::session(|session| {
        schema::ensure_ready(session)?;
        let mut attempts = pg_net::collect(session)?;
        let collected = attempts.len();
        record_and_tell(session, std::mem::take(&mut attempts))?;
        let lost = outbox::find_lost_attempts(session, false)?;
        let given_up = pg_net::take_back(session, lost)?;
        record_and_tell(session, given_up)?;
        let room = PG_NET_LIMIT.saturating_sub(pg_net::in_flight(session)? as usize);
        let claimed = match room {
            0 => Vec::new(),
            room => outbox::claim_requests(session, room, None, InForce::PgNet.as_str())?,
        };
        let ready = ready(session, claimed)?;
        let refused = pg_net::dispatch(session, &ready)?;
        let dispatched = ready.len() - refused.len();
        record_and_tell(session, refused)?;
        Ok(Pass {
            dispatched,
            recorded: collected,
            in_flight: pg_net::in_flight(session)?,
        })
    })
}

/// Looks up where each request goes; what cannot go out, or need not, is recorded at once.
fn ready(session: &Session, claimed: Vec<Request>) -> Result<Vec<(Request, PreparedRequest)>> {
    let unwanted = requesters::find_unwanted(session, &claimed)?;
    let secrets = Secrets::of_pass(session);
    let (mut ready, mut failed) = (Vec::with_capacity(claimed.len()), Vec::new());
    for request in claimed {
        let about = request.purpose.map(|purpose| (purpose, request.subject));
        let response = match about.and_then(|about| unwanted.get(&about)) {
            Some(why) => Response::refused(*why),
            None => match prepare_request(&secrets, &request)? {
                Ok(target) => {
                    ready.push((request, target));
                    continue;
                }
                Err(Unprepared::NotYet(problem)) => Response::failure(problem),
                Err(Unprepared::Refused(problem)) => Response::refused(problem),
            },
        };
        failed.push(Attempt::of(&request, response, None));
    }
    record_and_tell(session, failed)?;
    Ok(ready)
}

/// Records outcomes; when they cannot be recorded together, one by one, so that an odd answer harms no neighbour.
fn record_and_tell(session: &Session, mut attempts: Vec<Attempt>) -> Result<()> {
    if attempts.is_empty() {
        return Ok(());
    }
    let together = db::attempt(|| record_together(session, attempts.clone()));
    match together {
        Ok(()) => Ok(()),
        Err(error) if attempts.len() > 1 => {
            pgrx::log!("raw_ops: answers are recorded one by one: {error}");
            attempts
                .into_iter()
                .try_for_each(|one| record_and_tell(session, vec![one]))
        }
        Err(error) => {
            for one in &mut attempts {
                // The message may quote what could not be written.
                one.response = Response {
                    detail: Some(error.to_string()),
                    ..Response::failure(format!(
                        "the answer cannot be recorded (SQLSTATE {})",
                        error.sqlstate_text()
                    ))
                };
            }
            record_together(session, attempts)
        }
    }
}

/// Records outcomes and tells each part about its own.
fn record_together(session: &Session, attempts: Vec<Attempt>) -> Result<()> {
    let outcomes = outbox::record_attempts(session, attempts)?;
    requesters::tell_recorded(session, &outcomes)
}
