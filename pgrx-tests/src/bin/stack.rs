//! `stack up` starts PostgreSQL with raw_ops and pg_cron and the shim, and leaves them running; `stack down` removes them.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use raw_ops_e2e::cluster::port_is_free;
use raw_ops_e2e::postgres::Postgres;
use raw_ops_e2e::process::{Identity, Signal};
use raw_ops_e2e::shopify::{DEFAULT_PATH, sign};
use raw_ops_e2e::stack::{OWNER_ROLE, Stack, StackOptions, random_secret};
use serde::{Deserialize, Serialize};

const USUAL_PORT: u16 = 8080;
/// A small order; nothing in it needs quoting in a shell.
const EXAMPLE: &str = concat!(
    r##"{"id":820982911946154508,"name":"#1001","order_number":1001,"email":"ada@example.com","currency":"EUR","##,
    r##""created_at":"2024-10-01T12:00:00+02:00","updated_at":"2024-10-01T12:00:00+02:00","financial_status":"paid","##,
    r##""subtotal_price":"18.00","total_tax":"0.00","total_discounts":"0.00","total_price":"18.00","##,
    r##""line_items":[{"id":866550311766439020,"title":"Mug","quantity":1,"price":"18.00"}]}"##,
);
const PATIENCE: Duration = Duration::from_secs(30);

