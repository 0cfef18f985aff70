//! What is wrong by the catalogs alone: who may not or may too much, what is forced or read-only, what was dropped or
//! switched off. Asked as the owner of the tables; the heartbeat asks, too, since monitors run well while nothing can be
//! stored. How what is there is defined: [`super::definitions`].

use crate::alerts::Severity;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::monitoring::{Fault, FaultRow};
use crate::setup::objects::{Kind, Object, objects};
use std::collections::{BTreeMap, BTreeSet};

statements! {
    query find_forced_row_security() -> FaultRow = file "monitoring/integrity/row_security.sql";
    query find_other_owners(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/ownership.sql";
    query find_lost_rights(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/owner_rights.sql";
    query find_lacking_receivers() -> FaultRow = file "monitoring/integrity/receivers.sql";
    query find_stopping_settings() -> FaultRow = file "monitoring/integrity/settings.sql";
    query find_exposed(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/exposure.sql";
    query find_rules(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/rules.sql";
    query find_parts() -> Part = file "monitoring/integrity/parts.sql";
}

/// Every fault of structure and rights.
pub fn faults(session: &Session) -> Result<Vec<Fault>> {
    let shown = objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Table | Kind::View));
    let shown: Vec<&str> = shown.map(|object| object.name.as_str()).collect();
    let mut found = Vec::new();
    for rows in [
        find_forced_row_security(session)?,
        find_lacking_receivers(session)?,
        find_stopping_settings(session)?,
        find_other_owners(session, shown.clone())?,
        find_lost_rights(session, shown.clone())?,
        find_exposed(session, shown.clone())?,
        find_rules(session, shown)?,
    ] {
        found.extend(rows.map(Fault::from_row)?);
    }
    let parts = find_parts(session)?.all()?;
    found.extend(compare(objects(), &parts));
    Ok(found)
}

result_row! {
    /// What is there of what `setup()` makes.
    #[derive(Clone, Debug)]
    struct Part {
        kind: String,
        name: String,
        table: String,
        state: String,
    }
}

/// What is missing or does not work of what `setup()` makes. Pure.
fn compare(wanted: &[Object], parts: &[Part]) -> Vec<Fault> {
    let here: BTreeMap<(&str, &str), &Part> = parts
        .iter()
        .map(|part| ((part.kind.as_str(), part.name.as_str()), part))
        .collect();
    let find = |kind: &str, name: &str| here.get(&(kind, name)).copied();
    let mut missing: Vec<&Object> = Vec::new();
    let mut broken: Vec<(&Object, &Part)> = Vec::new();
    for object in wanted {
        let part = match object.kind {
            Kind::Table => find("table", &object.name),
            Kind::View => find("view", &object.name),
            Kind::Index => find("index", &object.name),
            // ORD's index may stand for a unique key of the same name.
            Kind::Constraint => find("constraint", &object.name).or_else(|| find("index", &object.name)),
            Kind::Trigger => find("trigger", &object.name).filter(|part| part.table == object.table),
        };
        match part {
            None => missing.push(object),
            Some(part) if matches!(part.state.as_str(), "invalid" | "disabled") => {
                broken.push((object, part))
            }
            Some(_) => {}
        }
    }
    // What belongs to a table that is gone goes without saying.
    let gone: BTreeSet<&str> = missing
        .iter()
        .filter(|one| one.kind == Kind::Table)
        .map(|one| one.table.as_str())
        .collect();
    missing.retain(|one| matches!(one.kind, Kind::Table | Kind::View) || !gone.contains(one.table.as_str()));
    let is_partitioned =
        |object: &Object| find("table", &object.table).is_some_and(|table| table.state == "partitioned");
    let mut faults = Vec::new();
    faults.extend(missing_tables(&missing));
    faults.extend(missing_views(&missing));
    faults.extend(triggers(&missing, &broken));
    faults.extend(indexes(&missing, &broken, is_partitioned));
    faults
}

fn of_kind<'a>(objects: &[&'a Object], kinds: &[Kind]) -> Vec<&'a Object> {
    objects
        .iter()
        .copied()
        .filter(|object| kinds.contains(&object.kind))
        .collect()
}

fn names(objects: &[&Object]) -> String {
    let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    names.join(", ")
}

fn missing_tables(missing: &[&Object]) -> Option<Fault> {
    let tables = of_kind(missing, &[Kind::Table]);
    (!tables.is_empty()).then(|| {
        let problem = format!("tables are missing: {}", names(&tables));
        let fault = Fault::critical("tables", problem).next(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname !~ \
             '^(pg_|information_schema)' ORDER BY 2; -- renamed or moved? ALTER TABLE it back",
        );
        tables.iter().fold(fault, |fault, table| {
            fault.next(format!(
                "-- dropped? From the last dump, data and all: pg_restore -d <database> -n raw_ops -t {} <file>",
                table.name
            ))
        })
    })
}

fn missing_views(missing: &[&Object]) -> Option<Fault> {
    let views = of_kind(missing, &[Kind::View]);
    (!views.is_empty()).then(|| {
        Fault::warning("views", format!("views are missing: {}", names(&views)))
            .next("SELECT raw_ops.setup();")
    })
}

