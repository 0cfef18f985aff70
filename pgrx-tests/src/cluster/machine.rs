//! A machine of its own, as far as a server can tell: host name, machine-id, and where a volume is mounted. The server
//! runs in namespaces that only it sees; nothing of this machine changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Cluster;
use crate::postgres::{Postgres, checked};

/// A machine. Without a machine-id it is what most containers are.
#[derive(Clone, Debug)]
pub struct Machine {
    host: String,
    id: Option<String>,
    volume: Option<PathBuf>,
}

impl Machine {
    /// With this host name and a machine-id made of it.
    pub fn named(host: &str) -> Self {
        let digits: String = host.bytes().map(|byte| format!("{byte:02x}")).collect();
        Self {
            host: host.to_owned(),
            id: Some(format!("{digits:0<32.32}")),
            volume: None,
        }
    }

    /// With this machine-id.
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = Some(id.trim().to_owned());
        self
    }

    /// Without /etc/machine-id.
    pub fn without_id(mut self) -> Self {
        self.id = None;
        self
    }

    /// With this directory mounted where the server's data is.
    pub fn with_volume(mut self, volume: &Path) -> Self {
        self.volume = Some(volume.to_owned());
        self
    }

    /// How to start a server there, as the server's user.
    pub(super) fn command(&self, cluster: &Cluster) -> Result<Command> {
        let etc = self.etc(&cluster.dir)?;
        let server = cluster.postgres.command("postgres");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--uts"]);
        if cluster.postgres.server_user().is_none() {
            // Whoever is not root is so in a namespace of users of their own.
            command.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        command
            .args(["/bin/sh", "-euc", ENTER, "sh"])
            .arg(etc)
            .arg(&self.host);
        command.arg(self.volume.as_deref().unwrap_or(Path::new("")));
        command.arg(cluster.data_dir());
        if let Some((uid, gid)) = cluster.postgres.server_user() {
            command.args(["setpriv", "--clear-groups"]);
            command
                .arg(format!("--reuid={uid}"))
                .arg(format!("--regid={gid}"));
        }
        command.arg(server.get_program());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir("/");
        Ok(command)
    }

    /// A copy of /etc with this machine's id in it, beside the server's data.
    fn etc(&self, dir: &Path) -> Result<PathBuf> {
        let etc = dir.join(format!("etc-of-{}", self.host));
        if !etc.exists() {
            // Without what only root may read, where somebody else runs it.
            let copied = Command::new("cp").arg("-a").arg("/etc").arg(&etc).output()?;
            ensure!(etc.join("passwd").exists(), "no copy of /etc: {copied:?}");
        }
        let id = etc.join("machine-id");
        if id.exists() {
            std::fs::remove_file(&id).with_context(|| format!("cannot remove {}", id.display()))?;
        }
        if let Some(text) = &self.id {
            std::fs::write(&id, format!("{text}\n"))?;
        }
        Ok(etc)
    }
}

/// Whether this machine lets us run a server so. It needs root, or namespaces for everybody, as Debian has them; a
/// container must be a privileged one.
pub(super) fn check(postgres: &Postgres) -> Result<()> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts"]);
    if postgres.server_user().is_none() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    let output = command.arg("true").output().context("cannot run unshare")?;
    checked(
        "a namespace for a server (root, user namespaces, or a privileged container)",
        output,
    )?;
    Ok(())
}

/// $1 its /etc, $2 its name, $3 what is mounted, if anything, at $4; then the program, whose pid stays the same.
const ENTER: &str = r#"
    mount --bind "$1" /etc
    hostname "$2"
    [ -z "$3" ] || mount --bind "$3" "$4"
    data=$4
    shift 4
    exec "$@" -D "$data"
"#;

impl Cluster {
    /// From its next start on the server, which must be stopped, runs on this machine.
    pub fn move_to(&mut self, machine: Machine) -> Result<()> {
        check(&self.postgres)?;
        self.machine = Some(machine);
        Ok(())
    }
}
