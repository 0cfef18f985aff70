//! The real inbox: one prepared call over a pool of connections.

use std::error::Error as _;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use deadpool_postgres::{Runtime, TimeoutType};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Answer, Class, Inbox, Receipt, StoreError, Webhook, tls};
use crate::config::Database;

/// One call, one transaction, one commit. The id travels as text: it is only passed on.
const RECEIVE: &str = "\
    SELECT ordinal::int, webhook_id::text, duplicate \
      FROM raw_ops.receive_webhooks($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])";

/// Establishing a connection may take this long.
const CONNECT_TIME: Duration = Duration::from_secs(3);
const PROBE_TIME: Duration = Duration::from_secs(3);

/// Webhooks kept by `raw_ops.receive_webhooks`.
pub struct Postgres {
    pool: Pool,
    deadline: Duration,
    /// One probe at a time: whoever asks often must not take connections from the writers.
    probing: Mutex<()>,
}

impl Postgres {
    /// Prepares a pool of `writers` connections and one more for probes; connects only when needed. `deadline` bounds one call with its
    /// retry. Fails if the connection's security cannot be set up.
    pub fn new(database: &Database, writers: usize, deadline: Duration) -> Result<Self, StoreError> {
        let broken = |why: String| StoreError::new(Class::Rejected, why);
        let mut target = database.target.clone();
        target
            .application_name("edge-shim")
            .connect_timeout(CONNECT_TIME)
            .tcp_user_timeout(deadline);
        let method = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        // The TLS connector insists on a host name, which a local socket does not have.
        let manager = match target.get_ssl_mode() {
            SslMode::Disable => Manager::from_config(target, NoTls, method),
            _ => Manager::from_config(target, tls::connector(&database.tls).map_err(broken)?, method),
        };
        // Below the deadline, so that the server has given up by the time that the shim does.
        let statement_timeout = (deadline * 9 / 10).as_millis().max(1);
        let prepare_session = format!("SET statement_timeout = {statement_timeout}");
        let pool = Pool::builder(manager)
            .max_size(writers + 1)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIME.min(deadline)))
            .create_timeout(Some(CONNECT_TIME.min(deadline)))
            .post_create(Hook::async_fn(move |client, _| {
                let prepare_session = prepare_session.clone();
                Box::pin(async move {
                    client
                        .batch_execute(&prepare_session)
                        .await
                        .map_err(HookError::Backend)
                })
            }))
            .build()
            .map_err(|error| broken(format!("no connection pool: {error}")))?;
        Ok(Self {
            pool,
            deadline,
            probing: Mutex::new(()),
        })
    }

    /// A connection can have died unnoticed since its last use. The call is idempotent (by event id, or by the body's hash where there
    /// is none), so it may be made once more on a fresh connection whether or not the first one reached the server.
    async fn attempt_twice(&self, webhooks: &[Webhook]) -> Result<Vec<Receipt>, StoreError> {
        match self.attempt(webhooks).await {
            Err(Failure::Query(error)) if connection_is_stale(&error) => {
                self.pool.retain(|client, _| !client.is_closed());
                self.attempt(webhooks).await
            }
            other => other,
        }
        .map_err(StoreError::from)
    }

    async fn attempt(&self, webhooks: &[Webhook]) -> Result<Vec<Receipt>, Failure> {
        let mut lease = Lease(Some(self.pool.get().await?));
        let Some(client) = lease.0.as_ref() else {
            return Err(Failure::Shape("no connection".to_owned()));
        };
        let outcome = call(client, webhooks).await;
        if outcome
            .as_ref()
            .err()
            .is_none_or(Failure::leaves_connection_usable)
        {
            lease.give_back();
        }
        outcome
    }

    async fn probe_once(&self) -> Result<(), StoreError> {
        let outcome = timeout(PROBE_TIME, async {
            let _one_at_a_time = self.probing.lock().await;
            self.attempt_twice(&[]).await
        });
        outcome.await.map_err(|_| no_answer(PROBE_TIME))?.map(|_| ())
    }
}

impl Inbox for Postgres {
    fn receive<'a>(&'a self, webhooks: &'a [Webhook]) -> Answer<'a, Vec<Receipt>> {
        Box::pin(async {
            timeout(self.deadline, self.attempt_twice(webhooks))
                .await
                .map_err(|_| no_answer(self.deadline))?
        })
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(self.probe_once())
    }
}

