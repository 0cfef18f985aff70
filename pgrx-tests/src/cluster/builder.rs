//! Making a server's directory and settings.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::sync::Mutex;

use super::dirs::{copy, private_dir, socket_dir};
use super::{Cluster, Machine, SUPERUSER, free_port, machine, quote_identifier, template};
use crate::postgres::{Postgres, checked};
use crate::process::Lifetime;

/// Another process may take the free port between the look and the start.
const PORT_TRIES: usize = 5;

/// How a private server is made. Without settings: durable (fsync on), 128 MB of buffers, 100 connections, UTF-8, C.UTF-8,
/// trusted on its own socket and on 127.0.0.1.
#[derive(Clone, Debug, Default)]
pub struct ClusterBuilder {
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    fast: bool,
    socket_only: bool,
    database: Option<String>,
    dir: Option<PathBuf>,
    copied: Option<PathBuf>,
    machine: Option<Machine>,
}

impl ClusterBuilder {
    /// A line of `postgresql.conf`; the value is quoted here. A later one of the same name wins.
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// An environment variable of the server, e.g. `SSL_CERT_FILE`.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// `shared_preload_libraries`.
    pub fn preload(self, libraries: &str) -> Self {
        self.setting("shared_preload_libraries", libraries)
    }

    /// Preloads raw_ops and pg_cron for one database, which is created before the first start (both look for it at once).
    pub fn for_raw_ops(self, database: &str) -> Self {
        self.preload("pg_cron,raw_ops")
            .setting("cron.database_name", database)
            .setting("raw_ops.database", database)
            .setting("max_worker_processes", 24)
            // Whatever it sends goes to receivers on this machine, which may have no machine-id: nothing is held.
            .setting("raw_ops.allow_private_targets", "on")
            .setting("raw_ops.delivery_hosts", "*")
            .initial_database(database)
    }

    /// Creates this database before the first start.
    pub fn initial_database(mut self, name: &str) -> Self {
        self.database = Some(name.to_owned());
        self
    }

    /// Trades durability for speed (no fsync): only where no test asks what survives a crash.
    pub fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    /// Listens on its unix socket only.
    pub fn socket_only(mut self) -> Self {
        self.socket_only = true;
        self
    }

