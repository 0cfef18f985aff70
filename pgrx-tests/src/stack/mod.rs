//! raw_ops as it runs: a private PostgreSQL with raw_ops and pg_cron preloaded, one database set up, the shim before it.

mod set_up;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::cluster::{Cluster, Machine, SUPERUSER};
use crate::install;
use crate::receiver::{Receiver, slack};
use crate::shim::Shim;
use crate::shopify::Sender;
use crate::wait_until;

/// The owner of the tables, no superuser: the role that docs/install.md makes.
pub const OWNER_ROLE: &str = "shop_owner";
/// The shim's role: it may store webhooks and nothing else.
pub const SHIM_ROLE: &str = "raw_ops_shim";

/// What the stack is made of. `StackOptions::default()` is durable, with everything on.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Name of the database.
    pub database: String,
    /// Lines of `postgresql.conf`, e.g. `("raw_ops.workers", "0")`.
    pub settings: Vec<(String, String)>,
    /// Environment of the server, e.g. `("SSL_CERT_FILE", "/…")`.
    pub environment: Vec<(String, String)>,
    /// No fsync: only where no test asks what survives a crash.
    pub fast: bool,
    /// Let pg_cron run raw_ops' jobs every minute.
    pub schedule_jobs: bool,
    /// Start the shim.
    pub shim: bool,
    /// The shim's port; a free one if `None`.
    pub shim_port: Option<u16>,
    /// More environment of the shim, e.g. `CLERK_WEBHOOK_SECRET`.
    pub shim_env: Vec<(String, String)>,
    /// Shopify's secret; a random one if `None`.
    pub shopify_secret: Option<String>,
    /// The machine it runs on; this one if `None`.
    pub machine: Option<Machine>,
    /// Keep everything in this directory and running after this process; data already there is used again.
    pub persistent: Option<PathBuf>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            database: "shop".to_owned(),
            settings: Vec::new(),
            environment: Vec::new(),
            fast: false,
            schedule_jobs: true,
            shim: true,
            shim_port: None,
            shim_env: Vec::new(),
            shopify_secret: None,
            machine: None,
            persistent: None,
        }
    }
}

impl StackOptions {
    /// For most tests: no fsync, and no jobs that pg_cron would start in the middle of a test.
    pub fn for_tests() -> Self {
        Self {
            fast: true,
            schedule_jobs: false,
            ..Self::default()
        }
    }

    /// Without the shim.
    pub fn without_shim(mut self) -> Self {
        self.shim = false;
        self
    }

    /// On a machine of its own, as far as the server can tell.
    pub fn on(mut self, machine: Machine) -> Self {
        self.machine = Some(machine);
        self
    }

    /// With a line of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// With an environment variable of the server.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// With an environment variable of the shim.
    pub fn shim_env(mut self, name: &str, value: impl ToString) -> Self {
        self.shim_env.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A running stack. Dropping it stops and removes it.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: the shim before the server it writes to.
    /// The shim, if asked for.
    pub shim: Option<Shim>,
    /// The server.
    pub cluster: Cluster,
    /// The database's name.
    pub db: String,
    /// The secret that Shopify's webhooks are signed with.
    pub shopify_secret: String,
}

impl Stack {
    /// Starts the server, sets raw_ops up in the database, starts the shim and waits until it is ready.
    pub async fn start(options: StackOptions) -> Result<Self> {
        install::check()?;
        let template = set_up::template(&options).await?;
        let cluster = start_cluster(&options, template.as_deref()).await?;
        let started = match template {
            Some(_) => set_up::settle(&cluster, &options).await,
            None => set_up::run(&cluster, &options).await,
        };
        started.with_context(|| format!("the end of the server's log:\n{}", cluster.log_tail()))?;
        let shopify_secret = options.shopify_secret.clone().unwrap_or_else(random_secret);
        let shim = match options.shim {
            true => Some(start_shim(&cluster, &options, &shopify_secret).await?),
            false => None,
        };
        Ok(Self {
            shim,
            cluster,
            db: options.database,
            shopify_secret,
        })
    }

    /// Connects to the database as the owner of the tables, who is no superuser.
    pub async fn connect(&self) -> Result<Client> {
        self.connect_as(OWNER_ROLE).await
    }

    /// Connects to the database as the superuser: for roles, settings of the server, other roles' sessions.
    pub async fn connect_as_superuser(&self) -> Result<Client> {
        self.connect_as(SUPERUSER).await
    }

