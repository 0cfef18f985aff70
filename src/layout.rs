//! Keeps `# Layout` of the root file true: who may use whom, and who writes which table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms from the top of the house to its ground. A room may use those on the floors below its own, never one beside
/// it or above: so there is no circle.
const FLOORS: &[&[&str]] = &[
    &["worker"],
    &["dashboard"],
    &["checkup", "health"],
    &["jobs"],
    &["dispatch", "monitoring", "retention"],
    &["inbox"],
    &["orders", "courier"],
    &["alerts"],
    &["outbox"],
    &["convergence", "elements"],
    &["audit", "schedule", "setup", "wake"],
    &["db", "providers"],
    &["command", "json", "shop"],
    &["config", "error"],
];

/// Who writes a table, where it is not one room alone, and why.
const MORE_WRITERS: &[(&str, &[&str], &str)] = &[
    (
        "ops_events",
        &["audit", "courier", "inbox"],
        "the log: audit writes single rows, these two their own kinds of rows, many at once",
    ),
    (
        "alerts",
        &["alerts", "retention"],
        "retention deletes what is old",
    ),
    (
        "monitoring_runs",
        &["monitoring", "retention"],
        "retention deletes what is old",
    ),
    (
        "webhook_elements",
        &["elements", "retention"],
        "retention deletes what is old",
    ),
    (
        "webhook_inbox",
        &["inbox", "retention"],
        "retention moves what is old to the archive",
    ),
    (
        "webhook_inbox_archive",
        &["inbox", "retention"],
        "retention moves webhooks there; inbox counts what is sent again of them",
    ),
    (
        "clone_guard",
        &["outbox", "setup"],
        "setup writes down where it ran",
    ),
];

/// Tables that a person edits: setup fills them, nobody else writes them but as said.
const SETTINGS: &[(&str, &[&str])] = &[
    ("courier_event_mapping", &[]),
    ("log_retention", &[]),
    ("monitor_thresholds", &[]),
    ("monitors", &["jobs"]),
    ("retry_schedule", &[]),
];

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            files(&entry, ending, found);
        } else if entry.extension().is_some_and(|its| its == ending) {
            found.push(entry);
        }
    }
}

/// Every file of a folder of this package: its path in there, and its text.
fn texts(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    files(&folder, ending, &mut found);
    let text = |file: &PathBuf| std::fs::read_to_string(file).unwrap();
    let place = |file: &PathBuf| file.strip_prefix(&folder).unwrap().to_path_buf();
    found.iter().map(|file| (place(file), text(file))).collect()
}

/// The room a file belongs to: the first part of its path.
fn room_of(place: &Path) -> String {
    let first = place.components().next().unwrap().as_os_str().to_str().unwrap();
    let room = first.split('.').next().unwrap();
    match room {
        "migrations" | "views" => "setup".into(),
        room => room.into(),
    }
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// The first name of every `crate::…` path in a source text; of `use crate::{a, b}` both.
fn rooms_used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (position, _) in text.match_indices("crate::") {
        let rest = &text[position + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        used.extend(names.into_iter().map(|name| identifier(name.trim())));
    }
    used
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn a_room_uses_only_what_stands_below_it() {
    for (place, text) in texts("src", "rs") {
        let room = room_of(&place);
        if matches!(room.as_str(), "lib" | "layout" | "testing") || place.ends_with("tests.rs") {
            continue;
        }
        let floor = floor_of(&room).unwrap_or_else(|| panic!("{room} is on no floor of the layout"));
        for used in rooms_used(&text).into_iter().filter(|used| *used != room) {
            let below = floor_of(&used).is_some_and(|other| other > floor);
            assert!(
                below,
                "{} uses {used}, which does not stand below it",
                place.display()
            );
        }
    }
}

/// Every room stands in `# Layout`, in a line of its own.
#[test]
fn the_map_names_every_room() {
    let map = include_str!("lib.rs");
    for room in FLOORS.iter().flat_map(|floor| floor.iter()) {
        assert!(map.contains(&format!("//! | [`{room}`]")), "{room}");
    }
    let lines = map.lines().filter(|line| line.starts_with("//! | [`")).count();
    assert_eq!(lines, FLOORS.iter().map(|floor| floor.len()).sum::<usize>());
}

/// The tables that a text writes.
fn tables_written(text: &str) -> BTreeSet<String> {
    let comment = |line: &&str| !line.trim_start().starts_with("--") && !line.trim_start().starts_with("//");
    let text = text.split("mod tests {").next().unwrap();
    let text: Vec<&str> = text.lines().filter(comment).collect();
    let text = text.join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let writes = |words: &[&str]| match words {
        [.., "insert" | "merge", "into"] | [.., "delete", "from"] | [.., "update" | "truncate" | "only"] => {
            true
        }
        // At the beginning of a statement in a source file.
        [.., one] => one.ends_with("\"update") || one.ends_with("(update"),
        [] => false,
    };
    let tables = (1..words.len()).filter(|&at| {
        let before = &words[at.saturating_sub(2)..at];
        let begins = |word: &&str| word.trim_start_matches(['"', '(']).to_owned();
        let before: Vec<String> = before.iter().map(begins).collect();
        writes(&before.iter().map(String::as_str).collect::<Vec<_>>())
    });
    tables
        .filter_map(|at| words[at].strip_prefix("raw_ops."))
        .map(identifier)
        .collect()
}

#[test]
fn a_table_has_one_room_that_writes_it() {
    let mut writers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let sources = texts("src", "rs").into_iter().chain(texts("sql", "sql"));
    for (place, text) in sources {
        let room = room_of(&place);
        let generated = matches!(room.as_str(), "raw_ops--0" | "schema" | "layout" | "testing");
        if generated || place.ends_with("tests.rs") {
            continue;
        }
        for table in tables_written(&text) {
            writers.entry(table).or_default().insert(room.clone());
        }
    }
    assert!(writers.len() > 20, "{writers:?}");
    for (table, rooms) in writers {
        let more = MORE_WRITERS.iter().find(|(shared, ..)| *shared == table);
        let settings = SETTINGS.iter().find(|(name, _)| *name == table);
        let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
        match (more, settings) {
            (Some((_, all, _)), _) => assert_eq!(rooms, *all, "{table}"),
            (None, Some((_, beside))) => {
                let others: Vec<&str> = rooms.into_iter().filter(|room| *room != "setup").collect();
                assert_eq!(others, *beside, "{table}");
            }
            (None, None) => assert_eq!(rooms.len(), 1, "{table} is written by {rooms:?}"),
        }
    }
}

#[test]
fn what_writes_a_table_is_found() {
    let found = |text| tables_written(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("insert into raw_ops.a (id) values (1)"), ["a"]);
    assert_eq!(found("\"update raw_ops.b set c = 1\", &[]"), ["b"]);
    assert_eq!(
        found("with gone as (delete from raw_ops.d returning id) select"),
        ["d"]
    );
    assert_eq!(
        found("-- update raw_ops.e\nselect from raw_ops.f for update of g"),
        [] as [&str; 0]
    );
}
