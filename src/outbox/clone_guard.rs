//! Which database may send. A restored dump or a copied volume has the rows of the original: it stays silent until an
//! operator says otherwise, so that staging never writes to customers.
//!
//! Where `raw_ops.delivery_hosts` names hosts, the name of this one decides and nothing else: copies of a database run on
//! hosts of their own, and so do its standbys, which may be named ahead of time. Where it is empty, a fingerprint of the
//! place decides that a copy does not share with its original. Without a machine-id there is none: block for block the
//! same files, at the same path, could be anywhere. Then nothing is sent before the setting names this host.

use crate::config;
use crate::db::{self, Session, schema, statements};
use crate::error::{Error, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;

statements! {
    query find_fingerprint() -> Option<String> = text "select fingerprint from raw_ops.clone_guard";
    execute write_fingerprint(resumed_by: &str) = text
        "insert into raw_ops.clone_guard (fingerprint, resumed_by) values (raw_ops.delivery_fingerprint(), $1)
             on conflict (only_row) do update
            set fingerprint = excluded.fingerprint, resumed_by = excluded.resumed_by, resumed_at = now()";
}

/// Why this database may not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// `raw_ops.delivery_hosts` names others.
    NotNamed { host: String, named: String },
    /// The setting is empty, and here a copy cannot be told from its original.
    NoMachineId { host: String },
    /// The setting is empty, and this is not where the original stood.
    Copied,
}

impl Held {
    /// In words.
    pub fn problem(&self) -> String {
        match self {
            Held::NotNamed { host, named } => format!(
                "nothing is sent: raw_ops.delivery_hosts is \"{named}\" and does not name this host, \"{host}\""
            ),
            Held::NoMachineId { host } => format!(
                "nothing is sent: this host, \"{host}\", has no /etc/machine-id, so that a copy of the files cannot be \
                 told from the original, and raw_ops.delivery_hosts names no host"
            ),
            Held::Copied => {
                "nothing is sent: this database was restored, copied, or promoted elsewhere".into()
            }
        }
    }

    /// What lets it send, where it is to: notes, since nothing that sends is to be pasted unread, and what shows whether it does.
    pub fn next(&self) -> Vec<String> {
        const SHOWS: &str = "SELECT raw_ops.fn_health_v1()->'delivery_held' AS is_held;";
        let names = match self {
            Held::NotNamed { host, named } => format!("{named}, {host}"),
            Held::NoMachineId { host } => host.clone(),
            Held::Copied => {
                return vec![
                    "-- A copy for tests is left as it is. If this one is to send: SELECT raw_ops.fn_resume_delivery_v1();".into(),
                    "-- The same, and what was queued before is discarded: SELECT raw_ops.fn_resume_delivery_v1(true);".into(),
                    SHOWS.into(),
                ];
            }
        };
        vec![
            format!(
                "-- A copy for tests is left as it is. If this host is to send, as a superuser: ALTER SYSTEM SET \
                 raw_ops.delivery_hosts = {};",
                db::literal(&names)
            ),
            "-- and: SELECT pg_reload_conf();".into(),
            SHOWS.into(),
        ]
    }

    /// Whether only the setting lets it send: what stands in the database does not count.
    pub fn is_settings_matter(&self) -> bool {
        !matches!(self, Held::Copied)
    }
}

/// Why this database may not send; `None` when it may.
pub fn held(session: &Session) -> Result<Option<Held>> {
    let (host, named) = (host_name(), config::delivery_hosts());
    let stored = find_fingerprint(session)?.first()?.flatten();
    Ok(decide(&host, &named, stored.as_deref(), fingerprint().as_deref()))
}

/// Whether this database may send.
pub fn may_send(session: &Session) -> Result<bool> {
    Ok(held(session)?.is_none())
}

/// What decides: the setting where it names anybody, else the fingerprint.
fn decide(host: &str, named: &str, stored: Option<&str>, here: Option<&str>) -> Option<Held> {
    if names_in(named).next().is_some() {
        let is_named = names_in(named).any(|name| is_name_of(name, host));
        return (!is_named).then(|| Held::NotNamed {
            host: host.to_owned(),
            named: named.to_owned(),
        });
    }
    match (here, stored) {
        (None, _) => Some(Held::NoMachineId {
            host: host.to_owned(),
        }),
        (Some(here), Some(stored)) if here == stored => None,
        _ => Some(Held::Copied),
    }
}

