//! A private PostgreSQL server in a directory of its own: started, stopped, crashed, started again, thrown away.

mod builder;
mod dirs;
mod machine;
mod replica;
pub(crate) mod template;
mod tools;

use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio_postgres::{Client, NoTls};

pub use builder::ClusterBuilder;
pub use machine::Machine;

use crate::postgres::Postgres;
use crate::process::{self, Identity, Lifetime, Process, Signal};
use crate::wait_until;

/// The superuser of every private server.
pub const SUPERUSER: &str = "postgres";

/// A start may replay a crash's write-ahead log on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How much of the log an error shows.
const LOG_TAIL: u64 = 4000;

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ends sessions, writes everything out.
    Fast,
    /// Ends at once; the next start recovers from the log.
    Immediate,
}

/// A private PostgreSQL server. Dropping it stops it and removes its directory (kept if `RAW_OPS_KEEP=1`).
#[derive(Debug)]
pub struct Cluster {
    postgres: Postgres,
    dir: PathBuf,
    socket_dir: PathBuf,
    port: u16,
    lifetime: Lifetime,
    environment: Vec<(String, String)>,
    machine: Option<Machine>,
    server: Option<Process>,
}

impl Cluster {
    /// A server with the tests' defaults, durable: `Cluster::builder().start().await?`.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Its directory; the data is in `data`, the log in `server.log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The directory of its unix socket: `psql -h` takes it.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Its TCP port on 127.0.0.1; the unix socket has the same number.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The installation it runs from.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The main process, if the server runs.
    pub fn postmaster(&self) -> Option<Identity> {
        self.server
            .as_ref()
            .map(Process::identity)
            .filter(|identity| identity.alive())
    }

    /// A connection string over TCP, without a password.
    pub fn url(&self, db: &str, role: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/{db}", self.port)
    }

    /// Connects as the superuser over the unix socket. The connection runs in a task of the current runtime.
    pub async fn connect(&self, db: &str) -> Result<Client> {
        self.connect_as(db, SUPERUSER).await
    }

    /// Connects as a role over the unix socket.
    pub async fn connect_as(&self, db: &str, role: &str) -> Result<Client> {
        let (client, connection) =
            self.config(db, role).connect(NoTls).await.with_context(|| {
                format!("cannot connect to database {db} as {role} on port {}", self.port)
            })?;
        // The client reports what ends the connection; the task has nobody else to tell.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// How to connect over the unix socket, for whoever looks after the connection themselves.
    pub fn config(&self, db: &str, role: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.socket_dir)
            .port(self.port)
            .user(role)
            .dbname(db)
            .connect_timeout(CONNECT_LIMIT);
        config
    }

    /// Creates a database.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let statement = format!("CREATE DATABASE {}", quote_identifier(name));
        self.connect("postgres").await?.batch_execute(&statement).await?;
        Ok(())
    }

    /// Starts the stopped server and waits until it accepts connections.
    pub async fn start(&mut self) -> Result<()> {
        ensure!(self.postmaster().is_none(), "the server already runs");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        self.postgres.give(&self.log_path())?;
        let mut command = match &self.machine {
            Some(machine) => machine.command(self)?,
            None => {
                let mut command = self.postgres.command("postgres");
                command.arg("-D").arg(self.data_dir());
                command
            }
        };
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone()?)
            .stderr(log);
        let removes = (!keeps_files()).then_some(self.dir.as_path());
        self.server = Some(Process::spawn(command, self.lifetime, removes)?);
        self.wait_ready().await
    }

    /// Waits until the server accepts connections: after a crash it does so again by itself.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let mut ended = None;
        let waited = wait_until(START_LIMIT, "the server to accept connections", async || {
            ended = self.server.as_mut().and_then(Process::ended);
            ended.is_some() || self.connect("postgres").await.is_ok()
        })
        .await;
        if let Some(status) = ended {
            bail!(
                "the server ended ({status}); the end of its log:\n{}",
                self.log_tail()
            );
        }
        waited.with_context(|| format!("the end of the server's log:\n{}", self.log_tail()))
    }

    /// Stops the server and waits until it has ended.
    pub async fn stop(&mut self, how: Stop) -> Result<()> {
        let Some(server) = self.server.as_mut() else {
            return Ok(());
        };
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        server.signal(signal);
        let ended = server.wait(STOP_LIMIT).await;
        ended.with_context(|| format!("the end of the server's log:\n{}", self.log_tail()))?;
        self.server = None;
        Ok(())
    }

    /// Stops and starts it again, on the same port.
    pub async fn restart(&mut self, how: Stop) -> Result<()> {
        self.stop(how).await?;
        self.start().await
    }

    /// `kill -9` of the main process, then waits until its orphans have noticed: only then can it be started again.
    pub async fn kill_postmaster(&mut self) -> Result<()> {
        let server = self.server.as_mut().context("the server does not run")?;
        let orphans = process::children_of(server.pid());
        server.signal(Signal::KILL);
        server.wait(STOP_LIMIT).await?;
        self.server = None;
        wait_until(STOP_LIMIT, "the dead server's processes to end", async || {
            orphans.iter().all(|orphan| !orphan.alive())
        })
        .await
    }

    /// `kill -9` of one process of this server (`pg_backend_pid()`, a background worker's pid), then waits until the server has
    /// noticed: until then it lets others in whom it ends too. Every session ends and the server recovers; see
    /// [`Cluster::wait_ready`].
    pub async fn kill_backend(&self, pid: i32) -> Result<()> {
        let postmaster = self.postmaster().context("the server does not run")?;
        ensure!(
            process::parent_of(pid) == Some(postmaster.pid),
            "process {pid} is not one of this server's"
        );
        let killed = Identity::of(pid).is_some_and(|backend| backend.signal(Signal::KILL));
        ensure!(killed, "process {pid} has ended by itself");
        let noticed = format!("(PID {pid}) was terminated by signal");
        wait_until(STOP_LIMIT, "the server to notice", async || {
            self.log().contains(&noticed)
        })
        .await
    }

    /// The log file.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// The whole log.
    pub fn log(&self) -> String {
        self.log_from(0)
    }

    /// The last few thousand characters of the log.
    pub fn log_tail(&self) -> String {
        let length = std::fs::metadata(self.log_path()).map_or(0, |meta| meta.len());
        self.log_from(length.saturating_sub(LOG_TAIL))
    }

    /// The log from a position on: take the length before an action to see what the action wrote.
    pub fn log_from(&self, position: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.log_path())
            && file.seek(SeekFrom::Start(position)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Persistent {
            return;
        }
        if let Some(mut server) = self.server.take() {
            // Its data goes with it: there is nothing to write out.
            server.signal(Signal::QUIT);
            if !server.wait_blocking(Duration::from_secs(20)) {
                server.signal(Signal::KILL);
                server.wait_blocking(STOP_LIMIT);
            }
        }
        if keeps_files() {
            eprintln!("kept: {}", self.dir.display());
            return;
        }
        let _ = std::fs::remove_dir_all(&self.dir);
        let _ = std::fs::remove_dir_all(&self.socket_dir);
    }
}

/// A TCP port of 127.0.0.1 that is free now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Is this TCP port of 127.0.0.1 free now?
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

/// An SQL identifier in quotes.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn keeps_files() -> bool {
    std::env::var_os("RAW_OPS_KEEP").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests;
