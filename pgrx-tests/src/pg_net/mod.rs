//! A stand-in for pg_net 0.20.5, which is in no package registry: its SQL, and its background worker as a task.
//!
//! It is as good and as bad as the real one: requests leave at commit only, a batch at a time; nothing of a batch is
//! visible before its slowest request has ended; everybody may read the queue; a crash empties both tables and the ids
//! begin again at 1; a worker that dies in a batch sends that batch again.
//!
//! It speaks http only, and cannot show the `backend_type` of a background worker: `net.check_worker_is_up()` tells.

mod curl;
mod worker;

use anyhow::{Context, Result};
use tokio_postgres::Client;

pub use worker::{PgNetWorker, PgNetWorkerBuilder};

/// What `pg_extension.extversion` says.
pub const VERSION: &str = "0.20.5";

const SCRIPT: &str = include_str!("../../pg_net/pg_net--0.20.5.sql");
const REGISTER: &str = include_str!("../../pg_net/register.sql");

/// `CREATE EXTENSION pg_net`, but for the worker: see [`PgNetWorker`]. The client must be a superuser's.
pub async fn create_extension(client: &Client) -> Result<()> {
    let script = format!("BEGIN;\n{SCRIPT}\n{REGISTER}\nCOMMIT;");
    client
        .batch_execute(&script)
        .await
        .context("in the stand-in's script of pg_net")
}

/// What a crash of the server does to pg_net, without one: every request and every response is gone, and the ids begin
/// again at 1. Stop or kill the worker first, or this waits for its batch.
pub async fn forget_everything(client: &Client) -> Result<()> {
    let statement = "TRUNCATE net.http_request_queue, net._http_response RESTART IDENTITY";
    Ok(client.batch_execute(statement).await?)
}

#[cfg(test)]
mod tests;
