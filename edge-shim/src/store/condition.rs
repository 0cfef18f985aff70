//! Why the database does not take webhooks: a closed list, found by SQLSTATE and by looking, never by the words of a message, which
//! are translated.

use std::fmt;

/// What keeps the database from taking webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Row-level security is forced upon the owner of the tables, too.
    RowSecurity,
    /// A standby, or `default_transaction_read_only`.
    ReadOnly,
    /// The role may not log in, not call the receive functions, or the tables' owner may not write them.
    NoRights,
    /// No such database, extension or tables; or they are being restored or upgraded.
    NotSetUp,
    /// No space left.
    DiskFull,
    /// Every connection that the server, the database or the role may have is taken.
    NoSlots,
    /// A lock, a time limit or a conflict stood in the way: it may go better for fewer webhooks, or later.
    Locked,
    /// Less memory or room for temporary files than these webhooks need: fewer of them may fit.
    Lacking,
    /// An error inside of the server, or of a proxy's that speaks for it (PL/Proxy: one of its databases is out of reach): it may go
    /// better for fewer webhooks, or later. It says nothing about the webhooks.
    Internal,
    /// No answer, or none that means anything.
    Unreachable,
    /// The database answered and said no, for a reason of its own: a trigger or a constraint somebody added.
    Refused,
}

/// What to do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing can be stored now.
    Unavailable,
    /// It may go better for fewer webhooks, or later.
    Contended,
    /// It is about these webhooks, as far as is known.
    Rejected,
}

impl Class {
    /// The name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Contended => "contended",
            Self::Rejected => "rejected",
        }
    }
}

/// The inbox did not take the webhooks, or it is not known that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What keeps the database from taking them.
    pub condition: Condition,
    /// The SQLSTATE, where the database itself answered.
    pub sqlstate: Option<String>,
    /// What happened, for the log. Holds no secrets and no payload; may name roles and tables.
    pub message: String,
    /// The database's advice.
    pub hint: Option<String>,
}

impl Condition {
    /// All of them, each with a word of its own but the one that shares another's.
    pub const ALL: [Self; 11] = [
        Self::RowSecurity,
        Self::ReadOnly,
        Self::NoRights,
        Self::NotSetUp,
        Self::DiskFull,
        Self::NoSlots,
        Self::Locked,
        Self::Lacking,
        Self::Internal,
        Self::Unreachable,
        Self::Refused,
    ];

    /// The word of `/readyz`.
    pub fn word(self) -> &'static str {
        match self {
            Self::RowSecurity => "row_security",
            Self::ReadOnly => "read_only",
            Self::NoRights => "no_rights",
            Self::NotSetUp => "not_set_up",
            Self::DiskFull => "disk_full",
            Self::NoSlots => "no_slots",
            Self::Locked => "locked",
            Self::Internal => "internal",
            Self::Lacking | Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }

    /// What to do about it.
    pub fn class(self) -> Class {
        match self {
            Self::Locked | Self::Lacking | Self::Internal => Class::Contended,
            Self::Refused => Class::Rejected,
            Self::RowSecurity
            | Self::ReadOnly
            | Self::NoRights
            | Self::NotSetUp
            | Self::DiskFull
            | Self::NoSlots
            | Self::Unreachable => Class::Unavailable,
        }
    }

    /// The condition behind an SQLSTATE, see <https://www.postgresql.org/docs/current/errcodes-appendix.html>. Forced row-level
    /// security has the SQLSTATE of missing rights; only a look at the catalog tells them apart.
    pub fn of_sqlstate(sqlstate: &str) -> Self {
        match sqlstate {
            "25006" => Self::ReadOnly,
            "42501" => Self::NoRights,
            "53100" => Self::DiskFull,
            "53300" => Self::NoSlots,
            // Cancelled by a time limit, lock not available, deadlock, serialization failure.
            "57014" | "55P03" | "40P01" | "40001" => Self::Locked,
            // Out of memory, beyond a configured limit (temp_file_limit): perhaps one large webhook among others.
            "53200" | "53400" => Self::Lacking,
            // Not set up, being restored or upgraded: no database, schema, table or function.
            "55000" | "42883" | "42P01" | "3F000" | "3D000" => Self::NotSetUp,
            _ if is_poolers(sqlstate) => Self::Unreachable,
            // Internal error, corrupted data or index.
            _ if sqlstate.starts_with("XX") => Self::Internal,
            // Authorization at log-in.
            _ if sqlstate.starts_with("28") => Self::NoRights,
            // Connection, resources, operator, system.
            _ if ["08", "53", "57", "58"]
                .iter()
                .any(|class| sqlstate.starts_with(class)) =>
            {
                Self::Unreachable
            }
            _ => Self::Refused,
        }
    }
}

