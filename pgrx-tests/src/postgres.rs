//! The PostgreSQL installation of this machine, and running its programs as a user it accepts.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// An installed PostgreSQL.
#[derive(Clone, Debug)]
pub struct Postgres {
    /// The pg_config program that described it.
    pub pg_config: PathBuf,
    /// Server and client programs.
    pub bindir: PathBuf,
    /// Loadable libraries of extensions.
    pub pkglibdir: PathBuf,
    /// Where `extension/` with control files and scripts is.
    pub sharedir: PathBuf,
    /// Major version.
    pub major: u32,
    user: Option<ServerUser>,
}

/// Whom server programs run as when this process is root, which PostgreSQL refuses to run as.
#[derive(Clone, Debug)]
struct ServerUser {
    uid: u32,
    gid: u32,
    home: PathBuf,
}

impl Postgres {
    /// Finds it: `PG_CONFIG`, else `pg_config` on the PATH, else the newest under `/usr/lib/postgresql`.
    pub fn find() -> Result<Self> {
        if let Some(stated) = env::var_os("PG_CONFIG").filter(|value| !value.is_empty()) {
            return Self::at(Path::new(&stated));
        }
        if let Ok(found) = Self::at(Path::new("pg_config")) {
            return Ok(found);
        }
        let mut majors: Vec<u32> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        majors.sort_unstable();
        let candidates = majors
            .iter()
            .rev()
            .map(|major| format!("/usr/lib/postgresql/{major}/bin/pg_config"));
        candidates
            .filter_map(|path| Self::at(Path::new(&path)).ok())
            .next()
            .context("no PostgreSQL server found: run `make setup`, or set PG_CONFIG to the pg_config program of one")
    }

    fn at(pg_config: &Path) -> Result<Self> {
        let ask = |option: &str| -> Result<String> {
            let output = Command::new(pg_config).arg(option).output();
            let output = output.with_context(|| format!("cannot run {}", pg_config.display()))?;
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        let bindir = PathBuf::from(ask("--bindir")?);
        if !bindir.join("postgres").is_file() {
            bail!(
                "{} describes {}, which holds no server",
                pg_config.display(),
                bindir.display()
            );
        }
        let version = ask("--version")?;
        let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits = digits
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default();
        Ok(Self {
            pg_config: pg_config.to_owned(),
            bindir,
            pkglibdir: ask("--pkglibdir")?.into(),
            sharedir: ask("--sharedir")?.into(),
            major: digits
                .parse()
                .with_context(|| format!("cannot read the version in {version:?}"))?,
            user: ServerUser::needed()?,
        })
    }

    /// One of its programs, to be run as the server's user with an environment free of libpq's variables.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bindir.join(program));
        for (name, _) in env::vars_os().filter(|(name, _)| is_libpq_variable(name)) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C.UTF-8").current_dir("/");
        if let Some(user) = &self.user {
            command
                .uid(user.uid)
                .gid(user.gid)
                .env("HOME", &user.home)
                .env("USER", "postgres");
        }
        command
    }

    /// User and group that server programs run as, where they are not this process's own.
    pub(crate) fn server_user(&self) -> Option<(u32, u32)> {
        self.user.as_ref().map(|user| (user.uid, user.gid))
    }

    /// Makes a directory (its parent exists) that the server's user owns and nobody else enters.
    pub fn make_private_dir(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        self.give(dir)?;
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700))?;
        Ok(())
    }

    /// Makes the server's user the owner of a file or directory.
    pub fn give(&self, path: &Path) -> Result<()> {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give away {}", path.display()))?;
        }
        Ok(())
    }
}

impl ServerUser {
    fn needed() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let output = Command::new("getent")
            .args(["passwd", "postgres"])
            .output()
            .context("cannot run getent")?;
        let entry = String::from_utf8(output.stdout)?;
        let fields: Vec<&str> = entry.trim().split(':').collect();
        let &[_, _, uid, gid, _, home, _] = fields.as_slice() else {
            bail!(
                "PostgreSQL refuses to run as root and there is no user postgres: run `make setup`, or `useradd -r postgres`"
            );
        };
        Ok(Some(Self {
            uid: uid.parse()?,
            gid: gid.parse()?,
            home: home.into(),
        }))
    }
}

/// Turns a failed run into an error that shows what the program said.
pub fn checked(what: &str, output: Output) -> Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    bail!(
        "{what} failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    )
}

fn is_libpq_variable(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with("PG") && !name.starts_with("PG_") && !name.starts_with("PGRX"))
}
