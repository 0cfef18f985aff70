//! The directories of servers: where they are made, and how data is copied.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::keeps_files;
use crate::postgres::{Postgres, checked};

/// A unix socket's path has room for 107 bytes, its file name takes up to 17.
const SOCKET_DIR_MAX: usize = 85;

/// With owners, permissions and times, as PostgreSQL's data must be copied.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = tokio::process::Command::new("cp");
    command.arg("-a").arg(from).arg(to);
    checked("copying the data", command.output().await?)?;
    Ok(())
}

/// A fresh directory with a short path, the socket's sake. One that need not survive a crash of the machine is in memory where
/// there is room: every server has a thousand files, and making and removing those on a disk takes longer than most tests.
pub(super) fn private_dir(need_not_last: bool) -> Result<PathBuf> {
    let temp = std::env::temp_dir();
    let base = if need_not_last && !keeps_files() && has_room(MEMORY) {
        PathBuf::from(MEMORY)
    } else if rustix::process::geteuid().is_root() {
        // As another user, PostgreSQL may be unable to enter a private TMPDIR.
        PathBuf::from("/tmp")
    } else {
        temp
    };
    let dir = tempfile::Builder::new()
        .prefix("raw_ops-")
        .tempdir_in(base)
        .context("cannot make a directory")?;
    Ok(dir.keep())
}

/// A file system in memory that Linux has for everybody.
const MEMORY: &str = "/dev/shm";
/// Several servers with a test's data each.
const ROOM: u64 = 2 << 30;

fn has_room(directory: &str) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|disk| disk.f_bavail * disk.f_frsize >= ROOM)
}

pub(super) fn socket_dir(postgres: &Postgres, dir: &Path) -> Result<PathBuf> {
    let mut socket_dir = dir.join("socket");
    if socket_dir.as_os_str().len() > SOCKET_DIR_MAX {
        socket_dir = tempfile::Builder::new()
            .prefix("raw_ops-")
            .tempdir_in("/tmp")?
            .keep();
    }
    postgres.make_private_dir(&socket_dir)?;
    Ok(socket_dir)
}
