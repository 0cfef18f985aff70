//! Bringing back what was dropped or switched off, as far as `setup()` may: each in a sub-transaction of its own, so that
//! what cannot be mended keeps nothing else from it.

use super::definitions::Definitions;
use super::differences::Differences;
use super::objects::{Kind, Object};
use crate::db::{self, Session, attempt};
use crate::error::Error;

/// What was done, and what could not be, line by line.
#[derive(Debug, Default)]
pub struct Mended {
    pub done: Vec<String>,
    pub failed: Vec<String>,
}

impl Mended {
    /// Indexes, keys and triggers that were dropped, are invalid or disabled. Triggers that were dropped are made with what
    /// hangs on the extension's functions.
    pub(super) fn parts(&mut self, session: &Session, before: &Differences<'_>) {
        // A foreign key needs the unique one it refers to.
        let mut missing: Vec<&Object> = before.missing.clone();
        missing.sort_by_key(|object| !object.is_unique);
        let broken = before.broken.iter().map(|object| (*object, repair(object)));
        let missing = missing.into_iter().map(|object| (object, remake(object)));
        for (object, repair) in missing.chain(broken) {
            let Some(Repair { statement, told }) = repair else {
                continue;
            };
            match attempt(|| db::run_script(session, &statement)) {
                Ok(()) => self.done.push(format!("{} {told}", named(object))),
                Err(error) => self.failed.push(not_mended(object, &error)),
            }
        }
    }

    /// What was made anew with what hangs on the extension's functions.
    pub(super) fn attached(&mut self, before: &Differences<'_>, now: &Differences<'_>) {
        let triggers = before.missing.iter().filter(|one| one.kind == Kind::Trigger);
        for trigger in triggers.filter(|one| !now.has(one)) {
            self.done
                .push(format!("{} was missing: made anew", named(trigger)));
        }
    }

    /// Defaults that were dropped and are back.
    pub(super) fn defaults(&mut self, before: &Definitions, now: &Definitions) {
        for (kind, table, column) in now.keys().filter(|key| !before.contains_key(*key)) {
            let stood = ("column".to_owned(), table.clone(), column.clone());
            if kind == "default" && before.contains_key(&stood) {
                self.done.push(format!(
                    "default of raw_ops.{table}.{column} was missing: set again"
                ));
            }
        }
    }
}

struct Repair {
    statement: String,
    told: &'static str,
}

/// What makes something again that is gone.
fn remake(object: &Object) -> Option<Repair> {
    match object.kind {
        Kind::Index | Kind::Constraint => Some(Repair {
            statement: object.statement.clone(),
            told: "was missing: made anew",
        }),
        Kind::Table | Kind::View | Kind::Trigger => None,
    }
}

/// What makes something work again that is there.
fn repair(object: &Object) -> Option<Repair> {
    let (table, name) = (&object.table, &object.name);
    let (statement, told) = match object.kind {
        Kind::Trigger => (
            format!("alter table raw_ops.{table} enable trigger {name}"),
            "was disabled: enabled",
        ),
        Kind::Constraint if !object.is_unique => (
            format!("alter table raw_ops.{table} validate constraint {name}"),
            "was not valid: validated",
        ),
        Kind::Index | Kind::Constraint => {
            (format!("reindex index raw_ops.{name}"), "was invalid: built anew")
        }
        Kind::Table | Kind::View => return None,
    };
    Some(Repair { statement, told })
}

fn named(object: &Object) -> String {
    let kind = match object.kind {
        Kind::Table => "table",
        Kind::View => "view",
        Kind::Index => "index",
        Kind::Constraint => "constraint",
        Kind::Trigger => "trigger",
    };
    format!("{kind} {} of raw_ops.{}", object.name, object.table)
}

fn not_mended(object: &Object, error: &Error) -> String {
    format!("{} cannot be mended: {error}", named(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Kind, is_unique: bool) -> Object {
        Object {
            kind,
            name: "x".to_owned(),
            table: "t".to_owned(),
            is_unique,
            statement: "make x".to_owned(),
            version: 1,
        }
    }

    #[test]
    fn everything_that_can_break_has_its_statement() {
        let cases = [
            (Kind::Trigger, false, "alter table raw_ops.t enable trigger x"),
            (
                Kind::Constraint,
                false,
                "alter table raw_ops.t validate constraint x",
            ),
            (Kind::Constraint, true, "reindex index raw_ops.x"),
            (Kind::Index, false, "reindex index raw_ops.x"),
        ];
        for (kind, is_unique, statement) in cases {
            let object = object(kind, is_unique);
            assert_eq!(repair(&object).unwrap().statement, statement);
        }
        assert_eq!(remake(&object(Kind::Index, false)).unwrap().statement, "make x");
        assert!(remake(&object(Kind::Trigger, false)).is_none());
        assert_eq!(named(&object(Kind::Trigger, false)), "trigger x of raw_ops.t");
    }
}