    /// Connects as another role.
    pub async fn connect_as(&self, role: &str) -> Result<Client> {
        self.cluster.connect_as(&self.db, role).await
    }

    /// Runs statements in psql as the owner of the tables and returns what it prints.
    pub async fn psql(&self, sql: &str) -> Result<String> {
        self.cluster.psql_as(&self.db, OWNER_ROLE, sql).await
    }

    /// The shim; an error if the stack was started without.
    pub fn shim(&self) -> Result<&Shim> {
        self.shim.as_ref().context("this stack has no shim")
    }

    /// A sender of Shopify's webhooks to the shim, with the right secret.
    pub fn sender(&self) -> Result<Sender> {
        Ok(Sender::to(self.shim()?, &self.shopify_secret))
    }

    /// A second shim on the same database.
    pub async fn another_shim(&self) -> Result<Shim> {
        let url = self.cluster.url(&self.db, SHIM_ROLE);
        Shim::builder(&url)
            .env("SHOPIFY_WEBHOOK_SECRET", &self.shopify_secret)
            .start()
            .await
    }

    /// Points every Slack channel at a path of its own of this receiver: `/slack/ops-alerts` and so on.
    pub async fn post_alerts_to(&self, receiver: &Receiver) -> Result<()> {
        let client = self.connect().await?;
        for (secret, path) in SLACK_PATHS {
            receiver.always(path, slack::incoming_webhook);
            let url = receiver.url(path);
            let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2)";
            client.execute(sql, &[&secret, &url]).await?;
        }
        Ok(())
    }

    /// Waits until no webhook is pending or due for another try.
    pub async fn wait_drained(&self, limit: std::time::Duration) -> Result<()> {
        let client = self.connect().await?;
        wait_until(limit, "the inbox to be drained", async || {
            let row = client.query_one(UNFINISHED, &[]).await;
            row.is_ok_and(|row| !row.get::<_, bool>(0))
        })
        .await
        .with_context(|| format!("the end of the server's log:\n{}", self.cluster.log_tail()))
    }
}

/// Where [`Stack::post_alerts_to`] lets each channel's messages arrive.
pub const SLACK_PATHS: [(&str, &str); 3] = [
    ("slack_url_ops_alerts", "/slack/ops-alerts"),
    ("slack_url_ops_urgent", "/slack/ops-urgent"),
    ("slack_url_daily_ops", "/slack/daily-ops"),
];

const UNFINISHED: &str =
    "SELECT EXISTS (SELECT FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'
        OR processing_status IN ('failed', 'retrying') AND next_retry_at <= now())";

/// A server, with a copy of this data where there is any.
async fn start_cluster(options: &StackOptions, data: Option<&Path>) -> Result<Cluster> {
    let mut builder = Cluster::builder().for_raw_ops(&options.database);
    for (name, value) in &options.settings {
        builder = builder.setting(name, value);
    }
    for (name, value) in &options.environment {
        builder = builder.env(name, value);
    }
    if let Some(machine) = &options.machine {
        builder = builder.on(machine.clone());
    }
    if options.fast {
        builder = builder.fast();
    }
    if let Some(dir) = &options.persistent {
        builder = builder.persistent(&dir.join("postgres"));
    }
    if let Some(data) = data {
        builder = builder.copy_of_data(data);
    }
    builder.start().await
}

async fn start_shim(cluster: &Cluster, options: &StackOptions, secret: &str) -> Result<Shim> {
    let url = cluster.url(&options.database, SHIM_ROLE);
    let mut builder = Shim::builder(&url).env("SHOPIFY_WEBHOOK_SECRET", secret);
    for (name, value) in &options.shim_env {
        builder = builder.env(name, value);
    }
    if let Some(port) = options.shim_port {
        builder = builder.port(port);
    }
    if let Some(dir) = &options.persistent {
        builder = builder.persistent(Path::new(dir));
    }
    let mut shim = builder.start().await?;
    if let Err(error) = shim.wait_ready().await {
        // A persistent one would be left behind, unknown to anyone.
        shim.kill().await?;
        return Err(error);
    }
    Ok(shim)
}

/// A secret from the system's randomness.
pub fn random_secret() -> String {
    let mut bytes = [0_u8; 24];
    match std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
    {
        Ok(()) => {}
        // Only ever a secret of a stack on this machine's loopback.
        Err(_) => fastrand::fill(&mut bytes),
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
