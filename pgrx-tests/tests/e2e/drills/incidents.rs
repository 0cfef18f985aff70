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
    incident(22, "A Slack channel is gone", "channels", 1),
    incident(23, "Slack is down", "alerts", 2),
    incident(24, "No Slack channel has a URL", "secrets", 1),
    incident(
        25,
        "A Slack channel is gone and the fallback works",
        "channels",
        1,
    ),
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
        let ways = [format!("Drill::begin({}, ", one.number), format!("report({}, ", one.number)];
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
