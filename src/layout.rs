//! Keeps `# Layout` of the root file true: who may use whom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every room and the rooms it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &[]),
    ("json", &["error"]),
    ("db", &["json", "error", "setup"]),
    ("audit", &["db", "error"]),
    ("schedule", &["db", "error"]),
    ("setup", &["db", "error"]),
    ("providers", &["json", "error"]),
    ("elements", &["db", "error"]),
    ("convergence", &["db", "json"]),
    (
        "orders",
        &["convergence", "providers", "audit", "db", "json", "error"],
    ),
    ("outbox", &["schedule", "audit", "db", "config", "error"]),
    (
        "courier",
        &[
            "outbox",
            "convergence",
            "elements",
            "providers",
            "schedule",
            "audit",
            "db",
            "json",
            "config",
            "error",
        ],
    ),
    (
        "inbox",
        &[
            "courier",
            "orders",
            "providers",
            "schedule",
            "audit",
            "db",
            "json",
            "error",
        ],
    ),
    (
        "recovery",
        &["inbox", "orders", "providers", "audit", "db", "json", "error"],
    ),
    (
        "monitoring",
        &[
            "wake", "outbox", "schedule", "audit", "setup", "db", "json", "config", "error",
        ],
    ),
    (
        "dispatch",
        &[
            "monitoring",
            "courier",
            "outbox",
            "schedule",
            "audit",
            "db",
            "config",
            "error",
        ],
    ),
    ("jobs", &["monitoring", "inbox", "audit", "db", "error"]),
    ("wake", &["config"]),
    (
        "worker",
        &["wake", "dispatch", "inbox", "outbox", "db", "config", "error"],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            found.push(entry);
        }
    }
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
        for name in names {
            used.push(
                name.trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    used
}

#[test]
fn data_falls_one_way() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    for file in files {
        let place = file.strip_prefix(&src).unwrap();
        let room = place
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if matches!(room, "lib" | "layout" | "testing") || place.ends_with("tests.rs") {
            continue;
        }
        let may = allowed
            .get(room)
            .unwrap_or_else(|| panic!("{room} is not in the layout"));
        for used in rooms_used(&std::fs::read_to_string(&file).unwrap()) {
            assert!(
                used == room || may.contains(&used.as_str()),
                "{} uses {used}",
                place.display()
            );
        }
    }
}