fn triggers(missing: &[&Object], broken: &[(&Object, &Part)]) -> Option<Fault> {
    let missing = of_kind(missing, &[Kind::Trigger]);
    let disabled: Vec<&Object> = broken
        .iter()
        .filter(|(object, _)| object.kind == Kind::Trigger)
        .map(|(object, _)| *object)
        .collect();
    if missing.is_empty() && disabled.is_empty() {
        return None;
    }
    let told = [("dropped", &missing), ("disabled", &disabled)]
        .into_iter()
        .filter(|(_, triggers)| !triggers.is_empty())
        .map(|(how, triggers)| format!("triggers {how}: {}", names(triggers)));
    let mut fault = Fault::critical("triggers", told.collect::<Vec<_>>().join("; "));
    if !missing.is_empty() {
        fault = fault.next("SELECT raw_ops.setup();");
    }
    for trigger in disabled {
        fault = fault.next(format!(
            "ALTER TABLE raw_ops.{} ENABLE TRIGGER {};",
            trigger.table, trigger.name
        ));
    }
    Some(fault)
}

/// Indexes and keys. Without a unique one writing is refused (`ON CONFLICT` finds nothing to rely on); without another it
/// is slow.
fn indexes(
    missing: &[&Object],
    broken: &[(&Object, &Part)],
    is_partitioned: impl Fn(&Object) -> bool,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (is_unique, severity) in [(true, Severity::Critical), (false, Severity::Warning)] {
        let missing: Vec<&Object> = of_kind(missing, &[Kind::Index, Kind::Constraint])
            .into_iter()
            .filter(|object| object.is_unique == is_unique)
            .collect();
        let invalid: Vec<&Object> = broken
            .iter()
            .map(|(object, _)| *object)
            .filter(|object| {
                matches!(object.kind, Kind::Index | Kind::Constraint) && object.is_unique == is_unique
            })
            .collect();
        if missing.is_empty() && invalid.is_empty() {
            continue;
        }
        let told = [("missing", &missing), ("invalid", &invalid)]
            .into_iter()
            .filter(|(_, indexes)| !indexes.is_empty())
            .map(|(how, indexes)| format!("{how}: {}", names(indexes)));
        let kind = if is_unique {
            "unique indexes or keys"
        } else {
            "indexes or foreign keys"
        };
        let problem = format!("{kind} {}", told.collect::<Vec<_>>().join("; "));
        let mut fault = Fault::new("indexes", severity, problem);
        for object in missing {
            fault = fault.next(made_again(object, is_partitioned(object)));
        }
        for object in invalid {
            fault = fault.next(match object.kind {
                Kind::Constraint if !object.is_unique => {
                    format!(
                        "ALTER TABLE raw_ops.{} VALIDATE CONSTRAINT {};",
                        object.table, object.name
                    )
                }
                _ => format!("REINDEX INDEX CONCURRENTLY raw_ops.{};", object.name),
            });
        }
        faults.push(fault);
    }
    faults
}

/// The statement of `setup()`, without keeping writers out where that is possible.
pub fn made_again(object: &Object, is_partitioned: bool) -> String {
    let statement = object.statement.replacen("if not exists ", "", 1);
    match object.kind {
        Kind::Index if !is_partitioned => {
            format!("{};", statement.replacen(" index ", " index concurrently ", 1))
        }
        _ => format!("{statement};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Kind, name: &str, is_unique: bool, statement: &str) -> Object {
        Object {
            kind,
            name: name.to_owned(),
            table: "t".to_owned(),
            is_unique,
            statement: statement.to_owned(),
        }
    }

    fn part(kind: &str, name: &str, state: &str) -> Part {
        Part {
            kind: kind.to_owned(),
            name: name.to_owned(),
            table: "t".to_owned(),
            state: state.to_owned(),
        }
    }

    fn wanted() -> [Object; 4] {
        [
            object(Kind::Table, "t", false, "create table raw_ops.t (id int)"),
            object(
                Kind::Constraint,
                "t_key",
                true,
                "alter table raw_ops.t add constraint t_key unique (id)",
            ),
            object(
                Kind::Index,
                "i",
                false,
                "create index if not exists i on raw_ops.t (id)",
            ),
            object(Kind::Trigger, "g", false, "create trigger g"),
        ]
    }

    #[test]
    fn what_is_missing_or_broken_is_told_with_the_statement_that_makes_it() {
        let wanted = wanted();
        let whole = [
            part("table", "t", "ok"),
            part("constraint", "t_key", "ok"),
            part("index", "i", "ok"),
            part("trigger", "g", "ok"),
        ];
        assert_eq!(compare(&wanted, &whole), []);
        let told = |parts: &[Part]| -> Vec<(Severity, Vec<String>)> {
            compare(&wanted, parts)
                .into_iter()
                .map(|fault| (fault.severity, fault.next))
                .collect()
        };
        let without = |index: usize| -> Vec<Part> {
            let mut parts = whole.to_vec();
            parts.remove(index);
            parts
        };
        let one = |severity, statement: &str| vec![(severity, vec![statement.to_owned()])];
        assert_eq!(
            told(&without(1)),
            one(
                Severity::Critical,
                "alter table raw_ops.t add constraint t_key unique (id);"
            )
        );
        assert_eq!(
            told(&without(2)),
            one(
                Severity::Warning,
                "create index concurrently i on raw_ops.t (id);"
            )
        );
        assert_eq!(
            told(&without(3)),
            one(Severity::Critical, "SELECT raw_ops.setup();")
        );
        let mut disabled = whole.to_vec();
        disabled[3].state = "disabled".to_owned();
        assert_eq!(
            told(&disabled),
            one(Severity::Critical, "ALTER TABLE raw_ops.t ENABLE TRIGGER g;")
        );
        // A table that is gone took the rest along.
        assert_eq!(compare(&wanted, &[]).len(), 1);
    }
}
