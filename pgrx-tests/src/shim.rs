//! The edge-shim program, run as a process of its own.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cluster::free_port;
use crate::http::HttpClient;
use crate::process::{Identity, Lifetime, Process, Signal};
use crate::wait_until;
use crate::workspace::target_dirs;

const START_LIMIT: Duration = Duration::from_secs(15);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// A line of the log is out within milliseconds; a busy machine gets longer.
const LOG_LIMIT: Duration = Duration::from_secs(15);

/// How a shim is started.
#[derive(Clone, Debug)]
pub struct ShimBuilder {
    variables: Vec<(String, String)>,
    port: Option<u16>,
    dir: Option<PathBuf>,
}

impl ShimBuilder {
    /// An environment variable of the shim, e.g. `SHOPIFY_WEBHOOK_SECRET`.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Logs into this directory and outlives this process: stop it by [`Shim::identity`].
    pub fn persistent(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Starts it and waits until `/healthz` answers.
    pub async fn start(self) -> Result<Shim> {
        let temporary = match self.dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("raw_ops-shim-").tempdir()?),
        };
        let dir = self
            .dir
            .clone()
            .or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()));
        let mut shim = Shim {
            program: program()?,
            port: self.port.map_or_else(free_port, Ok)?,
            log: dir.context("no directory for the log")?.join("shim.log"),
            variables: self.variables,
            lifetime: if temporary.is_some() {
                Lifetime::Bound
            } else {
                Lifetime::Persistent
            },
            process: None,
            http: HttpClient::new(Duration::from_secs(5)),
            _temporary: temporary,
        };
        shim.start().await?;
        Ok(shim)
    }
}

/// A running (or stopped) edge-shim. Dropping it kills it.
#[derive(Debug)]
pub struct Shim {
    program: PathBuf,
    port: u16,
    log: PathBuf,
    variables: Vec<(String, String)>,
    lifetime: Lifetime,
    process: Option<Process>,
    http: HttpClient,
    _temporary: Option<tempfile::TempDir>,
}

impl Shim {
    /// A shim that stores through this connection string.
    pub fn builder(database_url: &str) -> ShimBuilder {
        let variables = vec![("DATABASE_URL".to_owned(), database_url.to_owned())];
        ShimBuilder {
            variables,
            port: None,
            dir: None,
        }
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a path, e.g. `/metrics`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its process, if it runs.
    pub fn identity(&self) -> Option<Identity> {
        self.process
            .as_ref()
            .map(Process::identity)
            .filter(|identity| identity.alive())
    }

    /// The log file.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Waits until its log holds this text. A line is written a moment after the answer that it is about: what an answer has said is
    /// not in [`Shim::log_lines`] yet.
    pub async fn wait_for_log(&self, text: &str) -> Result<()> {
        wait_until(LOG_LIMIT, "the shim to log", async || {
            self.log_lines().iter().any(|line| line.contains(text))
        })
        .await
        .with_context(|| format!("{text:?} is not in\n{}", self.log_lines().join("\n")))
    }

    /// The lines it has logged so far, restarts included.
    pub fn log_lines(&self) -> Vec<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }

    /// Starts the stopped shim on the same port and waits until `/healthz` answers.
    pub async fn start(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("LISTEN_ADDR", format!("127.0.0.1:{}", self.port));
        command.current_dir("/").stdout(log.try_clone()?).stderr(log);
        let mut process = Process::spawn(command, self.lifetime, None)?;
        let (url, mut ended) = (self.url("/healthz"), None);
        let waited = wait_until(START_LIMIT, "the shim to answer /healthz", async || {
            ended = process.ended();
            ended.is_some() || self.http.get(&url).await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        if waited.is_err() {
            process.signal(Signal::KILL);
        }
        self.process = Some(process);
        if let Some(status) = ended {
            bail!(
                "the shim ended ({status}); it said:\n{}",
                self.log_lines().join("\n")
            );
        }
        waited.with_context(|| format!("the shim said:\n{}", self.log_lines().join("\n")))
    }

    /// Waits until `/readyz` says that the database is within reach.
    pub async fn wait_ready(&self) -> Result<()> {
        let url = self.url("/readyz");
        wait_until(START_LIMIT, "the shim to answer /readyz with 200", async || {
            self.http.get(&url).await.is_ok_and(|answer| answer.status == 200)
        })
        .await
        .with_context(|| format!("the shim said:\n{}", self.log_lines().join("\n")))
    }

    /// SIGTERM, then waits: what it has accepted it finishes.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().context("the shim does not run")?;
        process.signal(Signal::TERM);
        process.wait(STOP_LIMIT).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the shim does not run")?;
        process.signal(Signal::KILL);
        process.wait(STOP_LIMIT).await?;
        Ok(())
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Bound
            && let Some(mut process) = self.process.take()
        {
            process.signal(Signal::KILL);
            process.wait_blocking(STOP_LIMIT);
        }
    }
}

/// The shim's program: `EDGE_SHIM_BIN`, else in cargo's target directory, release before debug.
pub fn program() -> Result<PathBuf> {
    if let Some(stated) = env::var_os("EDGE_SHIM_BIN").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(stated);
        return path
            .is_file()
            .then_some(path)
            .context("EDGE_SHIM_BIN names no file");
    }
    let targets = target_dirs();
    let candidates = targets
        .iter()
        .flat_map(|dir| ["release", "debug"].map(|profile| dir.join(profile).join("edge-shim")));
    candidates.into_iter().find(|path| path.is_file()).context(
        "the program edge-shim is not built: run `make build` (or `cargo build --release -p edge-shim`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shim_without_a_database_still_answers_for_itself() {
        let Ok(path) = program() else {
            eprintln!("skipped: edge-shim is not built");
            return;
        };
        assert!(path.is_absolute());
        let url = format!("postgresql://nobody@127.0.0.1:{}/none", free_port().unwrap());
        let mut shim = Shim::builder(&url)
            .env("SHOPIFY_WEBHOOK_SECRET", "s")
            .start()
            .await
            .unwrap();
        let identity = shim.identity().unwrap();
        shim.kill().await.unwrap();
        assert!(!identity.alive());
        shim.start().await.unwrap();
        assert!(shim.stop().await.unwrap().success());
        assert!(!shim.log_lines().is_empty());
    }

    #[tokio::test]
    async fn a_shim_that_cannot_start_says_why() {
        if program().is_ok() {
            let error = Shim::builder("not a connection string")
                .start()
                .await
                .unwrap_err();
            assert!(format!("{error:#}").contains("DATABASE_URL"), "{error:#}");
        }
    }
}
