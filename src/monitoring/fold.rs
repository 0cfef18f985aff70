//! Many statements as few: nobody pastes twenty.

use super::fault::Fault;

/// More than this nobody pastes one by one.
pub const MOST_STATEMENTS: usize = 3;

impl Fault {
    /// Where there are more than three statements, those that follow each other and may share a transaction become one.
    pub fn folded(mut self) -> Self {
        let statements = self.next.iter().filter(|step| !is_note(step)).count();
        if statements > MOST_STATEMENTS {
            self.next = fold(std::mem::take(&mut self.next));
        }
        self
    }
}

fn is_note(step: &str) -> bool {
    step.starts_with("-- ")
}

fn fold(steps: Vec<String>) -> Vec<String> {
    let mut folded: Vec<String> = Vec::new();
    let mut together: Vec<String> = Vec::new();
    for step in steps {
        if may_share(&step) {
            together.push(step);
            continue;
        }
        folded.extend(as_one(std::mem::take(&mut together)));
        folded.push(step);
    }
    folded.extend(as_one(together));
    folded
}

fn as_one(mut statements: Vec<String>) -> Option<String> {
    match statements.len() {
        0 | 1 => statements.pop(),
        _ => Some(format!("DO $do$ BEGIN {} END $do$;", statements.join(" "))),
    }
}

/// Whether a statement may stand in a transaction with others, and in PL/pgSQL as it is. One with a comment behind it ends the line.
fn may_share(step: &str) -> bool {
    const BEGIN: &[&str] = &[
        "ALTER TABLE ",
        "ALTER VIEW ",
        "ALTER FUNCTION ",
        "ALTER PROCEDURE ",
        "ALTER ROUTINE ",
        "ALTER ROLE ",
        "ALTER SCHEMA ",
        "CREATE ROLE ",
        "CREATE POLICY ",
        "DROP RULE ",
        "DROP TRIGGER ",
        "GRANT ",
        "REVOKE ",
        "alter table ",
    ];
    let is_ddl = BEGIN.iter().any(|begin| step.starts_with(begin));
    is_ddl && step.ends_with(';') && !step.contains("$do$") && !step.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(steps: &[&str]) -> Vec<String> {
        let fault = Fault::warning("x", "x");
        let fault = steps.iter().fold(fault, |fault, step| fault.next(*step));
        fault.folded().next
    }

    #[test]
    fn what_may_share_a_transaction_becomes_one_statement_where_there_are_many() {
        let few = ["GRANT A TO b;", "GRANT C TO d;", "GRANT E TO f;"];
        assert_eq!(folded(&few), few, "three are few");
        assert_eq!(
            folded(&[
                "-- As postgres:",
                "GRANT A TO b;",
                "GRANT C TO d;",
                "SELECT pg_reload_conf();",
                "ALTER TABLE e ENABLE ROW LEVEL SECURITY;",
                "REVOKE F FROM g;",
                "-- Then wait.",
            ]),
            [
                "-- As postgres:",
                "DO $do$ BEGIN GRANT A TO b; GRANT C TO d; END $do$;",
                "SELECT pg_reload_conf();",
                "DO $do$ BEGIN ALTER TABLE e ENABLE ROW LEVEL SECURITY; REVOKE F FROM g; END $do$;",
                "-- Then wait.",
            ]
        );
        let alone = [
            "VACUUM a;",
            "ALTER SYSTEM SET b = 1;",
            "REINDEX INDEX CONCURRENTLY c;",
            "CALL d();",
        ];
        assert_eq!(folded(&alone), alone);
        let noted = [
            "ALTER TABLE a SET NOT NULL; -- first fill it",
            "VACUUM a;",
            "VACUUM b;",
            "VACUUM c;",
        ];
        assert_eq!(folded(&noted), noted);
    }
}
