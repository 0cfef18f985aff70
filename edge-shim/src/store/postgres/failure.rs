//! What one attempt at the database can end in, and what it means.

use std::error::Error as _;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Client;

use crate::store::condition::is_poolers;
use crate::store::{Class, Condition, StoreError};

/// Whether this role may call the receive functions, and whether row-level security is forced on a table of raw_ops.
const LOOK: &str = "\
    SELECT coalesce(pg_catalog.bool_and(pg_catalog.has_function_privilege(f.oid, 'EXECUTE') \
                                        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')), false), \
           EXISTS (SELECT FROM pg_catalog.pg_class t \
                    WHERE t.relnamespace OPERATOR(pg_catalog.=) n.oid AND t.relforcerowsecurity) \
      FROM pg_catalog.pg_namespace n \
      JOIN pg_catalog.pg_proc f ON f.pronamespace OPERATOR(pg_catalog.=) n.oid \
     WHERE n.nspname OPERATOR(pg_catalog.=) 'raw_ops' \
       AND f.proname OPERATOR(pg_catalog.=) ANY (ARRAY['receive_webhook', 'receive_webhooks']::name[]) \
     GROUP BY n.oid";

/// What can go wrong in one attempt.
pub enum Failure {
    /// No connection.
    Pool(PoolError),
    /// The call failed.
    Query(tokio_postgres::Error),
    /// The call failed, and a look at the catalog showed why.
    Seen(Condition, tokio_postgres::Error),
    /// The answer is not what was asked for.
    Shape(String),
}

impl Failure {
    /// True if the same call may go well on another connection at once: this one is gone, or its session is not the one it was.
    pub fn is_stale(&self) -> bool {
        let Self::Query(error) = self else {
            return false;
        };
        match error.code().map(|code| code.code()) {
            None => true,
            // Ended by an operator, or for idleness.
            Some("57P01" | "57P05") => true,
            Some(code) => is_poolers(code),
        }
    }

    /// True if the server answered and its session goes on as before.
    pub fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Query(error) => error.code().is_some_and(|code| {
                !self.is_stale() && Condition::of_sqlstate(code.code()).class() != Class::Unavailable
            }),
            Self::Pool(_) | Self::Seen(..) | Self::Shape(_) => false,
        }
    }
}

/// Forced row-level security looks like missing rights, or like tables that are not there. A look at the catalog tells: whoever may
/// call the functions and fails all the same meets it.
pub async fn refined(client: &Client, failure: Failure) -> Failure {
    let Failure::Query(error) = failure else {
        return failure;
    };
    let condition = error.code().map(|code| Condition::of_sqlstate(code.code()));
    if !matches!(condition, Some(Condition::NoRights | Condition::NotSetUp)) {
        return Failure::Query(error);
    }
    // If the look fails, too, the SQLSTATE's word stands.
    let seen = client.query_typed(LOOK, &[]).await.unwrap_or_default();
    let told = seen.first().map(|row| (row.try_get(0), row.try_get(1)));
    match told {
        Some((Ok(true), Ok(true))) => Failure::Seen(Condition::RowSecurity, error),
        _ => Failure::Query(error),
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Shape(message) => Self::new(Condition::Refused, message),
            Failure::Query(error) => from_postgres(&error),
            Failure::Seen(condition, error) => Self {
                condition,
                ..from_postgres(&error)
            },
            Failure::Pool(PoolError::Backend(error)) => {
                let error = from_postgres(&error);
                // Without a connection nothing can be stored, whatever the reason.
                let condition = match error.condition.class() {
                    Class::Unavailable => error.condition,
                    Class::Contended | Class::Rejected => Condition::Unreachable,
                };
                Self { condition, ..error }
            }
            Failure::Pool(PoolError::Timeout(TimeoutType::Wait)) => Self::new(
                Condition::Unreachable,
                "every database connection waits for an answer",
            ),
            Failure::Pool(PoolError::Timeout(_)) => {
                Self::new(Condition::Unreachable, "no connection to the database in time")
            }
            Failure::Pool(error) => Self::new(Condition::Unreachable, error.to_string()),
        }
    }
}

fn from_postgres(error: &tokio_postgres::Error) -> StoreError {
    let Some(database) = error.as_db_error() else {
        return StoreError::new(Condition::Unreachable, with_causes(error));
    };
    StoreError {
        condition: Condition::of_sqlstate(database.code().code()),
        sqlstate: Some(database.code().code().to_owned()),
        message: database.message().to_owned(),
        hint: database.hint().map(str::to_owned),
    }
}

/// The error and what lies behind it ("connection refused"); none of the links holds the password.
pub fn with_causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = deeper.source();
    }
    text
}

/// The server did not answer, although it should have given up by itself before.
pub fn no_answer(after: Duration) -> StoreError {
    StoreError::new(
        Condition::Unreachable,
        format!("no answer from the database in {} ms", after.as_millis()),
    )
}
