//! `schema` writes sql/schema.sql anew: what a fresh `setup()` of the installed extension makes.

use std::process::ExitCode;

use anyhow::Result;
use raw_ops_e2e::{Cluster, schema_dump};

#[tokio::main]
async fn main() -> ExitCode {
    match write().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("schema: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn write() -> Result<()> {
    let cluster = Cluster::builder().socket_only().fast().start().await?;
    let dump = schema_dump::of_fresh_setup(&cluster).await?;
    std::fs::write(schema_dump::FILE, dump)?;
    Ok(())
}
