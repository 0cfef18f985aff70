//! Data directories kept among cargo's output and copied for each server: making one is most of a start.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::sync::Mutex;

use super::builder::{ClusterBuilder, copy, private_dir, socket_dir};
use super::{Cluster, free_port};
use crate::postgres::Postgres;
use crate::process::Lifetime;

/// One is made at a time.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A data directory fresh from initdb, never started, with an empty database of this name. Its copies have one system
/// identifier among them.
pub(super) async fn of(postgres: &Postgres, database: Option<&str>) -> Result<PathBuf> {
    let place = place("postgres", key(postgres, database)?)?;
    let _one = MAKING.lock().await;
    if !place.is_dir() {
        let maker = maker(postgres)?;
        ClusterBuilder::default().make(&maker, database).await?;
        keep(&maker, &place).await?;
    }
    Ok(place)
}

/// Where a template of this kind and key stands, once it is made.
pub(crate) fn place(kind: &str, key: u64) -> Result<PathBuf> {
    let mut targets = crate::shim::target_dirs().into_iter().rev();
    let target = targets
        .find(|dir| dir.is_dir())
        .context("cargo's output is nowhere")?;
    Ok(target.join("tmp").join(format!("{kind}-{key:016x}")))
}

/// Keeps the data of a server that does not run as a template. Another process may have made the same one; the first to be
/// there stays.
pub(crate) async fn keep(server: &Cluster, place: &Path) -> Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // Renamed when it is whole.
    let copied = place.with_extension(std::process::id().to_string());
    copy(&server.data_dir(), &copied).await?;
    if let Err(error) = std::fs::rename(&copied, place) {
        std::fs::remove_dir_all(&copied)?;
        if !place.is_dir() {
            return Err(error).with_context(|| format!("cannot make {}", place.display()));
        }
    }
    Ok(())
}

/// Differs for another build of PostgreSQL, another user that runs it, another database.
pub(crate) fn key(postgres: &Postgres, database: Option<&str>) -> Result<u64> {
    let server = std::fs::metadata(postgres.bindir.join("postgres"))?;
    let mut hasher = DefaultHasher::new();
    (&postgres.bindir, server.mtime(), server.size()).hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    (postgres.server_user(), user, database).hash(&mut hasher);
    Ok(hasher.finish())
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
