//! Everything that can go wrong: one closed list, one mapping outwards each.
//!
//! [`Error::sqlstate`] is what SQL callers match on, [`Error::category`] what the inbox records,
//! [`Error::hint`] the operator's next step.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use std::fmt;

/// What raw_ops' functions return; doors name PostgreSQL's own error instead.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of raw_ops.
#[derive(Debug)]
pub enum Error {
    /// The payload is not what its provider documents; `field` is a path such as `order.line_items[2].price`.
    Payload { field: String, problem: String },
    /// The body is not JSON at all; the bytes are kept.
    NotJson { provider: String },
    /// The payload refers to something that is not here (yet).
    MissingReference(String),
    /// A function argument names something that is not here.
    NoSuch {
        name: &'static str,
        problem: String,
        /// How to find what is meant.
        next: &'static str,
    },
    /// Nobody here handles this topic.
    UnknownTopic {
        provider: String,
        topic: String,
        /// Of the same provider; empty when nobody reads any.
        known: String,
    },
    /// A function argument is wrong.
    Argument { name: &'static str, problem: String },
    /// `setup()` has not run, or an older version of it.
    NotSetUp { found: Option<i32>, wanted: i32 },
    /// An UPDATE tried a status transition that ORD does not list.
    Transition { from: String, to: String },
    /// Only the owner of the tables may do this.
    NotOwner { owner: String },
    /// Something this function needs is not installed.
    MissingExtension { name: &'static str, next: String },
    /// Something is in the way that only a person can decide about.
    /// The tables are there, but not what they are held together by: a dump is being restored.
    RestoreUnderWay,
    /// A secret is not set, or cannot be read.
    MissingSecret { problem: String, next: String },
    /// The jobs are another role's.
    JobsOfAnother { problem: String, next: String },
    /// This database may not send.
    DispatchHeld { problem: String, next: String },
    /// `setup()` must not go on.
    CannotSetUp { problem: String, next: String },
    /// Another transaction wrote the same rows meanwhile; roll back and do it again.
    Raced(&'static str),
    /// Somebody else has locked a whole table for too long.
    TableLocked { table: Option<String> },
    /// Our own timer cut it off.
    OutOfTime,
    /// PostgreSQL refused; caught in a sub-transaction. Made by [`Error::database`].
    Database { code: PgSqlErrorCode, message: String },
    /// PostgreSQL found no such name, perhaps in a trigger of the owner's that relies on another search_path; `next` gives
    /// each such trigger its own.
    OwnersTrigger {
        code: PgSqlErrorCode,
        message: String,
        next: String,
    },
    /// The server's programming interface answered what it never should.
    Internal(String),
}

/// `webhook_inbox.error_category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    MalformedPayload,
    MissingReference,
    ConstraintViolation,
    Timeout,
    Transient,
    UnknownTopic,
    Internal,
}

impl Category {
    pub fn as_str(self) -> &'static str {
        match self {
            Category::MalformedPayload => "malformed_payload",
            Category::MissingReference => "missing_reference",
            Category::ConstraintViolation => "constraint_violation",
            Category::Timeout => "timeout",
            Category::Transient => "transient",
            Category::UnknownTopic => "unknown_topic",
            Category::Internal => "internal",
        }
    }

    /// The class of an SQLSTATE (PostgreSQL manual, appendix A).
    fn of_sqlstate(state: [u8; 5]) -> Category {
        match &state {
            b"55P03" | b"57014" => Category::Timeout,
            b"40001" | b"40P01" | b"55006" => Category::Transient,
            [b'0', b'8', ..] | [b'5', b'3', ..] | [b'5', b'7', ..] | [b'5', b'8', ..] => Category::Transient,
            // a value the type or an index cannot hold
            [b'2', b'2', ..] | [b'5', b'4', ..] => Category::MalformedPayload,
            [b'2', b'3', ..] => Category::ConstraintViolation,
            _ => Category::Internal,
        }
    }
}

/// The five characters of an SQLSTATE, unpacked from PostgreSQL's six-bits-a-character form.
fn sqlstate_text(code: PgSqlErrorCode) -> [u8; 5] {
    let packed = code as i32;
    std::array::from_fn(|i| (((packed >> (6 * i)) & 0x3F) as u8) + b'0')
}

impl Error {
    pub fn argument(name: &'static str, problem: impl Into<String>) -> Self {
        Error::Argument {
            name,
            problem: problem.into(),
        }
    }

    /// An error of PostgreSQL's, or of a trigger of the owner's, without what it quotes: about a value that it cannot
    /// take (class 22) PostgreSQL's message repeats the value, which may be a person's.
    pub fn database(code: PgSqlErrorCode, message: &str) -> Self {
        let message = match sqlstate_text(code) {
            [b'2', b'2', ..] => {
                let name = format!("{code:?}").to_lowercase();
                let name = name.trim_start_matches("errcode_").replace('_', " ");
                format!("PostgreSQL cannot take a value: {name}")
            }
            _ => message.to_owned(),
        };
        Error::Database { code, message }
    }

