//! A connection that is lent for one call.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use crate::config::Database;
use crate::store::tls;

/// How long a statement that was given up may keep its connection from being replaced, where it cannot be cancelled.
const LET_GO_TIME: Duration = Duration::from_secs(30);

/// How connections are secured, those that carry a cancellation too.
#[derive(Clone)]
pub enum Security {
    /// Not at all. The TLS connector insists on a host name, which a local socket does not have.
    Plain,
    /// By TLS.
    Tls(MakeRustlsConnect),
}

impl Security {
    /// As `DATABASE_URL` says. The error names what cannot be used.
    pub fn of(database: &Database) -> Result<Self, String> {
        Ok(match database.target.get_ssl_mode() {
            SslMode::Disable => Self::Plain,
            _ => Self::Tls(tls::connector(&database.tls)?),
        })
    }

    /// Asks the server to cancel; done once the server has passed it on. Where that fails, the statement goes on until it ends.
    async fn cancel(&self, token: CancelToken) {
        let _ = match self {
            Self::Plain => token.cancel_query(NoTls).await,
            Self::Tls(connector) => token.cancel_query(connector.clone()).await,
        };
    }
}

/// A connection that goes back to the pool only after a call that the server finished. Dropped in mid-call, the statement is cancelled
/// and the connection closed, and it is replaced only when the server has let go of it: else each call that waits for a lock would
/// leave a session behind, until the server has none left.
pub struct Lease {
    connection: Option<Object>,
    security: Security,
}

impl Lease {
    /// A connection of the pool.
    pub async fn take(pool: &Pool, security: &Security) -> Result<Self, Failure> {
        Ok(Self {
            connection: Some(pool.get().await.map_err(Failure::Pool)?),
            security: security.clone(),
        })
    }

    /// The connection.
    pub fn client(&self) -> Result<&Client, Failure> {
        let connection = self.connection.as_ref();
        let client = connection.map(|connection| -> &Client { connection });
        client.ok_or_else(|| Failure::Shape("no connection".to_owned()))
    }

    /// Cancels what runs on it.
    pub async fn cancel(&self) {
        if let Some(connection) = &self.connection {
            self.security.cancel(connection.cancel_token()).await;
        }
    }

    /// The server has finished the call: the connection is used again, or closed.
    pub fn end(mut self, usable: bool) {
        let connection = self.connection.take();
        if !usable && let Some(connection) = connection {
            drop(Object::take(connection));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if !connection.is_closed() => {
                runtime.spawn(let_go(connection, self.security.clone()));
            }
            _ => drop(Object::take(connection)),
        }
    }
}

/// Cancels the statement that runs, waits until it has ended, closes the connection. It counts in its pool until then.
async fn let_go(connection: Object, security: Security) {
    let ended = async {
        security.cancel(connection.cancel_token()).await;
        // Answered once everything before it is; that it fails with the connection is as good.
        let _ = connection.batch_execute("").await;
    };
    // Out of time: the connection is closed all the same.
    let _ = timeout(LET_GO_TIME, ended).await;
    drop(Object::take(connection));
}
