//! Data directories kept among cargo's output and copied for each server: making one is most of a start.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::dirs::copy;
use crate::postgres::Postgres;
use crate::workspace::target_dirs;

/// Where a template of this kind and key stands, once it is made.
pub(crate) fn place(kind: &str, key: u64) -> Result<PathBuf> {
    let mut targets = target_dirs().into_iter().rev();
    let target = targets
        .find(|dir| dir.is_dir())
        .context("cargo's output is nowhere")?;
    Ok(target.join("tmp").join(format!("{kind}-{key:016x}")))
}

/// Keeps the data of a server that does not run as a template. Another process may have made the same one; the first to be
/// there stays.
pub(crate) async fn keep(data: &Path, place: &Path) -> Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // Renamed when it is whole.
    let copied = place.with_extension(std::process::id().to_string());
    copy(data, &copied).await?;
    if let Err(error) = std::fs::rename(&copied, place) {
        std::fs::remove_dir_all(&copied)?;
        if !place.is_dir() {
            return Err(error).with_context(|| format!("cannot make {}", place.display()));
        }
    }
    Ok(())
}

/// Differs for another build of PostgreSQL, another user that runs it, another database; for servers that keep nothing.
pub(crate) fn key(postgres: &Postgres, database: Option<&str>, is_fast: bool) -> Result<u64> {
    let server = std::fs::metadata(postgres.bindir.join("postgres"))?;
    let mut hasher = DefaultHasher::new();
    (&postgres.bindir, server.mtime(), server.size()).hash(&mut hasher);
    let user = rustix::process::geteuid().as_raw();
    (postgres.server_user(), user, database, is_fast).hash(&mut hasher);
    Ok(hasher.finish())
}
