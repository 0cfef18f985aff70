//! Too few slots for background processes: then the server starts some of the library's workers never, and says so in its log only.

use super::figures::Figures;
use super::sight::Sight;
use crate::config;
use crate::db::{self, Session, owner, result_row, statements};
use crate::monitoring::Fault;

statements! {
    query find_processes() -> Processes = file "health/processes.sql";
}

result_row! {
    struct Processes {
        running: i64,
        allowed: i64,
    }
}

/// Workers of ours are missing, and every slot is taken. Asked with the rights of the function's owner.
pub fn fault(session: &Session, sight: &Sight, figures: &Figures) -> Option<Fault> {
    let here = figures.listening?;
    if config::database() != db::current_database() || figures.is_replica {
        return None;
    }
    let missing = config::workers().saturating_sub(here.workers) + usize::from(!here.sender);
    if missing == 0 {
        return None;
    }
    let processes = sight.ask(session, "background processes", |session| {
        find_processes(session)?.first()
    });
    let Processes { running, allowed } = processes.flatten()?;
    let fault = fault_of(i64::try_from(missing).unwrap_or(i64::MAX), running, allowed)?;
    Some(fault.by(&[owner::superuser()]))
}

/// Pure.
fn fault_of(missing: i64, running: i64, allowed: i64) -> Option<Fault> {
    // One may just be starting again.
    if running < allowed {
        return None;
    }
    let wanted = running.max(allowed) + missing + SPARE;
    let problem = format!(
        "all {allowed} slots for background processes are taken (max_worker_processes), and {missing} of raw_ops have none: they never start"
    );
    Some(
        Fault::critical("worker_slots", problem)
            .next(format!("ALTER SYSTEM SET max_worker_processes = {wanted};"))
            .next("-- Restart the server, where there is a standby that one first: systemctl restart postgresql")
            .next("SELECT count(*) AS running FROM pg_stat_activity WHERE backend_type LIKE 'raw_ops %';"),
    )
}

/// For pg_cron's jobs and parallel workers.
const SPARE: i64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_makes_room_for_those_that_run_and_those_that_do_not() {
        assert_eq!(fault_of(1, 7, 8), None);
        let fault = fault_of(2, 8, 8).unwrap();
        assert_eq!(fault.next[0], "ALTER SYSTEM SET max_worker_processes = 18;");
        assert!(
            fault.problem.contains("2 of raw_ops have none"),
            "{}",
            fault.problem
        );
    }
}
