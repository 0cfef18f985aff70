//! Something that is wrong, and what mends it.

use crate::alerts::Severity;
use crate::db::{self, owner, result_row};
use crate::json::Timestamp;
use serde_json::{Value as Json, json};

result_row! {
    /// What a statement finds wrong.
    pub struct FaultRow {
        pub what: Option<String>,
        pub severity: Option<String>,
        pub problem: Option<String>,
        pub since: Option<Timestamp>,
        pub next: Option<Vec<String>>,
        /// Where not everybody can do what is next: the roles whose rights it takes.
        pub roles: Option<Vec<String>>,
    }
}

/// One fault, as health and the page show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is about, a word that stays the same: `queue`, `row_security`.
    pub what: String,
    /// `Info`: worth knowing, nothing is wrong because of it.
    pub severity: Severity,
    pub problem: String,
    /// Microseconds since 2000-01-01 UTC, where it is known.
    pub since: Option<i64>,
    /// How many there are, where that can be counted.
    pub count: Option<i64>,
    /// In order; each is one statement that runs as it stands when pasted into psql, or a comment.
    pub next: Vec<String>,
}

impl Fault {
    pub fn new(what: &str, severity: Severity, problem: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            severity,
            problem: problem.into(),
            since: None,
            count: None,
            next: Vec::new(),
        }
    }

    pub fn critical(what: &str, problem: impl Into<String>) -> Self {
        Self::new(what, Severity::Critical, problem)
    }

    pub fn warning(what: &str, problem: impl Into<String>) -> Self {
        Self::new(what, Severity::Warning, problem)
    }

    pub fn since(mut self, since: Option<i64>) -> Self {
        self.since = since;
        self
    }

    pub fn count(mut self, count: i64) -> Self {
        self.count = Some(count);
        self
    }

    /// One more step.
    pub fn next(mut self, statement: impl Into<String>) -> Self {
        self.next.push(in_one_comment(statement.into()));
        self
    }

    /// Says, before the steps so far, as whom they are to be run, unless the reader has the rights of all these roles. What a role
    /// may not grant, GRANT answers with a warning only, and the fault stays.
    pub fn by(mut self, roles: &[String]) -> Self {
        if self.next.is_empty() || roles.iter().all(|role| owner::reader_may_act_as(role)) {
            return self;
        }
        let whom = match roles {
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                format!("{} or a superuser", db::quoted(first))
            }
            _ => "a superuser".to_owned(),
        };
        let reader = db::quoted(&owner::reader());
        self.next.insert(0, format!("-- As {whom}, {reader} may not:"));
        self
    }

    /// On a standby: what mends it is to be run elsewhere.
    pub fn on_primary(&mut self) {
        if self.next.iter().any(|step| !step.starts_with("--")) {
            self.next
                .insert(0, "-- This is a standby. On the primary:".into());
        }
    }

    pub fn from_row(row: FaultRow) -> Self {
        let fault = Self {
            what: row.what.unwrap_or_default(),
            severity: Severity::of(&row.severity.unwrap_or_default()),
            problem: row.problem.unwrap_or_default(),
            since: row.since.map(|since| since.0),
            count: None,
            next: row
                .next
                .unwrap_or_default()
                .into_iter()
                .map(in_one_comment)
                .collect(),
        };
        fault.by(&row.roles.unwrap_or_default())
    }

    pub fn to_json(&self) -> Json {
        json!({
            "what": self.what, "severity": self.severity.as_str(), "problem": self.problem,
            "since": self.since.map(db::timestamp_text), "count": self.count, "next": self.next,
        })
    }
}

/// A comment ends with its line: a name that holds the end of one would be run as what follows.
pub fn in_one_comment(step: String) -> String {
    match step.starts_with("--") {
        true => step.replace(char::is_control, " "),
        false => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_comment_is_run() {
        let step = "-- \"x\nSELECT 666; --\" is not of setup()";
        let fault = Fault::warning("queue", "x").next(step);
        assert_eq!(fault.next, ["-- \"x SELECT 666; --\" is not of setup()"]);
    }
}
