//! Asking one question after the other, so that one without an answer costs no other: what could not be seen is told.

use crate::alerts::Severity;
use crate::db::{self, Session, owner, settings};
use crate::error::{Error, Result};
use crate::monitoring::Fault;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// After this no further question is asked: who looks is answered within five seconds.
const PATIENCE: Duration = Duration::from_secs(4);

pub struct Sight {
    begun: Instant,
    /// What stood behind a lock.
    locked: RefCell<Vec<&'static str>>,
    unseen: RefCell<Vec<Fault>>,
    is_late: Cell<bool>,
}

impl Sight {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            locked: RefCell::default(),
            unseen: RefCell::default(),
            is_late: Cell::new(false),
        }
    }

    /// The answer, or `None`; then it is told that `what` could not be seen.
    pub fn ask<T>(
        &self,
        session: &Session,
        what: &'static str,
        look: impl FnOnce(&Session) -> Result<T>,
    ) -> Option<T> {
        if self.begun.elapsed() > PATIENCE {
            if !self.is_late.replace(true) {
                self.tell(Fault::warning(
                    "not_visible",
                    format!("looking took too long: {what} and what comes after it was not looked at"),
                ));
            }
            return None;
        }
        let asked = db::attempt_whatever(|| {
            let limit = settings::glance_at_locks(self.was_locked_out());
            let answer = look(session);
            drop(limit);
            answer
        });
        match asked {
            Ok(answer) => return Some(answer),
            Err(error) if error.is_lock_timeout() => self.locked.borrow_mut().push(what),
            Err(error) if error.is_lack_of_rights() => {
                let role = db::current_user();
                let problem = format!("role {role} may not see {what}: {error}");
                let next = [
                    "USAGE ON SCHEMA",
                    "SELECT ON ALL TABLES IN SCHEMA",
                    "EXECUTE ON ALL FUNCTIONS IN SCHEMA",
                ]
                .map(|right| format!("GRANT {right} raw_ops TO {};", db::quoted(&role)));
                let fault = Fault::warning("not_visible", problem);
                let fault = next.into_iter().fold(fault, Fault::next);
                self.tell(fault.by(&[owner::superuser()]));
            }
            // Told as a whole: without its tables there is nothing to see.
            Err(Error::NotSetUp { .. } | Error::RestoreUnderWay) => {}
            Err(error) => self.tell(
                Fault::warning("not_visible", format!("{what} could not be looked at: {error}"))
                    .next("SELECT raw_ops.setup();"),
            ),
        }
        None
    }

    pub fn was_locked_out(&self) -> bool {
        !self.locked.borrow().is_empty()
    }

    fn tell(&self, fault: Fault) {
        self.unseen.borrow_mut().push(fault);
    }

    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.unseen.into_inner();
        let locked = self.locked.into_inner();
        if !locked.is_empty() {
            let problem = format!("behind a lock on a table, not looked at: {}", locked.join(", "));
            let fault = Fault::new("not_visible", Severity::Warning, problem).next(
                "SELECT pid, mode, granted, relation::regclass FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND locktype = \
                 'relation';",
            );
            faults.push(fault);
        }
        faults
    }
}
