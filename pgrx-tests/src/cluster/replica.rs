//! A read replica of a private server.

use anyhow::{Context, Result};

use super::dirs::{private_dir, socket_dir};
use super::{Cluster, Machine, free_port};
use crate::postgres::checked;
use crate::process::Lifetime;
use crate::wait_until;

impl Cluster {
    /// A hot standby that streams from this server and has caught up with what it holds now.
    pub async fn replica(&self) -> Result<Cluster> {
        self.replica_on(self.machine.clone()).await
    }

    /// The same on a machine of its own.
    pub async fn replica_on(&self, machine: Option<Machine>) -> Result<Cluster> {
        let dir = private_dir(true)?;
        self.postgres.make_private_dir(&dir)?;
        let mut replica = Cluster {
            postgres: self.postgres.clone(),
            environment: self.environment.clone(),
            machine,
            socket_dir: socket_dir(&self.postgres, &dir)?,
            dir,
            port: free_port()?,
            lifetime: Lifetime::Bound,
            server: None,
        };
        let mut copy = self.command("pg_basebackup");
        copy.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--pgdata",
        ]);
        copy.arg(replica.data_dir());
        checked(
            "pg_basebackup",
            tokio::process::Command::from(copy).output().await?,
        )?;
        let path = replica.data_dir().join("postgresql.conf");
        let settings = std::fs::read_to_string(&path)?;
        let own = format!(
            "port = '{}'\nunix_socket_directories = '{}'\n",
            replica.port,
            replica.socket_dir.display()
        );
        // A later line wins.
        std::fs::write(&path, settings + &own)?;
        replica.start().await?;
        let here = self.connect("postgres").await?;
        let there = replica.connect("postgres").await?;
        let position: String = here
            .query_one("SELECT pg_current_wal_lsn()::text", &[])
            .await?
            .get(0);
        let has_caught_up = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        wait_until(super::START_LIMIT, "the replica to catch up", async || {
            let row = there.query_one(has_caught_up, &[&position]).await;
            row.is_ok_and(|row| row.get(0))
        })
        .await
        .with_context(|| format!("the end of the replica's log:\n{}", replica.log_tail()))?;
        Ok(replica)
    }
}