/// A session that is not the one before: a statement or portal that is not there or there already, a plan that no longer fits, a
/// pooler's own word (its errors are protocol violations).
pub(super) fn is_poolers(sqlstate: &str) -> bool {
    matches!(
        sqlstate,
        "26000" | "42P05" | "34000" | "42P03" | "0A000" | "08P01"
    )
}

impl StoreError {
    /// An error that is not the database's own.
    pub fn new(condition: Condition, message: impl Into<String>) -> Self {
        Self {
            condition,
            sqlstate: None,
            message: message.into(),
            hint: None,
        }
    }

    /// What to do about it.
    pub fn class(&self) -> Class {
        self.condition.class()
    }

    /// What the operator can do: the database's own hint, except where it does not know what is missing.
    pub fn advice(&self) -> String {
        let sqlstate = self.sqlstate.as_deref().unwrap_or_default();
        let known = match (self.condition, &self.hint) {
            (Condition::RowSecurity, _) => {
                "row-level security is forced on a table of raw_ops: ALTER TABLE … NO FORCE ROW LEVEL SECURITY; \
                 SELECT raw_ops.fn_health_v1(); names it"
            }
            (Condition::ReadOnly, _) => {
                "this is a standby, or default_transaction_read_only is on for the server, the database or the role: \
                 point DATABASE_URL to the primary, or switch it off"
            }
            (Condition::NoRights, _) if sqlstate.starts_with("28") => {
                "check the user and password of DATABASE_URL and the server's pg_hba.conf"
            }
            (Condition::NoRights, _) => {
                "grant the role of DATABASE_URL CONNECT on the database, USAGE on schema raw_ops and EXECUTE on its \
                 receive_webhook functions"
            }
            (Condition::NotSetUp, Some(hint)) if sqlstate == "55000" => hint,
            (Condition::NotSetUp, _) => {
                "run CREATE EXTENSION raw_ops; and SELECT raw_ops.setup(); in the database that DATABASE_URL names"
            }
            (Condition::DiskFull, _) => {
                "make room on the database's disk: SELECT raw_ops.fn_health_v1(); says what takes it and what may go"
            }
            (Condition::NoSlots, _) => {
                "every connection is taken: as a superuser, for whom some are kept, SELECT raw_ops.fn_health_v1(); names who holds them"
            }
            (Condition::Locked, _) => {
                "if it lasts, find who holds a lock on the tables of raw_ops: pg_blocking_pids(), docs/operate.md"
            }
            (Condition::Lacking, _) => {
                "raise temp_file_limit or work_mem for the role of DATABASE_URL, or give the server more memory"
            }
            (Condition::Unreachable, _) if is_poolers(sqlstate) => {
                "if a pooler stands between, let it run with pool_mode = transaction or session, and let it reach PostgreSQL; \
                 or point DATABASE_URL to PostgreSQL itself"
            }
            (_, Some(hint)) => hint,
            (Condition::Internal, None) => {
                "the error is PostgreSQL's own, or a proxy's (PL/Proxy) whose database is out of reach: look into the server's log"
            }
            (Condition::Unreachable, None) => "check DATABASE_URL and that PostgreSQL runs there",
            (Condition::Refused, None) => "look for a trigger or constraint added to the tables of raw_ops",
        };
        known.to_owned()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(sqlstate) = &self.sqlstate {
            write!(formatter, " ({sqlstate})")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StoreError {}
