//! The registry of those who ask for requests. A new purpose is one line here, beside the name it has in
//! [`Purpose`](crate::schedule::Purpose) and the table's CHECK.

use crate::alerts;
use crate::courier;
use crate::db::Session;
use crate::error::Result;
use crate::outbox::{Id, Outcome, Request, Requester};
use crate::schedule::Purpose;
use std::collections::HashMap;

/// Of a purpose without an entry the requests are sent and recorded, and nobody is told.
const REQUESTERS: &[&Requester] = &[&alerts::REQUESTER, &courier::outcome::REQUESTER];

/// Of requests that are about to go out, the subjects of those that are not to be told any more, and why.
pub fn find_unwanted(session: &Session, claimed: &[Request]) -> Result<HashMap<(Purpose, Id), &'static str>> {
    let mut unwanted = HashMap::new();
    for requester in REQUESTERS {
        let ours = claimed
            .iter()
            .filter(|request| request.purpose == Some(requester.purpose));
        let subjects: Vec<Id> = ours.map(|request| request.subject).collect();
        if !subjects.is_empty() {
            let found = (requester.find_unwanted)(session, subjects)?;
            let found = found.into_iter().map(|subject| (requester.purpose, subject));
            unwanted.extend(found.map(|key| (key, requester.why_unwanted)));
        }
    }
    Ok(unwanted)
}

/// Tells each what became of its requests.
pub fn tell_recorded(session: &Session, outcomes: &[Outcome]) -> Result<()> {
    for requester in REQUESTERS {
        let ours: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.purpose == Some(requester.purpose))
            .collect();
        if !ours.is_empty() {
            (requester.on_recorded)(session, &ours)?;
        }
    }
    Ok(())
}

/// Tells each that a secret was set; returns how many requests are sent because of it.
pub fn tell_secret_set(session: &Session) -> Result<usize> {
    let mut sent = 0;
    for requester in REQUESTERS {
        sent += (requester.on_secret_set)(session)?;
    }
    Ok(sent)
}

/// Tells each that its requests were discarded.
pub fn tell_discarded(session: &Session, discarded: &[(Option<Purpose>, Id)], why: &str) -> Result<()> {
    for requester in REQUESTERS {
        let ours = discarded
            .iter()
            .filter(|(purpose, _)| *purpose == Some(requester.purpose));
        let subjects: Vec<Id> = ours.map(|(_, subject)| *subject).collect();
        if !subjects.is_empty() {
            (requester.on_discarded)(session, subjects, why)?;
        }
    }
    Ok(())
}
