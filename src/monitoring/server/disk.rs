//! Disks that are nearly or wholly full.

use crate::alerts::{Severity, Thresholds};
use crate::db::disk::{self, Room};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::Fault;
use std::path::Path;

statements! {
    query find_tablespaces() -> Place = file "monitoring/server/tablespaces.sql";
}

result_row! {
    /// Where the server writes.
    #[derive(Clone, Debug)]
    struct Place {
        name: Option<String>,
        path: Option<String>,
    }
}

/// Every disk on which the server or a table of ours has too little room.
///
/// # Errors
/// Those of the database.
pub fn faults(session: &Session, limits: &Thresholds) -> Result<Vec<Fault>> {
    let mut seen: Vec<(String, Room)> = Vec::new();
    for place in places(session)? {
        let (Some(name), Some(path)) = (place.name, place.path) else {
            continue;
        };
        let Ok(room) = disk::room(Path::new(&path)) else {
            continue;
        };
        match seen.iter_mut().find(|(_, other)| other.device == room.device) {
            Some((names, _)) => *names = format!("{names}, {name}"),
            None => seen.push((name, room)),
        }
    }
    let faults = seen.iter().filter_map(|(name, room)| fault(name, room, limits));
    Ok(faults.collect())
}

fn places(session: &Session) -> Result<Vec<Place>> {
    let own = [("the data directory", "."), ("pg_wal", "pg_wal")].map(|(name, path)| Place {
        name: Some(name.to_owned()),
        path: Some(path.to_owned()),
    });
    Ok(own.into_iter().chain(find_tablespaces(session)?.all()?).collect())
}

const GIGABYTE: f64 = 1_073_741_824.0;

/// What is wrong with a disk. A share alone would alarm about a large one with room for months: below the free gigabytes
/// of `disk_free` only. Pure.
fn fault(name: &str, room: &Room, limits: &Thresholds) -> Option<Fault> {
    let free = room.free as f64 / GIGABYTE;
    let is_roomy = limits.lowest("disk_free").is_some_and(|enough| free > enough);
    let crossed = limits
        .crossed("disk_used", room.used_percent())
        .filter(|_| !is_roomy);
    let (severity, problem) = match (room.free, room.has_inodes, crossed) {
        (0, ..) => (
            Severity::Critical,
            format!("the disk of {name} is full: nothing can be stored there"),
        ),
        (_, false, _) => (
            Severity::Critical,
            format!("the file system of {name} has no inodes left: no file can be made there"),
        ),
        (_, _, Some(crossed)) => (
            crossed.severity,
            format!(
                "the disk of {name} is {:.0} % full: {} left; without room nothing is stored",
                room.used_percent(),
                amount(room.free)
            ),
        ),
        (_, _, None) => return None,
    };
    Some(
        NEXT.iter()
            .fold(Fault::new("disk", severity, problem), |fault, step| {
                fault.next(*step)
            }),
    )
}

fn amount(bytes: u64) -> String {
    let gigabytes = bytes as f64 / GIGABYTE;
    match gigabytes < 1.0 {
        true => format!("{:.0} MB", gigabytes * 1024.0),
        false => format!("{gigabytes:.1} GB"),
    }
}

/// What takes the room, then what may go; nothing here deletes by itself.
const NEXT: &[&str] = &[
    "SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) AS size FROM pg_class WHERE relnamespace = 'raw_ops'::regnamespace \
     AND relkind = 'r' ORDER BY pg_total_relation_size(oid) DESC LIMIT 10;",
    "SELECT slot_name, active, pg_size_pretty(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE \
     pg_current_wal_lsn() END, restart_lsn)) AS wal_kept FROM pg_replication_slots ORDER BY restart_lsn;",
    "-- A slot that nobody reads keeps all WAL since (never delete in pg_wal by hand): SELECT pg_drop_replication_slot('<slot_name>');",
    "-- Logs older than raw_ops.log_retention says: CALL raw_ops.run_housekeeping();",
    "-- Gives its room back at once, once you have a dump of it: DROP TABLE raw_ops.webhook_inbox_archive_y<year>m<month>;",
    "-- Needs room before it gives any: CALL raw_ops.archive_inbox();",
    "SELECT fault ->> 'problem' AS still_wrong FROM jsonb_array_elements(raw_ops.fn_health_v1() -> 'faults') AS fault \
     WHERE fault ->> 'what' = 'disk';",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::report::tests::row;

    fn limits() -> Thresholds {
        let limit = |condition, severity, value| row(condition, severity, "#ops-alerts", value);
        Thresholds(vec![
            limit("disk_used", Severity::Warning, 90.0),
            limit("disk_used", Severity::Critical, 97.0),
            limit("disk_free", Severity::Warning, 20.0),
        ])
    }

    #[test]
    fn a_disk_is_full_by_its_share_unless_much_is_left() {
        const GB: u64 = 1_073_741_824;
        let told = |used: u64, free: u64, has_inodes| {
            let room = Room {
                device: 1,
                used,
                free,
                has_inodes,
            };
            fault("pg_wal", &room, &limits()).map(|fault| (fault.severity, fault.problem))
        };
        let severity = |used, free| told(used, free, true).map(|(severity, _)| severity);
        assert_eq!(severity(90 * GB, 10 * GB), None);
        assert_eq!(severity(91 * GB, 9 * GB), Some(Severity::Warning));
        assert_eq!(severity(98 * GB, 2 * GB), Some(Severity::Critical));
        assert_eq!(severity(98_000 * GB, 2_000 * GB), None, "2 TB are left");
        let (severity, problem) = told(100 * GB, 0, true).unwrap();
        assert_eq!(severity, Severity::Critical);
        assert_eq!(problem, "the disk of pg_wal is full: nothing can be stored there");
        assert!(told(GB, 99 * GB, false).unwrap().1.contains("no inodes left"));
        // Full is full, whatever the thresholds say.
        let full = Room {
            device: 1,
            used: GB,
            free: 0,
            has_inodes: true,
        };
        assert!(fault("x", &full, &Thresholds::default()).is_some());
        let statements = NEXT.iter().filter(|step| !step.starts_with("-- "));
        assert_eq!(statements.count(), 3);
        assert!(
            NEXT.iter()
                .all(|step| step.starts_with("SELECT ") || step.starts_with("-- "))
        );
    }
}
