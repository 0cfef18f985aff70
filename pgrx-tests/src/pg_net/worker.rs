//! pg_net's background worker as a thread of this process: one session, one batch after another, each one transaction.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket};

use super::VERSION;
use super::curl::{self, Outcome};
use crate::cluster::{Cluster, SUPERUSER};

/// Between two batches, as the real one does.
const PAUSE: Duration = Duration::from_secs(1);
/// The postmaster starts a background worker that died again, after a while.
const RESTART_PAUSE: Duration = Duration::from_millis(20);
const START_LIMIT: Duration = Duration::from_secs(30);

/// How a worker is started.
#[derive(Debug)]
pub struct PgNetWorkerBuilder {
    config: Config,
    pause: Duration,
}

impl PgNetWorkerBuilder {
    /// Waits so long between two batches, instead of a second: for tests that ask for many.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Starts it and waits until it is up.
    pub async fn start(self) -> Result<PgNetWorker> {
        let (orders, order) = watch::channel(Order::Work);
        let (tell, mut up) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("pg_net worker".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut killed = order.clone();
                    tokio::select! {
                        () = work(&self.config, self.pause, order, tell) => {}
                        // Its session goes with it; the server rolls the batch back.
                        _ = killed.wait_for(|order| *order == Order::Die) => {}
                    }
                });
            })?;
        let worker = PgNetWorker {
            orders,
            thread: Some(thread),
        };
        match tokio::time::timeout(START_LIMIT, up.wait_for(|up| *up)).await {
            Ok(Ok(_)) => Ok(worker),
            _ => bail!("the stand-in's worker of pg_net did not come up"),
        }
    }
}

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct PgNetWorker {
    orders: watch::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Work,
    Finish,
    Die,
}

impl PgNetWorker {
    /// One for this database, where the extension has been created.
    pub fn builder(cluster: &Cluster, db: &str) -> PgNetWorkerBuilder {
        let mut config = cluster.config(db, SUPERUSER);
        config.application_name(format!("pg_net {VERSION} worker"));
        PgNetWorkerBuilder { config, pause: PAUSE }
    }

    /// SIGTERM: it finishes its batch and ends.
    pub async fn stop(self) -> Result<()> {
        self.end(Order::Finish).await
    }

    /// It dies where it stands: a batch that was under way stays in the queue, and the next worker sends it again.
    pub async fn kill(self) -> Result<()> {
        self.end(Order::Die).await
    }

    async fn end(mut self, order: Order) -> Result<()> {
        self.orders.send_replace(order);
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || thread.join())
                .await?
                .map_err(|_| anyhow::anyhow!("the stand-in's worker of pg_net panicked"))?;
        }
        Ok(())
    }
}

