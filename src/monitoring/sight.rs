//! Asking one question after the other, so that one without an answer costs no other: what could not be read is told. A
//! locked table is waited for shortly, a slow question is cut off, and all of them together end in time.

use super::fault::Fault;
use crate::db::typed::FromRow;
use crate::db::{self, Found, Session, deadline, owner, settings};
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Left for [`Sight::ask_at_last`] when all other time is used up.
const RESERVE: Duration = Duration::from_millis(500);

/// Who looks, for how long, and what could not be read so far.
pub struct Sight {
    until: Instant,
    unread: RefCell<Vec<Unread>>,
}

/// A statement without parameters.
type Find<R> = fn(&Session) -> Result<Found<'_, R>>;

/// A question without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What it was about, as its asker calls it.
    pub what: &'static str,
    pub why: Why,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A table behind a lock; its name, where it is known.
    Locked(Option<String>),
    /// It was cut off.
    TooSlow,
    /// No time was left to ask it.
    NotAsked,
    /// The role may not.
    NotAllowed { role: String, error: String },
    /// The server's words.
    Failed(String),
}

impl Why {
    /// For people, after "not read: ".
    pub fn told(&self) -> String {
        match self {
            Why::Locked(Some(table)) => format!("{table} is locked"),
            Why::Locked(None) => "a table is locked".to_owned(),
            Why::TooSlow => "it took too long and was cut off".to_owned(),
            Why::NotAsked => "no time was left for it".to_owned(),
            Why::NotAllowed { role, error } => format!("role {role} may not see it: {error}"),
            Why::Failed(error) => error.clone(),
        }
    }
}

impl Sight {
    /// All questions end within `patience` from now, and half a second for the last one.
    pub fn new(patience: Duration) -> Self {
        Self {
            until: Instant::now() + patience,
            unread: RefCell::default(),
        }
    }

    /// The answer, or `None`; then it is told that `what` could not be read. It may take half of the time that is left.
    pub fn ask<T>(
        &self,
        session: &Session,
        what: &'static str,
        look: impl FnOnce(&Session) -> Result<T>,
    ) -> Option<T> {
        self.ask_until(session, what, deadline::half_of_what_is_left(self.until), look)
    }

    /// The first row of a statement; `None`: it has none, or could not be read.
    pub fn first<R: for<'s> FromRow<'s>>(
        &self,
        session: &Session,
        what: &'static str,
        find: Find<R>,
    ) -> Option<R> {
        self.ask(session, what, |session| find(session)?.first())
            .flatten()
    }

    /// Every row of a statement.
    pub fn all<R: for<'s> FromRow<'s>>(
        &self,
        session: &Session,
        what: &'static str,
        find: Find<R>,
    ) -> Option<Vec<R>> {
        self.ask(session, what, |session| find(session)?.all())
    }

    /// The last question, for which some time is kept: who it is that keeps others from their answers.
    pub fn ask_at_last<T>(
        &self,
        session: &Session,
        what: &'static str,
        look: impl FnOnce(&Session) -> Result<T>,
    ) -> Option<T> {
        self.ask_until(
            session,
            what,
            Some(self.until.max(Instant::now()) + RESERVE),
            look,
        )
    }

    fn ask_until<T>(
        &self,
        session: &Session,
        what: &'static str,
        until: Option<Instant>,
        look: impl FnOnce(&Session) -> Result<T>,
    ) -> Option<T> {
        let Some(until) = until else {
            self.leave_unread(what, Why::NotAsked);
            return None;
        };
        let asked = db::attempt_until(until, || {
            let limit = settings::glance_at_locks(self.was_locked_out());
            let answer = look(session);
            drop(limit);
            answer
        });
        let why = match asked {
            Ok(answer) => return Some(answer),
            Err(Error::OutOfTime) => Why::TooSlow,
            Err(Error::TableLocked { table }) => Why::Locked(table),
            Err(error) if error.is_lock_timeout() => Why::Locked(None),
            Err(error) if error.is_lack_of_rights() => Why::NotAllowed {
                role: db::current_user(),
                error: error.to_string(),
            },
            // Told as a whole: without its tables there is nothing to see.
            Err(Error::NotSetUp { .. } | Error::RestoreUnderWay) => return None,
            Err(error) => Why::Failed(error.to_string()),
        };
        self.leave_unread(what, why);
        None
    }

