//! Which database may send. A restored dump or a copied volume has the rows of the original, but not its fingerprint:
//! it stays silent until an operator says otherwise, so that staging never writes to customers.

use crate::db::{Session, Statement, Value, schema};
use crate::error::{Error, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;

thread_local! {
    static STORED: Statement = const { Statement::new("select fingerprint from raw_ops.delivery_guard", &[]) };
    static RESUME: Statement = const { Statement::new(
        "insert into raw_ops.delivery_guard (fingerprint, resumed_by) values (raw_ops.delivery_fingerprint(), $1)
             on conflict (only_row) do update
            set fingerprint = excluded.fingerprint, resumed_by = excluded.resumed_by, resumed_at = now()",
        &[pg_sys::TEXTOID]) };
}

/// Whether this database may send.
pub fn may_send(session: &Session) -> Result<bool> {
    let stored = session.look(&STORED, vec![])?.first(|row| row.text(1)).flatten();
    Ok(stored.is_some() && stored == fingerprint())
}

/// Differs for every copy of a database that can be told from its original: another cluster, another database, a table
/// restored, a data directory copied or moved to another machine.
fn fingerprint() -> Option<String> {
    let table = schema::oid_of(c"delivery_guard")?;
    // SAFETY: reads what the server knows of itself.
    let (cluster, database, data) = unsafe {
        (
            pg_sys::GetSystemIdentifier(),
            pg_sys::MyDatabaseId.to_u32(),
            std::ffi::CStr::from_ptr(pg_sys::DataDir)
                .to_string_lossy()
                .into_owned(),
        )
    };
    // A file that is written once: a copy of it is another inode.
    let inode = std::fs::metadata(format!("{data}/PG_VERSION")).map_or(0, |meta| meta.ino());
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digest = Sha256::new()
        .chain_update(format!(
            "{cluster}/{database}/{}/{data}/{inode}/{}",
            table.to_u32(),
            machine.trim()
        ))
        .finalize();
    Some(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The fingerprint of this database, for `setup()` and `fn_resume_delivery_v1()`.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn delivery_fingerprint() -> Result<String, ErrorReport> {
    Ok(fingerprint().ok_or(Error::NotSetUp {
        found: None,
        wanted: schema::LATEST_VERSION,
    })?)
}

/// From now on this database may send.
pub fn resume(session: &Session, who: &str) -> Result<()> {
    session.run(&RESUME, vec![Value::Text(who)])?;
    Ok(())
}
