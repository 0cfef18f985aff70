//! A connection that is lent for one call.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::failure::Failure;

/// How long a call that was given up may keep its connection from being replaced.
const LET_GO_TIME: Duration = Duration::from_secs(30);

/// A connection that goes back to the pool only after a call that the server finished: a later call must never queue behind a statement
/// that still runs, nor reuse a server that has become read-only. Dropped in mid-call it is closed, and replaced only when the server has
/// let go of it: else a server that hangs would meet more sessions with every call.
pub struct Lease(Option<Object>);

impl Lease {
    /// A connection of the pool.
    pub async fn take(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self(Some(pool.get().await.map_err(Failure::Pool)?)))
    }

    /// The connection.
    pub fn client(&self) -> Result<&Client, Failure> {
        let client = self.0.as_ref().map(|connection| -> &Client { connection });
        client.ok_or_else(|| Failure::Shape("no connection".to_owned()))
    }

    /// The server has finished the call: the connection is used again, or closed.
    pub fn end(mut self, usable: bool) {
        let connection = self.0.take();
        if !usable && let Some(connection) = connection {
            drop(Object::take(connection));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if !connection.is_closed() => {
                runtime.spawn(let_go(connection));
            }
            _ => drop(Object::take(connection)),
        }
    }
}

/// Waits until the call that was given up has ended, and closes the connection. It counts in its pool until then.
async fn let_go(connection: Object) {
    // Answered once everything before it is. That it fails with the connection, or takes too long, is as good.
    let _ = timeout(LET_GO_TIME, connection.batch_execute("")).await;
    drop(Object::take(connection));
}