    fn leave_unread(&self, what: &'static str, why: Why) {
        self.unread.borrow_mut().push(Unread { what, why });
    }

    /// Whether something stood behind a lock.
    pub fn was_locked_out(&self) -> bool {
        let is_locked = |one: &Unread| matches!(one.why, Why::Locked(_));
        self.unread.borrow().iter().any(is_locked)
    }

    /// Every question that got no answer, in order.
    pub fn into_unread(self) -> Vec<Unread> {
        self.unread.into_inner()
    }
}

/// What could not be read, as faults.
pub fn faults(unread: &[Unread]) -> Vec<Fault> {
    unread.iter().filter_map(of_one).chain(together(unread)).collect()
}

/// What is told of several questions at once. Pure.
fn together(unread: &[Unread]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let those = |is_meant: fn(&Why) -> bool| -> String {
        let meant = unread.iter().filter(|one| is_meant(&one.why));
        meant.map(|one| one.what).collect::<Vec<_>>().join(", ")
    };
    let locked = those(|why| matches!(why, Why::Locked(_)));
    if !locked.is_empty() {
        let problem = format!("behind a lock on a table, not looked at: {locked}");
        let next = "SELECT pid, mode, granted, relation::regclass FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND \
                    locktype = 'relation';";
        faults.push(Fault::warning("not_visible", problem).next(next));
    }
    let slow = those(|why| *why == Why::TooSlow);
    let not_asked = those(|why| *why == Why::NotAsked);
    if !slow.is_empty() || !not_asked.is_empty() {
        let problem = match not_asked.is_empty() {
            true => format!("looking took too long and was cut off: {slow}"),
            false => {
                format!("looking took too long and was cut off: {slow}; no time was left for: {not_asked}")
            }
        };
        let next = "SELECT pid, state, wait_event_type, wait_event, now() - query_start AS runs_for, query FROM \
                    pg_stat_activity WHERE state <> 'idle' ORDER BY query_start;";
        faults.push(Fault::warning("not_visible", problem).next(next));
    }
    faults
}

/// What is told of each question by itself.
fn of_one(unread: &Unread) -> Option<Fault> {
    let what = unread.what;
    match &unread.why {
        Why::NotAllowed { role, error } => {
            let problem = format!("role {role} may not see {what}: {error}");
            let next = [
                "USAGE ON SCHEMA",
                "SELECT ON ALL TABLES IN SCHEMA",
                "EXECUTE ON ALL FUNCTIONS IN SCHEMA",
            ]
            .map(|right| format!("GRANT {right} raw_ops TO {};", db::quoted(role)));
            let fault = Fault::warning("not_visible", problem);
            let fault = next.into_iter().fold(fault, Fault::next);
            Some(fault.by(&[owner::superuser()]))
        }
        Why::Failed(error) => {
            let problem = format!("{what} could not be looked at: {error}");
            Some(Fault::warning("not_visible", problem).next("SELECT raw_ops.setup();"))
        }
        Why::Locked(_) | Why::TooSlow | Why::NotAsked => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_locked_slow_or_not_asked_is_one_fault_each() {
        let unread = |what, why| Unread { what, why };
        let all = [
            unread("the inbox", Why::Locked(Some("raw_ops.webhook_inbox".into()))),
            unread("alerts", Why::Locked(None)),
            unread("the monitors", Why::TooSlow),
            unread("the jobs", Why::NotAsked),
        ];
        let told: Vec<String> = together(&all).into_iter().map(|fault| fault.problem).collect();
        assert_eq!(
            told,
            [
                "behind a lock on a table, not looked at: the inbox, alerts",
                "looking took too long and was cut off: the monitors; no time was left for: the jobs",
            ]
        );
        assert_eq!(together(&[]), []);
        assert_eq!(all[0].why.told(), "raw_ops.webhook_inbox is locked");
    }
}
