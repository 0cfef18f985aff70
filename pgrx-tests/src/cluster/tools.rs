//! PostgreSQL's client programs, pointed at a private server.

use std::process::Command;

use anyhow::Result;

use super::{Cluster, SUPERUSER};
use crate::process::run;

impl Cluster {
    /// One of PostgreSQL's programs (`pgbench`, `psql`, …) that meets this server as the superuser.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.postgres.command(program);
        command
            .env("PGHOST", &self.socket_dir)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", "postgres")
            .env("PGCONNECT_TIMEOUT", "10");
        command
    }

    /// `pgbench` on a database: add arguments (script files must be readable by user `postgres` when run as root).
    pub fn pgbench(&self, db: &str) -> Command {
        let mut command = self.command("pgbench");
        command.env("PGDATABASE", db);
        command
    }

    /// Runs statements in psql and returns what it prints: aligned tables for people.
    pub async fn psql(&self, db: &str, sql: &str) -> Result<String> {
        self.psql_as(db, SUPERUSER, sql).await
    }

    /// As [`Cluster::psql`], as another role.
    pub async fn psql_as(&self, db: &str, role: &str, sql: &str) -> Result<String> {
        let mut command = self.command("psql");
        command.env("PGUSER", role);
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--pset=pager=off",
            "--pset=footer=off",
        ]);
        command.args(["--dbname", db]);
        // Through standard input: each statement is then a transaction of its own, as a person typing them has it.
        let printed = run("psql", command, sql.as_bytes()).await?;
        Ok(String::from_utf8(printed)?)
    }

    /// `pg_dump` of a database, in the custom format unless `options` ask for another.
    pub async fn pg_dump(&self, db: &str, options: &[&str]) -> Result<Vec<u8>> {
        let mut command = self.command("pg_dump");
        command.args(["--format=custom", "--dbname", db]).args(options);
        run("pg_dump", command, &[]).await
    }

    /// `pg_restore` of a dump in the custom format into an existing database; any error fails.
    pub async fn pg_restore(&self, db: &str, dump: &[u8], options: &[&str]) -> Result<()> {
        let mut command = self.command("pg_restore");
        command.args(["--exit-on-error", "--dbname", db]).args(options);
        run("pg_restore", command, dump).await?;
        Ok(())
    }
}
