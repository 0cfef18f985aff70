//! Connections: whether any is left, and who holds them. Whoever asks needs one: superusers have some of their own
//! (`superuser_reserved_connections`).

use crate::alerts::Thresholds;
use crate::db::{self, Session, owner, result_row, statements};
use crate::error::Result;
use crate::monitoring::{Fault, FaultRow};

statements! {
    query find_connections() -> Connections = file "monitoring/server/connections.sql";
    query find_limits(owner: Option<&str>) -> FaultRow = file "monitoring/server/connection_limits.sql";
}

result_row! {
    /// Who holds how many.
    #[derive(Clone, Debug)]
    struct Connections {
        used: i64,
        /// `max_connections`.
        allowed: i64,
        /// For superusers.
        reserved: i64,
        /// The role that has most.
        holder: Option<String>,
        held: i64,
        in_transaction: i64,
        /// The program it has most from.
        application: Option<String>,
        idle: i64,
        /// The first of them, as a list of (pid, backend_start).
        longest_idle: Option<String>,
    }
}

/// Every fault of connections. Whoever may not look into others' sessions is told who holds them, not which are idle.
///
/// # Errors
/// Those of the database.
pub fn faults(session: &Session, limits: &Thresholds) -> Result<Vec<Fault>> {
    let held = find_connections(session)?.first()?;
    let used_up = held.and_then(|held| {
        let fault = used_up(&held, limits)?;
        let holder = held.holder.clone().unwrap_or_else(owner::superuser);
        Some(fault.by(&[holder]))
    });
    let owner = owner::name_of_table_owner();
    let limited = find_limits(session, owner.as_deref())?.map(Fault::from_row)?;
    Ok(used_up.into_iter().chain(limited).collect())
}

/// Too few are left. Pure.
fn used_up(held: &Connections, limits: &Thresholds) -> Option<Fault> {
    let ordinary = (held.allowed - held.reserved).max(1);
    let crossed = limits.crossed("connections_used", 100.0 * held.used as f64 / ordinary as f64)?;
    let holder = held.holder.as_deref().unwrap_or("unknown");
    let application = match held.application.as_deref() {
        None | Some("") => "without an application_name".to_owned(),
        Some(name) => format!("most from {name}"),
    };
    let problem = format!(
        "{} of {ordinary} connections are taken (max_connections {}, {} of them for superusers): role {holder} holds {}, {application}; {} \
         of its are idle, {} idle in a transaction",
        held.used, held.allowed, held.reserved, held.held, held.idle, held.in_transaction
    );
    let mut fault = Fault::new("connections", crossed.severity, problem).next(
        "SELECT usename, application_name, client_addr, state, count(*), min(state_change) AS since FROM pg_stat_activity WHERE usename \
         IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC;",
    );
    if let Some(idle) = &held.longest_idle {
        fault = fault.next(format!(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND (pid, backend_start) IN ({idle});"
        ));
    }
    Some(
        fault
            .next(format!(
                "-- So that it does not come back: ALTER ROLE {} CONNECTION LIMIT <number>; or a smaller pool in that program",
                db::quoted(holder)
            ))
            .next("-- A higher max_connections takes a restart, and a standby needs it first."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;
    use crate::monitoring::report::tests::row;

    fn limits() -> Thresholds {
        let limit = |severity, value| row("connections_used", severity, "#ops-alerts", value);
        Thresholds(vec![
            limit(Severity::Warning, 80.0),
            limit(Severity::Critical, 95.0),
        ])
    }

    #[test]
    fn what_ordinary_roles_may_have_counts_and_who_holds_most_is_named() {
        let held = |used| Connections {
            used,
            allowed: 103,
            reserved: 3,
            holder: Some("app".to_owned()),
            held: used - 1,
            in_transaction: 2,
            application: Some("batch".to_owned()),
            idle: used - 3,
            longest_idle: Some("(7, '2026-01-01 00:00:00.000000+00')".to_owned()),
        };
        let severity = |used| used_up(&held(used), &limits()).map(|fault| fault.severity);
        assert_eq!(severity(80), None);
        assert_eq!(severity(81), Some(Severity::Warning));
        assert_eq!(severity(96), Some(Severity::Critical));
        let fault = used_up(&held(96), &limits()).unwrap();
        assert!(
            fault.problem.starts_with("96 of 100 connections are taken"),
            "{}",
            fault.problem
        );
        assert!(
            fault
                .problem
                .contains("role app holds 95, most from batch; 93 of its are idle, 2 idle in")
        );
        let ends = "WHERE state = 'idle' AND (pid, backend_start) IN ((7, '2026-01-01 00:00:00.000000+00'));";
        assert!(fault.next[1].ends_with(ends), "{:?}", fault.next);
    }
}