    /// Uses this directory and outlives this process: stop it by [`Cluster::postmaster`]'s id. Data that is already
    /// there is used again.
    pub fn persistent(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Runs on a machine of its own, as far as the server can tell.
    pub fn on(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// Begins with a copy of the data of another server, which must be stopped: what a volume's snapshot does.
    pub fn copy_of(self, other: &Cluster) -> Self {
        self.copy_of_data(&other.data_dir())
    }

    /// Begins with a copy of this data directory, which no server uses.
    pub(crate) fn copy_of_data(mut self, data: &Path) -> Self {
        self.copied = Some(data.to_owned());
        self
    }

    /// Makes the server and starts it.
    pub async fn start(self) -> Result<Cluster> {
        let postgres = Postgres::find()?;
        if self.machine.is_some() {
            machine::check(&postgres)?;
        }
        let (dir, lifetime) = match &self.dir {
            Some(dir) => (dir.clone(), Lifetime::Persistent),
            None => (private_dir(self.fast)?, Lifetime::Bound),
        };
        postgres.make_private_dir(&dir)?;
        let socket_dir = socket_dir(&postgres, &dir)?;
        let mut cluster = Cluster {
            postgres,
            dir,
            socket_dir,
            port: free_port()?,
            lifetime,
            environment: self.environment.clone(),
            machine: self.machine.clone(),
            server: None,
        };
        if let Some(data) = &self.copied {
            copy(data, &cluster.data_dir()).await?;
        }
        if !cluster.data_dir().join("PG_VERSION").exists() {
            self.fill(&cluster).await?;
        }
        for attempt in 1.. {
            self.configure(&cluster)?;
            match cluster.start().await {
                Ok(()) => break,
                Err(_) if attempt < PORT_TRIES && cluster.log_tail().contains("Address already in use") => {
                    cluster.port = free_port()?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(cluster)
    }

    /// Gives the server its data. One that stays has a system identifier that nobody else has, as a user's does, and so has
    /// one on a machine of its own: its tests ask who is whose copy.
    async fn fill(&self, cluster: &Cluster) -> Result<()> {
        let database = self.database.as_deref();
        if cluster.lifetime == Lifetime::Persistent || cluster.machine.is_some() {
            return self.make(cluster, database).await;
        }
        let template = fresh(&cluster.postgres, database, self.fast).await?;
        copy(&template, &cluster.data_dir()).await
    }

    /// Makes the data anew.
    async fn make(&self, cluster: &Cluster, database: Option<&str>) -> Result<()> {
        initialise(cluster, self.fast).await?;
        std::fs::write(
            cluster.data_dir().join("pg_hba.conf"),
            "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 trust\n",
        )?;
        if let Some(database) = database {
            self.configure(cluster)?;
            create_before_start(cluster, database).await?;
        }
        Ok(())
    }

    /// Writes `postgresql.conf`, whole: nothing of initdb's stays. ALTER SYSTEM still wins over it.
    fn configure(&self, cluster: &Cluster) -> Result<()> {
        let port = cluster.port.to_string();
        let socket_dir = cluster
            .socket_dir
            .to_str()
            .context("the socket directory is not UTF-8")?;
        let mut lines = String::from("# Written by the test harness.\n");
        let mut add = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(
                lines,
                "{name} = '{}'",
                value.replace('\\', "\\\\").replace('\'', "''")
            );
        };
        add("port", &port);
        add(
            "listen_addresses",
            if self.socket_only { "" } else { "127.0.0.1" },
        );
        add("unix_socket_directories", socket_dir);
        // As docs/install.md has it: jobs log in over the socket.
        add("cron.host", socket_dir);
        for (name, value) in DEFAULTS {
            add(name, value);
        }
        add("raw_ops.secret_key_file", &key_file(cluster)?);
        if self.fast {
            for name in ["fsync", "full_page_writes", "synchronous_commit"] {
                add(name, "off");
            }
        }
        for (name, value) in &self.settings {
            add(name, value);
        }
        let path = cluster.data_dir().join("postgresql.conf");
        std::fs::write(&path, lines)?;
        cluster.postgres.give(&path)
    }
}

/// One is made at a time.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A data directory fresh from initdb, never started, with an empty database of this name. Its copies have one system
/// identifier among them.
async fn fresh(postgres: &Postgres, database: Option<&str>, is_fast: bool) -> Result<PathBuf> {
    let place = template::place("postgres", template::key(postgres, database, is_fast)?)?;
    let _one = MAKING.lock().await;
    if !place.is_dir() {
        let maker = maker(postgres)?;
        let builder = ClusterBuilder {
            fast: is_fast,
            ..ClusterBuilder::default()
        };
        builder.make(&maker, database).await?;
        template::keep(&maker.data_dir(), &place).await?;
    }
    Ok(place)
}

/// A server that is never started; its directory goes with it.
fn maker(postgres: &Postgres) -> Result<Cluster> {
    let dir = private_dir(true)?;
    postgres.make_private_dir(&dir)?;
    Ok(Cluster {
        postgres: postgres.clone(),
        socket_dir: socket_dir(postgres, &dir)?,
        dir,
        port: free_port()?,
        lifetime: Lifetime::Bound,
        environment: Vec::new(),
        machine: None,
        server: None,
    })
}

/// The key of this server's secrets, beside its data; made once.
fn key_file(cluster: &Cluster) -> Result<String> {
    let path = cluster.dir().join("secret.key");
    if !path.exists() {
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(random_key().as_bytes())?;
        cluster.postgres.give(&path)?;
    }
    Ok(path.to_str().context("the directory is not UTF-8")?.to_owned())
}

fn random_key() -> String {
    (0..4).map(|_| format!("{:016x}", fastrand::u64(..))).collect()
}

const DEFAULTS: &[(&str, &str)] = &[
    ("shared_buffers", "128MB"),
    ("max_connections", "100"),
    ("max_wal_size", "1GB"),
    ("fsync", "on"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] %b %q%u@%d "),
    ("log_checkpoints", "off"),
    ("cluster_name", "raw_ops"),
];

async fn initialise(cluster: &Cluster, is_fast: bool) -> Result<()> {
    let mut command = cluster.postgres.command("initdb");
    command.args([
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=trust",
        "--no-sync",
        "--no-instructions",
    ]);
    if is_fast {
        // The data is copied for nearly every test: a third of it would be one empty segment.
        command.arg("--wal-segsize=1");
    }
    command
        .arg(format!("--username={SUPERUSER}"))
        .arg("--pgdata")
        .arg(cluster.data_dir());
    checked("initdb", tokio::process::Command::from(command).output().await?)?;
    Ok(())
}

/// Creates a database with no server running, so that libraries preloaded for it never miss it.
async fn create_before_start(cluster: &Cluster, name: &str) -> Result<()> {
    let mut command = cluster.postgres.command("postgres");
    command.args(["--single", "-E", "-D"]).arg(cluster.data_dir());
    // No preloaded library is needed for this, and some refuse a server of one process.
    command.args(["-c", "shared_preload_libraries=", "postgres"]);
    command.envs(cluster.environment.iter().map(|(name, value)| (name, value)));
    let mut child = tokio::process::Command::from(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let statement = format!("CREATE DATABASE {}\n", quote_identifier(name));
    let mut stdin = child.stdin.take().context("no pipe to the server")?;
    tokio::io::AsyncWriteExt::write_all(&mut stdin, statement.as_bytes()).await?;
    drop(stdin);
    let output = checked("creating the database", child.wait_with_output().await?)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !said.contains("ERROR"),
        "creating the database {name} failed:\n{said}"
    );
    Ok(())
}