impl Drop for PgNetWorker {
    fn drop(&mut self) {
        self.orders.send_replace(Order::Die);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Session after session: one ends with the server's crash, an administrator's command, an error in a batch.
async fn work(config: &Config, pause: Duration, order: watch::Receiver<Order>, tell: watch::Sender<bool>) {
    while *order.borrow() == Order::Work {
        if let Ok((client, connection)) = config.connect(NoTls).await {
            let wake = Arc::new(Notify::new());
            tokio::spawn(listen(connection, Arc::clone(&wake)));
            // The next session does what this one did not.
            let _ = session(client, pause, &wake, order.clone(), &tell).await;
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

async fn listen(mut connection: Connection<Socket, NoTlsStream>, wake: Arc<Notify>) {
    while let Some(Ok(message)) = std::future::poll_fn(|task| connection.poll_message(task)).await {
        if matches!(message, AsyncMessage::Notification(_)) {
            wake.notify_one();
        }
    }
    // What waits finds its session gone.
    wake.notify_one();
}

/// The bytes of an answer are stored as text unchecked, as the real worker does: this function returns its argument.
/// Nor does the server log its statements, which are none of a client's.
const PREPARE: &str = "
    SET log_statement = none;
    SET log_min_duration_statement = -1;
    LISTEN pg_net_wake;
    CREATE FUNCTION pg_temp.unchecked(bytea, integer) RETURNS text STRICT LANGUAGE internal AS 'bytea_substr_no_len'";

async fn session(
    mut client: Client,
    pause: Duration,
    wake: &Notify,
    mut order: watch::Receiver<Order>,
    tell: &watch::Sender<bool>,
) -> Result<()> {
    client.batch_execute(PREPARE).await?;
    tell.send_replace(true);
    // What a predecessor left is taken up without a wake.
    loop {
        while batch(&mut client).await? > 0 && *order.borrow() == Order::Work {
            tokio::time::sleep(pause).await;
        }
        tokio::select! {
            () = wake.notified() => {}
            // A worker that is asked to end while it waits has nothing to finish.
            _ = order.wait_for(|order| *order != Order::Work) => return Ok(()),
        }
        if client.is_closed() {
            bail!("the session ended");
        }
    }
}

const EXPIRE: &str = "
    DELETE FROM net._http_response WHERE ctid = ANY (array(
        SELECT ctid FROM net._http_response
         WHERE created < now() - coalesce(nullif(current_setting('pg_net.ttl', true), ''), '6 hours')::interval
         ORDER BY created LIMIT coalesce(nullif(current_setting('pg_net.batch_size', true), ''), '200')::integer))";

const TAKE: &str = "
    DELETE FROM net.http_request_queue q
     USING (SELECT id FROM net.http_request_queue ORDER BY id
             LIMIT coalesce(nullif(current_setting('pg_net.batch_size', true), ''), '200')::integer) batch
     WHERE q.id = batch.id
    RETURNING q.id, upper(q.method), q.url, q.timeout_milliseconds,
              array(SELECT key || ': ' || value FROM jsonb_each_text(q.headers) WHERE value IS NOT NULL), q.body";

const RECORD: &str = "
    INSERT INTO net._http_response (id, status_code, content, headers, content_type, timed_out, error_msg)
    VALUES ($1, $2, pg_temp.unchecked($3, 1), $4, $5, $6, $7)";

/// Everything between two commits; returns how much there was to do.
async fn batch(client: &mut Client) -> Result<u64> {
    let transaction = client.transaction().await?;
    let expired = transaction.execute(EXPIRE, &[]).await?;
    let rows = transaction.query(TAKE, &[]).await?;
    let mut requests = JoinSet::new();
    for row in &rows {
        let id: i64 = row.get(0);
        let timeout: i32 = row.get(3);
        let request = curl::Request {
            method: row.get(1),
            url: row.get(2),
            headers: row.get(4),
            body: row.get::<_, Option<Vec<u8>>>(5).map(Bytes::from),
            timeout_ms: timeout.try_into().unwrap_or(0),
        };
        requests.spawn(async move { (id, curl::perform(request).await) });
    }
    // Nothing is written before the last has ended.
    let record = transaction.prepare(RECORD).await?;
    for (id, outcome) in requests.join_all().await {
        match outcome {
            Outcome::Answer(answer) => {
                let headers = serde_json::Value::Object(answer.headers);
                let none: Option<&str> = None;
                let status = i32::from(answer.status);
                transaction
                    .execute(
                        &record,
                        &[
                            &id,
                            &status,
                            &answer.content,
                            &headers,
                            &answer.content_type,
                            &false,
                            &none,
                        ],
                    )
                    .await?;
            }
            Outcome::Failure { timed_out, message } => {
                let (status, none): (Option<i32>, Option<&str>) = (None, None);
                let (content, headers): (Option<&[u8]>, Option<serde_json::Value>) = (None, None);
                transaction
                    .execute(
                        &record,
                        &[&id, &status, &content, &headers, &none, &timed_out, &message],
                    )
                    .await?;
            }
        }
    }
    transaction.commit().await?;
    Ok(expired + rows.len() as u64)
}
