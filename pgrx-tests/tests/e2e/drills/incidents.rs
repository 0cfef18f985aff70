//! The incidents that are drilled: the table of docs/operate.md is compared with this one, and each has its drill.

/// Something that goes wrong at night.
#[derive(Debug, PartialEq, Eq)]
pub struct Incident {
    pub number: u8,
    /// As the runbook names it.
    pub name: &'static str,
    /// What `fn_health_v1()` calls it.
    pub what: &'static str,
    /// Statements that an operator pastes until it is mended; comments do not count.
    pub statements: usize,
}

/// No incident takes more statements than this.
pub const MOST_STATEMENTS: usize = 3;

const fn incident(number: u8, name: &'static str, what: &'static str, statements: usize) -> Incident {
    Incident {
        number,
        name,
        what,
        statements,
    }
}

pub const INCIDENTS: &[Incident] = &[
    incident(1, "A constraint of somebody's refuses every order", "queue", 3),
    incident(
        2,
        "A forgotten transaction has locked `raw_ops.orders`",
        "locks",
        1,
    ),
    incident(3, "One job of pg_cron holds up all others", "pg_cron_stopped", 1),
    incident(4, "Dead letters", "dead_letters", 2),
    incident(
        5,
        "Dead letters that wait for longer than ten minutes",
        "dead_letters",
        2,
    ),
    incident(6, "Orders miss the SLO", "orders_not_ingested", 3),
    incident(
        7,
        "Orders are missing for longer than the SLO looks back",
        "orders_not_ingested",
        3,
    ),
    incident(8, "A trigger of somebody's is slow", "slow_processing", 2),
    incident(9, "A source has gone quiet", "quiet_source", 1),
    incident(10, "A job of pg_cron is deleted", "jobs", 1),
    incident(11, "A job is not active", "jobs", 1),
    incident(12, "A job is in another database", "jobs", 1),
    incident(13, "A job's command or schedule is altered", "jobs", 1),
    incident(14, "A monitor has been silent for two hours", "monitors", 3),
    incident(15, "A table is renamed", "tables", 1),
    incident(16, "A check is cut off by a statement timeout", "monitors", 2),
    incident(17, "A trigger is disabled", "triggers", 1),
    incident(18, "A trigger is dropped", "triggers", 1),
    incident(19, "An index is dropped or invalid", "indexes", 1),
    incident(20, "A view is dropped", "views", 1),
    incident(21, "A table is dropped", "tables", 1),
    incident(22, "A Slack channel is gone", "channels", 1),
    incident(23, "Slack is down", "alerts", 2),
    incident(24, "No Slack channel has a URL", "secrets", 1),
    incident(
        25,
        "A Slack channel is gone and the fallback works",
        "channels",
        1,
    ),
    incident(26, "The key file is gone", "key", 1),
    incident(27, "The key file is unreadable", "key", 1),
    incident(28, "Another key is in the file", "key", 1),
    incident(29, "Customer.io refuses the credentials", "courier", 2),
    incident(30, "Customer.io is down for an hour", "courier", 1),
    incident(31, "Worker and sender are terminated", "workers", 0),
    incident(32, "A worker is stopped", "worker_stuck", 2),
    incident(33, "The workers are switched off and forgotten", "workers", 2),
    incident(34, "Too few worker slots", "worker_slots", 2),
    incident(35, "The sender hangs", "worker_stuck", 2),
    incident(36, "A snapshot is held", "snapshot", 1),
    incident(37, "The server is read-only", "read_only", 3),
    incident(38, "The disk is full", "disk", 3),
    incident(39, "One role holds all connections", "connections", 2),
    incident(40, "A copy of the cluster", "delivery", 1),
    incident(41, "The schema is older than the library", "setup", 1),
    incident(42, "The owner is no superuser", "setup", 0),
    incident(43, "Row-level security is forced", "row_security", 2),
    incident(44, "pg_net is installed and cannot send", "pg_net", 2),
];

/// The incident of this number.
pub fn of(number: u8) -> &'static Incident {
    let found = INCIDENTS.iter().find(|one| one.number == number);
    found.unwrap_or_else(|| panic!("no incident {number} in drills/incidents.rs"))
}

/// Says what a drill took, and compares it with the table: comments do not count.
pub fn report(number: u8, pasted: &[String]) {
    let incident = of(number);
    let statements = pasted.iter().filter(|step| !step.starts_with("--")).count();
    println!("drill {number}: {}: {statements} statements", incident.name);
    assert_eq!(statements, incident.statements, "drill {number}: {pasted:#?}");
}

/// The lines of the runbook's table of drills, as it should be.
pub fn table() -> Vec<String> {
    let line = |one: &Incident| {
        format!(
            "| {} | {} | `{}` | {} |",
            one.number, one.name, one.what, one.statements
        )
    };
    INCIDENTS.iter().map(line).collect()
}

#[test]
fn the_runbook_has_the_table_of_drills() {
    let runbook = include_str!("../../../../docs/operate.md");
    let begins = |line: &&str| *line == "## Incidents that are drilled";
    let section = runbook.lines().skip_while(|line| !begins(line)).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    let rows: Vec<&str> = section.filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(
        rows,
        table(),
        "docs/operate.md should have:\n{}",
        table().join("\n")
    );
}

#[test]
fn every_incident_has_a_drill_and_takes_few_statements() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e");
    let mut all = String::new();
    read_all(std::path::Path::new(folder), &mut all);
    for pair in INCIDENTS.windows(2) {
        assert!(pair[0].number < pair[1].number, "{pair:?}");
    }
    for one in INCIDENTS {
        let ways = [
            format!("Drill::begin({}, ", one.number),
            format!("report({}, ", one.number),
            format!("courier({}, ", one.number),
        ];
        assert!(ways.iter().any(|way| all.contains(way)), "{one:?}");
        assert!(one.statements <= MOST_STATEMENTS, "{one:?}");
    }
}

fn read_all(folder: &std::path::Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, all),
            false => all.push_str(&std::fs::read_to_string(path).unwrap_or_default()),
        }
    }
}
