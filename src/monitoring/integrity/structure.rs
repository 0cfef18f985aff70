//! What is wrong by the catalogs alone: who may not or may too much, what is forced or read-only, what was dropped or
//! switched off. Asked as the owner of the tables; the heartbeat asks, too, since monitors run well while nothing can be
//! stored. How what is there is defined: [`super::definitions`].

use super::functions;
use crate::alerts::Severity;
use crate::db::{self, Session, statements};
use crate::error::Result;
use crate::monitoring::{Fault, FaultRow, MOST_STATEMENTS};
use crate::setup::differences::{self, Differences, Part};
use crate::setup::objects::{Kind, Object, objects};
use crate::setup::tables::{self, Lost, is_remade};

statements! {
    query find_forced_row_security() -> FaultRow = file "monitoring/integrity/row_security.sql";
    query find_other_owners(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/ownership.sql";
    query find_lost_rights(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/owner_rights.sql";
    query find_lacking_receivers() -> FaultRow = file "monitoring/integrity/receivers.sql";
    query find_stopping_settings() -> FaultRow = file "monitoring/integrity/settings.sql";
    query find_exposed(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/exposure.sql";
    query find_rules(shown: Vec<&str>) -> FaultRow = file "monitoring/integrity/rules.sql";
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
    found.extend(functions::faults(session)?);
    found.extend(missing_tables(&tables::lost(session)?, &db::current_database()));
    found.extend(compare(objects(), &differences::parts(session)?));
    Ok(found)
}

/// What is missing or does not work of what `setup()` makes. Pure.
fn compare(wanted: &[Object], parts: &[Part]) -> Vec<Fault> {
    let found = Differences::of(wanted, parts);
    let mut faults = Vec::new();
    faults.extend(missing_views(&found.missing));
    faults.extend(triggers(&found));
    faults.extend(indexes(&found));
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

/// Those that stand elsewhere are brought back first, one that `setup()` makes anew is made so, the rest is in the dump.
fn missing_tables(lost: &[Lost], database: &str) -> Option<Fault> {
    if lost.is_empty() {
        return None;
    }
    let names: Vec<&str> = lost.iter().map(|one| one.name.as_str()).collect();
    let mut fault = Fault::critical("tables", format!("tables are missing: {}", names.join(", ")));
    let back: Vec<&str> = lost.iter().filter_map(|one| one.back.as_deref()).collect();
    fault = match back.as_slice() {
        [] => fault,
        [one] => fault.next(*one),
        many => fault.next(format!("DO $$ BEGIN {} END $$;", many.join(" "))),
    };
    let dropped = lost.iter().filter(|one| one.back.is_none());
    let (remade, gone): (Vec<&str>, Vec<&str>) = dropped
        .map(|one| one.name.as_str())
        .partition(|name| is_remade(name));
    if !gone.is_empty() {
        fault = fault.next(format!(
            "-- Dropped. From the last dump, data and all: {}",
            tables::restore(database, &gone)
        ));
    }
    if !remade.is_empty() || !gone.is_empty() {
        fault = fault.next("SELECT raw_ops.setup();");
    }
    Some(fault)
}

fn missing_views(missing: &[&Object]) -> Option<Fault> {
    let views = of_kind(missing, &[Kind::View]);
    (!views.is_empty()).then(|| {
        Fault::warning("views", format!("views are missing: {}", names(&views)))
            .next("SELECT raw_ops.setup();")
    })
}

fn triggers(found: &Differences<'_>) -> Option<Fault> {
    let missing = of_kind(&found.missing, &[Kind::Trigger]);
    let disabled = of_kind(&found.broken, &[Kind::Trigger]);
    if missing.is_empty() && disabled.is_empty() {
        return None;
    }
    let told = [("dropped", &missing), ("disabled", &disabled)]
        .into_iter()
        .filter(|(_, triggers)| !triggers.is_empty())
        .map(|(how, triggers)| format!("triggers {how}: {}", names(triggers)));
    let problem = told.collect::<Vec<_>>().join("; ");
    Some(Fault::critical("triggers", problem).next("SELECT raw_ops.setup();"))
}

/// Indexes and keys. Without a unique one writing is refused (`ON CONFLICT` finds nothing to rely on); without another it
/// is slow.
fn indexes(found: &Differences<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (is_unique, severity) in [(true, Severity::Critical), (false, Severity::Warning)] {
        let [missing, invalid] = [&found.missing, &found.broken].map(|objects| {
            let mut those = of_kind(objects, &[Kind::Index, Kind::Constraint]);
            those.retain(|object| object.is_unique == is_unique);
            those
        });
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
        let fault = Fault::new("indexes", severity, problem);
        let again = missing
            .iter()
            .map(|object| made_again(object, found.is_partitioned(object)));
        let steps: Vec<String> = again
            .chain(invalid.iter().map(|object| repaired(object)))
            .collect();
        faults.push(match steps.len() {
            ..=MOST_STATEMENTS => steps.into_iter().fold(fault, Fault::next),
            _ => fault
                .next("-- All at once; whoever writes to a table waits while its indexes are built:")
                .next("SELECT raw_ops.setup();"),
        });
    }
    faults
}

fn repaired(object: &Object) -> String {
    let (table, name) = (&object.table, &object.name);
    match object.kind {
        Kind::Constraint if !object.is_unique => {
            format!("ALTER TABLE raw_ops.{table} VALIDATE CONSTRAINT {name};")
        }
        _ => format!("REINDEX INDEX CONCURRENTLY raw_ops.{name};"),
    }
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
            version: 1,
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
            one(Severity::Critical, "SELECT raw_ops.setup();")
        );
        // A table that is gone took the rest along, and is told by itself.
        assert_eq!(compare(&wanted, &[]), []);
    }

    #[test]
    fn a_table_comes_back_from_where_it_stands_or_is_made_anew_or_is_in_the_dump() {
        let lost = |name: &str, back: Option<&str>| Lost {
            name: name.to_owned(),
            back: back.map(str::to_owned),
        };
        assert_eq!(missing_tables(&[], "shop"), None);
        let moved = "ALTER TABLE raw_ops.orders_old RENAME TO orders;";
        let next = |lost: &[Lost]| missing_tables(lost, "shop").unwrap().next;
        assert_eq!(next(&[lost("orders", Some(moved))]), [moved]);
        assert_eq!(next(&[lost("retry_schedule", None)]), ["SELECT raw_ops.setup();"]);
        let restore =
            "-- Dropped. From the last dump, data and all: pg_restore -d shop -n raw_ops -t orders <file>";
        assert_eq!(
            next(&[lost("orders", None)]),
            [restore, "SELECT raw_ops.setup();"]
        );
    }
}