fn names_in(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// `*` is any host's. A name without a dot is that of a host in whatever domain; one with a dot is the whole name, since a
/// host that knows itself as `db1` may be anybody's.
fn is_name_of(name: &str, host: &str) -> bool {
    let (name, host) = (name.trim_end_matches('.'), host.trim_end_matches('.'));
    let host = match name.contains('.') {
        true => host,
        false => host.split('.').next().unwrap_or_default(),
    };
    name == "*" || (!host.is_empty() && name.eq_ignore_ascii_case(host))
}

/// As the system knows this host; empty when it has no name.
fn host_name() -> String {
    let mut bytes = [0_u8; 256];
    // SAFETY: the length is the buffer's own, less the byte that ends it.
    let failed = unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len() - 1) } != 0;
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    match failed {
        true => String::new(),
        false => String::from_utf8_lossy(&bytes[..length]).into_owned(),
    }
}

/// Identifies this machine, also after it was started again. `None` where there is none, as in most containers.
fn machine_id() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?.trim().to_owned();
    // What an image says before its first start. Source: machine-id(5).
    (!id.is_empty() && id != "uninitialized").then_some(id)
}

/// Differs for every copy of a database that can be told from its original: another cluster, another database, a table
/// restored, a data directory copied or moved, another machine. Nothing in it changes with a restart, a reboot or a mount.
/// `None` before `setup()`, and without a machine-id.
fn fingerprint() -> Option<String> {
    let (table, machine) = (schema::oid_of(c"clone_guard")?, machine_id()?);
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
    let digest = Sha256::new()
        .chain_update(format!(
            "{cluster}/{database}/{}/{data}/{inode}/{machine}",
            table.to_u32()
        ))
        .finalize();
    Some(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The fingerprint of this database, for `setup()` and `fn_resume_delivery_v1()`; null without a machine-id.
#[pg_extern(volatile)]
#[search_path(pg_catalog, pg_temp)]
fn delivery_fingerprint() -> Result<Option<String>, ErrorReport> {
    schema::oid_of(c"clone_guard").ok_or(Error::NotSetUp {
        found: None,
        wanted: schema::LATEST_VERSION,
    })?;
    Ok(fingerprint())
}

/// From now on this database may send, as far as its fingerprint decides.
pub fn resume(session: &Session, who: &str) -> Result<()> {
    write_fingerprint(session, who)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_hosts_are_named_the_name_of_this_one_decides_and_nothing_else() {
        for (named, host, may) in [
            ("db1", "db1", true),
            ("db1", "DB1.example.com", true),
            ("db2, db1.", "db1.example.com", true),
            ("Db1.Example.com", "db1.example.com.", true),
            ("*", "anybody", true),
            ("db2,*", "", true),
            ("db1", "db10", false),
            ("db1", "db1-staging", false),
            ("db1.example.com", "db1", false),
            ("db1.example.com", "db1.example.org", false),
            ("example.com", "db1.example.com", false),
            ("db1", "", false),
            ("db*", "db1", false),
        ] {
            for (stored, here) in [(Some("a"), Some("a")), (Some("a"), Some("b")), (None, None)] {
                let held = decide(host, named, stored, here);
                assert_eq!(held.is_none(), may, "{named} on {host}: {held:?}");
                assert!(held.is_none_or(|held| held.is_settings_matter()));
            }
        }
    }

    #[test]
    fn where_no_host_is_named_the_fingerprint_decides_and_without_one_nothing_is_sent() {
        let host = "c0ffee".to_owned();
        for nobody in ["", " ", " , ,"] {
            assert_eq!(decide(&host, nobody, Some("a"), Some("a")), None);
            assert_eq!(decide(&host, nobody, Some("a"), Some("b")), Some(Held::Copied));
            assert_eq!(decide(&host, nobody, None, Some("b")), Some(Held::Copied));
            for stored in [None, Some("a")] {
                let held = decide(&host, nobody, stored, None);
                assert_eq!(held, Some(Held::NoMachineId { host: host.clone() }));
            }
        }
    }

    #[test]
    fn what_is_to_be_run_names_this_host_and_keeps_the_others() {
        let held = decide("it's", "db1, db2", None, None).unwrap();
        let next = held.next();
        assert!(
            next[0].ends_with("ALTER SYSTEM SET raw_ops.delivery_hosts = 'db1, db2, it''s';"),
            "{next:?}"
        );
        assert!(
            next[0].starts_with("-- ") && next[1].starts_with("-- "),
            "nothing that sends stands bare"
        );
    }
}
