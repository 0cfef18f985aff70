//! Data directories fresh from initdb, kept among cargo's output and copied for each server: initdb is most of a start.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tokio::sync::Mutex;

use super::builder::{ClusterBuilder, copy, private_dir, socket_dir};
use super::{Cluster, free_port};
use crate::postgres::Postgres;
use crate::process::Lifetime;

/// One is made at a time; another process may make the same one, and the first to be there stays.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A data directory of this installation, never started, with an empty database of this name. Its copies have one system
/// identifier among them.
pub(super) async fn of(postgres: &Postgres, database: Option<&str>) -> Result<PathBuf> {
    let mut targets = crate::shim::target_dirs().into_iter().rev();
    let target = targets
        .find(|dir| dir.is_dir())
        .context("cargo's output is nowhere")?;
    let place = target
        .join("tmp")
        .join(format!("postgres-{:016x}", key(postgres, database)?));
    let _one = MAKING.lock().await;
    if place.is_dir() {
        return Ok(place);
    }
    std::fs::create_dir_all(target.join("tmp"))?;
    let maker = maker(postgres)?;
    ClusterBuilder::default().make(&maker, database).await?;
    // Renamed when it is whole.
    let copied = place.with_extension(std::process::id().to_string());
    copy(&maker.data_dir(), &copied).await?;
    if let Err(error) = std::fs::rename(&copied, &place) {
        std::fs::remove_dir_all(&copied)?;
        if !place.is_dir() {
            return Err(error).with_context(|| format!("cannot make {}", place.display()));
        }
    }
    Ok(place)
}

/// Differs for another build of PostgreSQL, another user that runs it, another database.
fn key(postgres: &Postgres, database: Option<&str>) -> Result<u64> {
    let server = std::fs::metadata(postgres.bindir.join("postgres"))?;
    let mut hasher = DefaultHasher::new();
    (&postgres.bindir, server.mtime(), server.size()).hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    (postgres.server_user(), user, database).hash(&mut hasher);
    Ok(hasher.finish())
}

/// A server that is never started; its directory goes with it.
fn maker(postgres: &Postgres) -> Result<Cluster> {
    let dir = private_dir()?;
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
