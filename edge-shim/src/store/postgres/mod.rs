//! The real inbox: one call over a pool of connections.
//!
//! Nothing outlives a transaction: no statement has a name and no session has a setting, so that a pooler may hand each transaction to
//! another session. What bounds a call is set for its transaction, too: cancelling it from here would need a message out of line, and
//! PgBouncer 1.18 may end itself over such a message
//! (<https://github.com/pgbouncer/pgbouncer/issues/801>).

mod failure;
mod lease;
mod receipts;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};

use self::failure::{Failure, no_answer, refined};
use self::lease::Lease;
use super::{Answer, Condition, Inbox, Receipt, StoreError, Webhook, tls};
use crate::config::Database;

/// One call, one transaction, one commit, sent in one go. The id travels as text: it is only passed on. A receipt is known by the
/// reference that its webhook was given: behind a proxy that splits the call, each part counts its own from 1.
const RECEIVE: &str = "\
    SELECT reference, webhook_id::text, duplicate \
      FROM raw_ops.receive_webhooks($1, $2, $3, $4, $5, $6, $7)";

/// Stores a webhook as new and as a repeat, through each of the two functions, and takes it back.
const PROBE: &str = "\
    BEGIN; \
    SET LOCAL lock_timeout = '1s'; \
    SET LOCAL statement_timeout = '1500ms'; \
    SELECT raw_ops.receive_webhook('shopify', 'orders/create', \
               pg_catalog.concat('readyz-', pg_catalog.gen_random_uuid()), '{}', '{}', ''); \
    SELECT ordinal FROM raw_ops.receive_webhooks(ARRAY['shopify', 'shopify'], ARRAY['orders/create', 'orders/create'], \
               pg_catalog.array_fill(pg_catalog.concat('readyz-', pg_catalog.gen_random_uuid()), ARRAY[2]), \
               ARRAY['{}', '{}']::jsonb[], ARRAY['{}', '{}']::bytea[], ARRAY['', ''], ARRAY['0', '1']); \
    ROLLBACK";

/// Establishing a connection may take this long.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// The same for a probe, which has two seconds in all.
const PROBE_CONNECT_TIME: Duration = Duration::from_millis(1500);
/// Storing a large webhook may take this long, whatever the deadline: whoever sent it has been told to send it again by then, and finds
/// it stored. Given up in time it might be given up each time.
const LARGE_TIME: Duration = Duration::from_secs(12);

/// Webhooks kept by `raw_ops.receive_webhooks`.
pub struct Postgres {
    writers: Pool,
    /// A connection of its own: whoever asks often must not take connections from the writers.
    probes: Pool,
    deadline: Duration,
}

impl Postgres {
    /// Prepares a pool of `writers` connections and one more for probes; connects only when needed. `deadline` bounds one call with its
    /// retry, but for a large webhook's. Fails if the connection's security cannot be set up.
    pub fn new(database: &Database, writers: usize, deadline: Duration) -> Result<Self, StoreError> {
        let connect_time = CONNECT_TIME.min(deadline);
        Ok(Self {
            writers: pool(database, deadline, writers, connect_time)?,
            probes: pool(database, deadline, 1, PROBE_CONNECT_TIME)?,
            deadline,
        })
    }

    /// A connection can have died unnoticed since its last use. The call is idempotent (by event id, or by the body's hash where there
    /// is none), so it may be made once more on a fresh connection whether or not the first one reached the server.
    async fn attempt_twice(&self, webhooks: &[Webhook], until: Instant) -> Result<Vec<Receipt>, StoreError> {
        match self.attempt(webhooks, until).await {
            Err(failure) if failure.is_stale() => {
                self.writers.retain(|client, _| !client.is_closed());
                self.attempt(webhooks, until).await
            }
            other => other,
        }
        .map_err(StoreError::from)
    }

