//! PgBouncer as the distribution packages it, in transaction mode between a client and a private server.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_postgres::NoTls;

use crate::cluster::{Cluster, SUPERUSER, free_port};
use crate::postgres::Postgres;
use crate::process::{Lifetime, Process, Signal};
use crate::stack::SHIM_ROLE;
use crate::wait_until;
use crate::workspace::target_dirs;

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running (or stopped) pooler. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct PgBouncer {
    postgres: Postgres,
    port: u16,
    dir: tempfile::TempDir,
    process: Option<Process>,
}

impl PgBouncer {
    /// Starts one before this server: `pool_mode = transaction`, and these settings.
    pub async fn start(cluster: &Cluster, settings: &[(&str, &str)]) -> Result<Self> {
        let postgres = cluster.postgres().clone();
        let dir = tempfile::Builder::new().prefix("raw_ops-pgbouncer-").tempdir()?;
        // It refuses to run as root; and whom it runs as instead may not enter everywhere.
        postgres.make_private_dir(dir.path())?;
        copy_program(dir.path())?;
        let port = free_port()?;
        let mut text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n",
            cluster.port(),
            dir.path().join("users").display()
        );
        for (name, value) in settings {
            writeln!(text, "{name} = {value}")?;
        }
        let users = format!("\"{SHIM_ROLE}\" \"\"\n\"{SUPERUSER}\" \"\"\n");
        for (name, text) in [("pgbouncer.ini", text), ("users", users)] {
            let path = dir.path().join(name);
            std::fs::write(&path, text)?;
            postgres.give(&path)?;
        }
        let mut pooler = Self {
            postgres,
            port,
            dir,
            process: None,
        };
        pooler.begin().await?;
        Ok(pooler)
    }

    /// A connection string through it.
    pub fn url(&self, db: &str, role: &str) -> String {
        format!("postgresql://{role}@127.0.0.1:{}/{db}", self.port)
    }

    /// Stops it at once, and starts it again on the same port.
    pub async fn restart(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the pooler does not run")?;
        process.signal(Signal::TERM);
        process.wait(STOP_LIMIT).await?;
        self.begin().await
    }

    async fn begin(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))?;
        let mut command = self
            .postgres
            .command(&self.dir.path().join("pgbouncer").to_string_lossy());
        command
            .arg(self.dir.path().join("pgbouncer.ini"))
            .env("LD_LIBRARY_PATH", self.dir.path())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut process = Process::spawn(command, Lifetime::Bound, Some(self.dir.path()))?;
        let url = self.url("postgres", SUPERUSER);
        let mut ended = None;
        let waited = wait_until(START_LIMIT, "PgBouncer to let somebody through", async || {
            ended = process.ended();
            ended.is_some() || tokio_postgres::connect(&url, NoTls).await.is_ok()
        })
        .await;
        self.process = Some(process);
        if let Some(status) = ended {
            bail!("PgBouncer ended ({status}); it said:\n{}", self.log());
        }
        waited.with_context(|| format!("PgBouncer said:\n{}", self.log()))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            if !process.wait_blocking(STOP_LIMIT) {
                process.signal(Signal::KILL);
                process.wait_blocking(STOP_LIMIT);
            }
        }
    }
}

/// The program of the PATH, else the one that `setup.sh --dev` unpacked, with the libraries that came along.
fn copy_program(to: &Path) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked: Vec<PathBuf> = target_dirs()
        .into_iter()
        .map(|dir| dir.join("tools/pgbouncer/usr"))
        .collect();
    let program = std::env::split_paths(&path)
        .chain(unpacked.iter().map(|usr| usr.join("sbin")))
        .map(|dir| dir.join("pgbouncer"))
        .find(|program| program.is_file())
        .context("there is no pgbouncer: run pgrx-tests/setup.sh --dev")?;
    std::fs::copy(&program, to.join("pgbouncer"))?;
    let libraries = unpacked
        .iter()
        .find(|usr| program.starts_with(usr))
        .and_then(|usr| std::fs::read_dir(usr.join("lib")).ok());
    for architecture in libraries.into_iter().flatten().flatten() {
        for library in std::fs::read_dir(architecture.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let is_library = Path::new(&library.file_name()).to_string_lossy().contains(".so");
            if is_library {
                std::fs::copy(library.path(), to.join::<&OsStr>(&library.file_name()))?;
            }
        }
    }
    Ok(())
}