    /// What SQL callers see as SQLSTATE.
    pub fn sqlstate(&self) -> PgSqlErrorCode {
        match self {
            Error::Payload { .. } | Error::Argument { .. } | Error::UnknownTopic { .. } => {
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE
            }
            Error::NotJson { .. } => PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
            Error::MissingReference(_) | Error::NoSuch { .. } => PgSqlErrorCode::ERRCODE_NO_DATA_FOUND,
            Error::NotSetUp { .. }
            | Error::RestoreUnderWay
            | Error::MissingSecret { .. }
            | Error::JobsOfAnother { .. }
            | Error::DispatchHeld { .. }
            | Error::CannotSetUp { .. } => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Error::Transition { .. } => PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
            Error::MissingExtension { .. } => PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            Error::NotOwner { .. } => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Error::Raced(_) => PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            Error::TableLocked { .. } => PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
            Error::OutOfTime => PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
            Error::Database { code, .. } | Error::OwnersTrigger { code, .. } => *code,
            Error::Internal(_) => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        }
    }

    /// The SQLSTATE as it is written, for where the message must not be repeated.
    pub fn sqlstate_text(&self) -> String {
        sqlstate_text(self.sqlstate())
            .iter()
            .map(|&byte| byte as char)
            .collect()
    }

    /// What the inbox records.
    pub fn category(&self) -> Category {
        match self {
            Error::Payload { .. } | Error::NotJson { .. } => Category::MalformedPayload,
            Error::MissingReference(_) | Error::NoSuch { .. } => Category::MissingReference,
            Error::UnknownTopic { .. } => Category::UnknownTopic,
            Error::Raced(_) => Category::Transient,
            Error::TableLocked { .. } | Error::OutOfTime => Category::Timeout,
            Error::Database { code, .. } | Error::OwnersTrigger { code, .. } => {
                Category::of_sqlstate(sqlstate_text(*code))
            }
            Error::Argument { .. }
            | Error::NotSetUp { .. }
            | Error::Transition { .. }
            | Error::NotOwner { .. }
            | Error::MissingExtension { .. }
            | Error::RestoreUnderWay
            | Error::MissingSecret { .. }
            | Error::JobsOfAnother { .. }
            | Error::DispatchHeld { .. }
            | Error::CannotSetUp { .. }
            | Error::Internal(_) => Category::Internal,
        }
    }

    /// Whether the trouble is the server's, not the webhook's: then nothing is recorded against the webhook and the
    /// whole call fails, so that a full disk cannot walk the inbox into the dead letter queue.
    pub fn is_servers_fault(&self) -> bool {
        self.wants_the_end() || self.is_lack_of_means()
    }

    /// Whether the server wants the transaction to end, whatever it works on: cancelled, shutting down, read-only, not
    /// set up.
    pub fn wants_the_end(&self) -> bool {
        let Error::Database { code, .. } = self else {
            return matches!(self, Error::NotSetUp { .. });
        };
        matches!(
            &sqlstate_text(*code),
            b"57014" | b"25006" | [b'5', b'7', b'P', ..]
        )
    }

    /// Whether the server lacked what the work needed: memory, disk, temporary files, or an I/O error. The server's
    /// fault, unless one webhook alone needs more than there is while others are processed.
    pub fn is_lack_of_means(&self) -> bool {
        let Error::Database { code, .. } = self else {
            return false;
        };
        matches!(&sqlstate_text(*code), [b'5', b'3', ..] | [b'5', b'8', ..])
    }

    /// Whether another transaction was in the way; done again, it may well succeed.
    pub fn is_serialization_failure(&self) -> bool {
        matches!(
            self.sqlstate(),
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
        )
    }

    /// Whether the call was cancelled, or the server ends: nobody may go on after that.
    pub fn is_cancelled(&self) -> bool {
        let Error::Database { code, .. } = self else {
            return false;
        };
        matches!(&sqlstate_text(*code), b"57014" | [b'5', b'7', b'P', ..])
    }

    /// Whether a right is missing.
    pub fn is_lack_of_rights(&self) -> bool {
        matches!(
            self,
            Error::Database {
                code: PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
                ..
            }
        )
    }

    /// Whether it may be: a table, column or right is missing, a page is corrupt. One webhook among good ones is to
    /// blame itself (an owner's trigger, a damaged payload); when all fail so, it is the server.
    pub fn may_be_servers_fault(&self) -> bool {
        let (Error::Database { code, .. } | Error::OwnersTrigger { code, .. }) = self else {
            return false;
        };
        matches!(
            &sqlstate_text(*code),
            b"42P01" | b"42703" | b"42P10" | b"42501" | b"XX001" | b"XX002"
        )
    }