async fn call(client: &Object, webhooks: &[Webhook]) -> Result<Vec<Receipt>, Failure> {
    let statement = client.prepare_cached(RECEIVE).await?;
    let providers: Vec<&str> = webhooks.iter().map(|webhook| webhook.provider).collect();
    let topics: Vec<&str> = webhooks.iter().map(|webhook| webhook.topic.as_str()).collect();
    let event_ids: Vec<Option<&str>> = webhooks
        .iter()
        .map(|webhook| webhook.event_id.as_deref())
        .collect();
    let headers: Vec<JsonText<'_>> = webhooks
        .iter()
        .map(|webhook| JsonText(&webhook.headers))
        .collect();
    let bodies: Vec<&[u8]> = webhooks.iter().map(|webhook| webhook.body.as_ref()).collect();
    let parameters: [&(dyn ToSql + Sync); 5] = [&providers, &topics, &event_ids, &headers, &bodies];
    let rows = client.query(&statement, &parameters).await?;
    in_order(&rows, webhooks.len())
}

/// A connection that goes back to the pool only after a call that the server finished. Dropped in mid-call it is closed: a later call
/// must never queue behind a statement that still runs, nor reuse a server that has become read-only.
struct Lease(Option<Object>);

impl Lease {
    fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

/// Puts the receipts in the order of the webhooks; the rows' order is not promised.
fn in_order(rows: &[tokio_postgres::Row], expected: usize) -> Result<Vec<Receipt>, Failure> {
    let mut receipts: Vec<Option<Receipt>> = vec![None; expected];
    for row in rows {
        let (ordinal, receipt) = read_row(row).map_err(|error| Failure::Shape(with_causes(&error)))?;
        let place = usize::try_from(ordinal)
            .ok()
            .and_then(|ordinal| ordinal.checked_sub(1));
        let Some(slot) = place.and_then(|place| receipts.get_mut(place)) else {
            return Err(Failure::Shape(format!(
                "receipt {ordinal} came back for {expected} webhooks"
            )));
        };
        *slot = Some(receipt);
    }
    let complete: Option<Vec<Receipt>> = receipts.into_iter().collect();
    complete.ok_or_else(|| {
        Failure::Shape(format!(
            "{} receipts came back for {expected} webhooks",
            rows.len()
        ))
    })
}

fn read_row(row: &tokio_postgres::Row) -> Result<(i32, Receipt), tokio_postgres::Error> {
    Ok((
        row.try_get(0)?,
        Receipt {
            webhook_id: row.try_get(1)?,
            duplicate: row.try_get(2)?,
        },
    ))
}

/// JSON that is text already: serialised once, when the request came in.
#[derive(Debug)]
struct JsonText<'a>(&'a str);

impl ToSql for JsonText<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        const JSONB_WIRE_VERSION: u8 = 1;
        out.put_u8(JSONB_WIRE_VERSION);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

/// What can go wrong in one attempt.
enum Failure {
    Pool(PoolError),
    Query(tokio_postgres::Error),
    Shape(String),
}

impl Failure {
    /// True if the server answered and its session goes on as before.
    fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Query(error) => match error.code() {
                Some(code) => {
                    !connection_is_stale(error) && Class::of_sqlstate(code.code()) != Class::Unavailable
                }
                None => false,
            },
            Self::Pool(_) | Self::Shape(_) => false,
        }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error)
    }
}

/// True if the same call may go well on another connection at once.
fn connection_is_stale(error: &tokio_postgres::Error) -> bool {
    match error.code().map(|code| code.code()) {
        None => true,
        // Ended by an operator, or for idleness; a prepared statement that the server (or a pooler) forgot or outgrew.
        Some("57P01" | "57P05" | "26000" | "0A000") => true,
        Some(_) => false,
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Shape(message) => Self::new(Class::Rejected, message),
            Failure::Query(error) => from_postgres(&error),
            // Without a connection nothing can be stored, whatever the reason.
            Failure::Pool(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => Self {
                class: Class::Unavailable,
                ..from_postgres(&error)
            },
            Failure::Pool(PoolError::Timeout(TimeoutType::Wait)) => {
                Self::new(Class::Unavailable, "every database connection is busy")
            }
            Failure::Pool(PoolError::Timeout(_)) => {
                Self::new(Class::Unavailable, "no connection to the database in time")
            }
            Failure::Pool(error) => Self::new(Class::Unavailable, error.to_string()),
        }
    }
}

fn from_postgres(error: &tokio_postgres::Error) -> StoreError {
    let Some(database) = error.as_db_error() else {
        return StoreError::new(Class::Unavailable, with_causes(error));
    };
    StoreError {
        class: Class::of_sqlstate(database.code().code()),
        sqlstate: Some(database.code().code().to_owned()),
        message: database.message().to_owned(),
        hint: database.hint().map(str::to_owned),
    }
}

/// The error and what lies behind it ("connection refused"); none of the links holds the password.
fn with_causes(error: &tokio_postgres::Error) -> String {
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

fn no_answer(after: Duration) -> StoreError {
    StoreError::new(
        Class::Unavailable,
        format!("no answer from the database in {} ms", after.as_millis()),
    )
}
