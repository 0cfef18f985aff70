//! Is raw_ops in PostgreSQL's directories, and is it the one that was built last? Installing is `make install`.

use std::fs;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

use crate::postgres::Postgres;
use crate::workspace::target_dirs;

/// That it is so is found out once a process: nobody installs while tests run.
static IS_INSTALLED: OnceLock<()> = OnceLock::new();

/// Fails with the next step if the extension is not installed, or another build than the last one is.
pub fn check() -> Result<()> {
    if IS_INSTALLED.get().is_none() {
        compare()?;
        IS_INSTALLED.get_or_init(|| ());
    }
    Ok(())
}

fn compare() -> Result<()> {
    let postgres = Postgres::find()?;
    let library = postgres.pkglibdir.join("raw_ops.so");
    let control = postgres.sharedir.join("extension/raw_ops.control");
    for path in [&library, &control] {
        ensure!(
            path.is_file(),
            "raw_ops is not installed ({} is missing): run `make install`",
            path.display()
        );
    }
    let built = target_dirs()
        .into_iter()
        .map(|dir| dir.join("release/libraw_ops.so"));
    let Some(built) = built.into_iter().find(|path| path.is_file()) else {
        return Ok(());
    };
    let differs = fs::read(&built)?
        != fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
    if differs {
        bail!(
            "{} is not what is installed as {}: run `make install`",
            built.display(),
            library.display()
        );
    }
    Ok(())
}
