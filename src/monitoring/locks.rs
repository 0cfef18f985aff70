//! Who keeps others from a table of raw_ops or of pg_cron.

use super::fault::{Fault, FaultRow};
use super::sight::Sight;
use crate::db::{Session, statements};
use crate::error::Result;

statements! {
    query find_locks(could_not_read: bool) -> FaultRow = file "monitoring/locks.sql";
}

/// Those who hold a lock that others wait for, or, where something could not be read just now, any that keeps readers out.
/// Catalogs only: to be asked with the rights of the function's owner, who sees other roles' sessions.
pub fn holders(session: &Session, could_not_read: bool) -> Result<Vec<Fault>> {
    find_locks(session, could_not_read)?.map(Fault::from_row)
}

/// The same, as the last question of a look at everything.
pub fn ask_for_holders(session: &Session, sight: &Sight) -> Vec<Fault> {
    let could_not_read = sight.was_locked_out();
    let found = sight.ask_at_last(session, "locks", |session| holders(session, could_not_read));
    found.unwrap_or_default()
}

/// For a message that has room for a line: whoever holds something, and what frees it.
pub fn in_a_line(holders: &[Fault]) -> String {
    let told = holders.iter().map(|fault| match fault.next.is_empty() {
        true => fault.problem.clone(),
        false => format!("{}. To free it: {}", fault.problem, fault.next.join(" ")),
    });
    told.collect::<Vec<_>>().join("; ")
}
