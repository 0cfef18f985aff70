//! Prometheus as the distribution packages it: promtool, and a private server that reads what a test gives it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cluster::free_port;
use crate::http::HttpClient;
use crate::process::{self, Lifetime, Process, Signal};
use crate::wait_until;
use crate::workspace::target_dirs;

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Runs promtool; what it says if it is content, an error with its words if not.
pub async fn promtool(arguments: &[&str], input: &str) -> Result<String> {
    let mut command = Command::new(program("promtool")?);
    command.args(arguments);
    let said = process::run("promtool", command, input.as_bytes()).await?;
    Ok(String::from_utf8(said)?)
}

/// `prometheus` or `promtool`: of the PATH, else where `setup.sh --dev` unpacked them.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = target_dirs()
        .into_iter()
        .map(|dir| dir.join("tools/prometheus/usr/bin"));
    std::env::split_paths(&path)
        .chain(unpacked)
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("there is no {name}: run pgrx-tests/setup.sh --dev"))
}

/// A running server. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    dir: tempfile::TempDir,
    process: Process,
    http: HttpClient,
}

impl Prometheus {
    /// Starts one with these files; one of them is `prometheus.yml`.
    pub async fn start(files: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("raw_ops-prometheus-").tempdir()?;
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text)?;
        }
        let log = std::fs::File::create(dir.path().join("log"))?;
        let port = free_port()?;
        let mut command = Command::new(program("prometheus")?);
        command
            .arg(argument("config.file", &dir.path().join("prometheus.yml")))
            .arg(argument("storage.tsdb.path", &dir.path().join("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(dir.path())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut prometheus = Self {
            port,
            process: Process::spawn(command, Lifetime::Bound, Some(dir.path()))?,
            dir,
            http: HttpClient::new(Duration::from_secs(10)),
        };
        prometheus.wait_ready().await?;
        Ok(prometheus)
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let (url, mut ended) = (self.url("/-/ready"), None);
        let waited = wait_until(START_LIMIT, "Prometheus to be ready", async || {
            ended = self.process.ended();
            ended.is_some() || self.http.get(&url).await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        if let Some(status) = ended {
            bail!("Prometheus ended ({status}); it said:\n{}", self.log());
        }
        waited.with_context(|| format!("Prometheus said:\n{}", self.log()))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// An instant query: the result's samples, each with `metric` and `value`.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.get(&format!("/api/v1/query?query={encoded}")).await?;
        let result = data["result"].as_array().context("no result")?;
        Ok(result.clone())
    }

    /// The value of a query that returns one sample; `None` while it returns none.
    pub async fn value(&self, expression: &str) -> Result<Option<f64>> {
        let samples = self.query(expression).await?;
        ensure!(samples.len() <= 1, "{expression} returns {samples:?}");
        let value = samples.first().and_then(|sample| sample["value"][1].as_str());
        Ok(value.map(str::parse).transpose()?)
    }

    /// The `data` of an answer of its HTTP API.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(&self.url(path)).await?;
        let mut said: Value = serde_json::from_slice(&answer.body).with_context(|| answer.text())?;
        ensure!(said["status"] == "success", "{path}: {said}");
        Ok(said["data"].take())
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.signal(Signal::TERM);
        if !self.process.wait_blocking(STOP_LIMIT) {
            self.process.signal(Signal::KILL);
            self.process.wait_blocking(STOP_LIMIT);
        }
    }
}

fn argument(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(format!("--{name}="));
    argument.push(path);
    argument
}