    async fn attempt(&self, webhooks: &[Webhook], until: Instant) -> Result<Vec<Receipt>, Failure> {
        let lease = Lease::take(&self.writers).await?;
        let client = lease.client()?;
        let begin = match webhooks {
            // It may not wait for a lock as long as it may work: then it is said what stood in the way.
            [webhook] if webhook.is_large() => bounded(until, Some(self.deadline / 2)),
            _ => bounded(until, None),
        };
        let outcome = match call(client, &begin, webhooks).await {
            Err(failure) => Err(refined(client, failure).await),
            ok => ok,
        };
        let usable = outcome
            .as_ref()
            .err()
            .is_none_or(Failure::leaves_connection_usable);
        lease.end(usable);
        outcome
    }

    async fn probe_twice(&self) -> Result<(), StoreError> {
        match self.probe_once().await {
            Err(failure) if failure.is_stale() => {
                self.probes.retain(|client, _| !client.is_closed());
                self.probe_once().await
            }
            other => other,
        }
        .map_err(StoreError::from)
    }

    async fn probe_once(&self) -> Result<(), Failure> {
        let lease = Lease::take(&self.probes).await?;
        let client = lease.client()?;
        let outcome = match client.batch_execute(PROBE).await.map_err(Failure::Query) {
            Err(failure) => {
                // A connection that is gone has rolled back by itself.
                let _ = client.batch_execute("ROLLBACK").await;
                Err(refined(client, failure).await)
            }
            ok => ok,
        };
        lease.end(outcome.is_ok());
        outcome
    }
}

impl Inbox for Postgres {
    fn receive<'a>(&'a self, webhooks: &'a [Webhook]) -> Answer<'a, Vec<Receipt>> {
        Box::pin(async {
            let time = match webhooks {
                [webhook] if webhook.is_large() => self.deadline.max(LARGE_TIME),
                _ => self.deadline,
            };
            let until = Instant::now() + time;
            timeout_at(until, self.attempt_twice(webhooks, until))
                .await
                .map_err(|_| no_answer(time))?
        })
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(self.probe_twice())
    }
}

fn pool(
    database: &Database,
    deadline: Duration,
    connections: usize,
    connect_time: Duration,
) -> Result<Pool, StoreError> {
    let broken = |why: String| StoreError::new(Condition::Refused, why);
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
    Pool::builder(manager)
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(connect_time))
        .create_timeout(Some(connect_time))
        .build()
        .map_err(|error| broken(format!("no connection pool: {error}")))
}

/// Begins a transaction that the server ends before `until`, early enough to be heard. What connecting took is gone: a limit that did
/// not know it would let every slow connection be given up, closed, and replaced by another as slow, and the reason never heard. A
/// single lock is waited for no longer than `lock_time`, if that is given.
fn bounded(until: Instant, lock_time: Option<Duration>) -> String {
    let left = until.saturating_duration_since(Instant::now());
    let statement_timeout = (left * 4 / 5).as_millis().max(1);
    let begin = format!("BEGIN; SET LOCAL statement_timeout = {statement_timeout}");
    match lock_time {
        Some(time) => format!("{begin}; SET LOCAL lock_timeout = {}", time.as_millis().max(1)),
        None => begin,
    }
}

async fn call(client: &Client, begin: &str, webhooks: &[Webhook]) -> Result<Vec<Receipt>, Failure> {
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
    let shops: Vec<&str> = webhooks
        .iter()
        .map(|webhook| webhook.shop_domain.as_str())
        .collect();
    let references: Vec<String> = (0..webhooks.len()).map(receipts::reference).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
        (&providers, Type::TEXT_ARRAY),
        (&topics, Type::TEXT_ARRAY),
        (&event_ids, Type::TEXT_ARRAY),
        (&headers, Type::JSONB_ARRAY),
        (&bodies, Type::BYTEA_ARRAY),
        (&shops, Type::TEXT_ARRAY),
        (&references, Type::TEXT_ARRAY),
    ];
    // Sent one behind the other before the first is answered: one way there and back. The call is parsed, bound and executed without a
    // name. A call that failed makes the commit a rollback.
    let (begun, rows, committed) = tokio::join!(
        biased;
        client.batch_execute(begin),
        client.query_typed(RECEIVE, &parameters),
        client.batch_execute("COMMIT"),
    );
    begun.map_err(Failure::Query)?;
    let rows = rows.map_err(Failure::Query)?;
    committed.map_err(Failure::Query)?;
    receipts::in_order(&rows, webhooks.len())
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