/// What is running, as `up` found or made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    postgres: Identity,
    shim: Identity,
    socket_dir: PathBuf,
    port: u16,
    shim_port: u16,
    database: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("up") => up().await,
        Some("down") => down(),
        _ => {
            eprintln!("usage: stack up | stack down");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn up() -> Result<()> {
    let dir = state_dir()?;
    if let Some(state) = read_state(&dir)? {
        if state.postgres.alive() && state.shim.alive() {
            println!("The stack is already running.\n");
            print_where(&dir, &state)?;
            return Ok(());
        }
        println!("The stack was not stopped properly: starting it again on its data.");
        end(&state)?;
    }
    let options = StackOptions {
        shopify_secret: Some(secret(&dir)?),
        shim_port: port_is_free(USUAL_PORT).then_some(USUAL_PORT),
        persistent: Some(dir.clone()),
        ..StackOptions::default()
    };
    println!("Starting PostgreSQL and the shim in {} ...", dir.display());
    let started = Stack::start(options).await;
    let stack = match started {
        Ok(stack) => stack,
        Err(error) => {
            end_postmaster_of(&dir)?;
            return Err(error.context("the stack did not start; `make down` removes what is left of it"));
        }
    };
    let state = State {
        postgres: stack.cluster.postmaster().context("the server has ended")?,
        shim: stack.shim()?.identity().context("the shim has ended")?,
        socket_dir: stack.cluster.socket_dir().to_owned(),
        port: stack.cluster.port(),
        shim_port: stack.shim()?.port(),
        database: stack.db.clone(),
    };
    fs::write(dir.join("state.json"), serde_json::to_string_pretty(&state)?)?;
    print_where(&dir, &state)
}

fn down() -> Result<()> {
    let dir = state_dir()?;
    match read_state(&dir)? {
        Some(state) => {
            end(&state)?;
            // It may be outside, if the state's path is too long for a socket.
            if !state.socket_dir.starts_with(&dir) {
                let _ = fs::remove_dir_all(&state.socket_dir);
            }
            println!("Stopped PostgreSQL and the shim.");
        }
        None => println!("The stack is not running."),
    }
    end_postmaster_of(&dir)?;
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    println!("Removed {}.", dir.display());
    Ok(())
}

/// Ends both, the shim first so that it can finish what it has accepted.
fn end(state: &State) -> Result<()> {
    for (name, identity, signal) in [
        ("the shim", state.shim, Signal::TERM),
        ("PostgreSQL", state.postgres, Signal::INT),
    ] {
        identity.signal(signal);
        ensure!(
            identity.wait_gone_blocking(PATIENCE),
            "{name} (process {}) does not stop",
            identity.pid
        );
    }
    Ok(())
}

/// A start that failed half-way leaves no state, but a server may run: its own pid file tells.
fn end_postmaster_of(dir: &Path) -> Result<()> {
    let data = dir.join("postgres/data");
    let Ok(file) = fs::read_to_string(data.join("postmaster.pid")) else {
        return Ok(());
    };
    let Some(identity) = file
        .lines()
        .next()
        .and_then(|pid| Identity::of(pid.parse().ok()?))
    else {
        return Ok(());
    };
    // The id may have been given away since: only a process started on this very directory is ours.
    let command = fs::read(format!("/proc/{}/cmdline", identity.pid)).unwrap_or_default();
    let ours = command
        .split(|byte| *byte == 0)
        .any(|argument| argument == data.as_os_str().as_encoded_bytes());
    if ours {
        identity.signal(Signal::INT);
        ensure!(
            identity.wait_gone_blocking(PATIENCE),
            "PostgreSQL (process {}) does not stop",
            identity.pid
        );
    }
    Ok(())
}

fn print_where(dir: &Path, state: &State) -> Result<()> {
    let psql = Postgres::find()?.bindir.join("psql");
    let (shim, secret_file) = (
        format!("http://127.0.0.1:{}", state.shim_port),
        dir.join("shopify_webhook_secret"),
    );
    println!(
        "SQL      {} -h {} -p {} -U {OWNER_ROLE} {}",
        quoted(&psql),
        quoted(&state.socket_dir),
        state.port,
        state.database
    );
    println!(
        "URL      postgresql://{OWNER_ROLE}@127.0.0.1:{}/{}",
        state.port, state.database
    );
    println!("Shim     {shim}  (/healthz /readyz /metrics)");
    println!("Secret   {}", secret_file.display());
    println!(
        "Logs     {}\n         {}",
        dir.join("postgres/server.log").display(),
        dir.join("shim.log").display()
    );
    println!("\nSend it a signed order:\n");
    println!("  {}\n", example(&shim, &secret(dir)?));
    println!("Stop and remove everything: make down");
    Ok(())
}

/// A command line that sends [`EXAMPLE`], signed here: it needs curl and nothing else.
fn example(shim: &str, secret: &str) -> String {
    let signature = sign(secret, EXAMPLE.as_bytes());
    format!(
        "curl -i {shim}{DEFAULT_PATH} -H 'Content-Type: application/json' \\\n    \
         -H 'X-Shopify-Topic: orders/create' -H 'X-Shopify-Shop-Domain: dev.myshopify.com' \\\n    \
         -H 'X-Shopify-API-Version: 2024-10' -H 'X-Shopify-Webhook-Id: example-1' \\\n    \
         -H 'X-Shopify-Hmac-Sha256: {signature}' \\\n    \
         -d '{EXAMPLE}'"
    )
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// The directory of the stack: nobody else may have made it, nobody else may write into it.
fn state_dir() -> Result<PathBuf> {
    let uid = rustix::process::geteuid();
    let stated = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    // As root the server runs as user postgres, which may not enter root's own directories.
    let dir = match stated {
        Some(home) if !uid.is_root() => home.join("raw_ops"),
        _ => PathBuf::from(format!("/var/tmp/raw_ops-{}", uid.as_raw())),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let meta = fs::symlink_metadata(&dir)?;
    if !meta.is_dir() || meta.uid() != uid.as_raw() {
        bail!(
            "{} is not a directory of ours: someone else has made it",
            dir.display()
        );
    }
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o711))?;
    Ok(dir)
}

fn read_state(dir: &Path) -> Result<Option<State>> {
    let path = dir.join("state.json");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    Ok(Some(
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?,
    ))
}

/// The secret of this stack, made once and readable by its owner alone.
fn secret(dir: &Path) -> Result<String> {
    let path = dir.join("shopify_webhook_secret");
    if let Ok(secret) = fs::read_to_string(&path) {
        return Ok(secret.trim().to_owned());
    }
    let secret = random_secret();
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::io::Write::write_all(&mut file, secret.as_bytes())?;
    Ok(secret)
}