    /// Whether somebody else held a row, or a table, for too long.
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate() == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
    }

    /// The next step, where there is one to name.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Payload { field, .. } if field == "order.id" => Some(
                "Expected the order object itself, as orders/* webhooks carry it; of an Admin API reply pass the object under \"order\"."
                    .into(),
            ),
            Error::NoSuch { next, .. } => Some((*next).into()),
            Error::UnknownTopic { provider, known, .. } if known.is_empty() => Some(format!(
                "No topic of {provider} is read by this version; the webhook is kept."
            )),
            Error::UnknownTopic { known, .. } => Some(format!("Known topics: {known}.")),
            Error::NotSetUp { .. } => Some("Run: SELECT raw_ops.setup();".into()),
            Error::TableLocked { table: Some(table) } => Some(format!(
                "Who holds it: SELECT pid, usename, state, query_start, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE granted AND relation = '{}'::regclass);",
                table.replace('\'', "''")
            )),
            Error::OwnersTrigger { next, .. } => Some(format!(
                "Triggers of yours that raw_ops fires run with search_path = pg_catalog, pg_temp. Write their names with \
                 their schema, or run: {next}"
            )),
            Error::NotOwner { owner } => Some(format!("Run this as {owner}, or as a member of that role.")),
            Error::Transition { from, .. } => Some(transition_hint(from).into()),
            Error::RestoreUnderWay => {
                Some("While a restore is running, wait for it. Otherwise run: SELECT raw_ops.setup();".into())
            }
            Error::MissingExtension { next, .. }
            | Error::MissingSecret { next, .. }
            | Error::JobsOfAnother { next, .. }
            | Error::DispatchHeld { next, .. }
            | Error::CannotSetUp { next, .. } => Some(next.clone()),
            _ => None,
        }
    }
}

/// Which function moves a webhook on from a state.
fn transition_hint(from: &str) -> &'static str {
    match from {
        "dlq" => {
            "A dead letter is settled by: SELECT raw_ops.fn_resolve_webhook_manually_v1('<id>', '<what was wrong, what was done>');"
        }
        "success" | "resolved_manual" => {
            "This state is final. To process the payload again, capture it anew under another event id with raw_ops.receive_webhook()."
        }
        _ => {
            "To process it now: SELECT raw_ops.process_webhook('<id>'); all that are due: SELECT raw_ops.retry_failed_webhooks();"
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Payload { field, problem } => write!(f, "{field}: {problem}"),
            Error::NotJson { provider } => {
                write!(
                    f,
                    "body: not JSON that PostgreSQL can hold; {provider}'s bytes are kept in raw_body"
                )
            }
            Error::MissingReference(what) => f.write_str(what),
            Error::UnknownTopic { provider, topic, .. } => {
                write!(f, "topic: nothing here handles {provider} \"{topic}\"")
            }
            Error::Argument { name, problem } | Error::NoSuch { name, problem, .. } => {
                write!(f, "{name}: {problem}")
            }
            Error::NotSetUp { found: None, .. } => f.write_str("raw_ops is not set up in this database"),
            Error::NotSetUp {
                found: Some(found),
                wanted,
            } => {
                write!(
                    f,
                    "the raw_ops schema is at version {found}, this library needs version {wanted}"
                )
            }
            Error::Transition { from, to } => {
                write!(f, "processing_status cannot go from {from} to {to}")
            }
            Error::MissingExtension { name, .. } => {
                write!(f, "the extension {name} is not installed in this database")
            }
            Error::NotOwner { owner } => write!(f, "the tables of raw_ops belong to the role {owner}"),
            Error::RestoreUnderWay => {
                f.write_str("the raw_ops tables are there, but not their foreign keys and triggers")
            }
            Error::MissingSecret { problem, .. }
            | Error::JobsOfAnother { problem, .. }
            | Error::DispatchHeld { problem, .. }
            | Error::CannotSetUp { problem, .. } => f.write_str(problem),
            Error::Raced(what) => write!(
                f,
                "another transaction wrote {what} of this webhook at the same time"
            ),
            Error::TableLocked { table } => match table {
                Some(table) => write!(f, "another session has locked the table {table} for too long"),
                None => f.write_str("another session had locked a table for too long"),
            },
            Error::OutOfTime => f.write_str("it took too long and was cut off"),
            Error::Database { message, .. } => f.write_str(message),
            Error::OwnersTrigger { message, next, .. } => {
                write!(f, "{message}; if it is a trigger of yours: {next}")
            }
            Error::Internal(what) => write!(f, "internal error: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let report = ErrorReport::new(error.sqlstate(), error.to_string(), "raw_ops");
        match error.hint() {
            Some(hint) => report.set_hint(hint),
            None => report,
        }
    }
}

#[cfg(test)]
mod tests;
