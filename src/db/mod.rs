//! The only place that speaks to the server's programming interface: prepared statements, rows in and out,
//! sub-transactions, roles. Everything unsafe of raw_ops is in here and in `worker`.
//!
//! A statement is declared with [`statements`], what it returns with [`result_row`], what it is handed with [`rowset_row`]:
//! the compiler and the planner compare them.

mod column;
pub mod deadline;
mod declare;
pub mod disk;
pub mod encoding;
pub mod ids;
pub mod jsonb;
pub mod owner;
mod owners_triggers;
mod parameter;
pub mod process;
#[cfg(any(test, feature = "pg_test"))]
pub mod registry;
mod rows;
pub mod rowset;
pub mod schema;
pub mod search_path;
pub mod server_settings;
pub mod settings;
pub mod snapshot;
mod statement;
mod store;
pub mod subtransaction;
pub mod typed;
pub mod under_way;

#[cfg(any(test, feature = "pg_test"))]
mod tests;

use crate::error::{Error, Result};
use pgrx::pg_sys;
use pgrx::spi::Spi;

pub use column::{Column, StoredJsonb, TextBytes};
pub use deadline::{attempt_until, attempt_until_and_tell};
pub(crate) use declare::{
    from_row, into_row, result_row, row, rowset_row, statement_function, statement_name, statement_parts,
    statement_result, statement_run, statement_text, statements,
};
pub use encoding::{for_client, json_for_client};
pub use jsonb::{Jsonb, JsonbArgument, JsonbArrayArgument};
pub use parameter::{Argument, Parameter};
pub use rowset::TypedRowset;
pub use snapshot::as_of_now;
pub use statement::Statement;
pub use subtransaction::{LostRace, attempt, attempt_and_tell, attempt_until_unraced, raise};
pub use typed::Found;

/// An open connection to SPI: what statements run on. Memory of their results lives until it closes, so open one
/// per unit of work.
pub struct Session(pg_sys::MemoryContext);

impl Session {
    /// Memory that lives until the session ends.
    fn memory(&self) -> pg_sys::MemoryContext {
        self.0
    }
}

/// Runs `work` on a connection to SPI, under our own `search_path`: no name in a statement of ours, and none in a trigger
/// of the owner's that it fires, is looked up along the caller's.
pub fn session<T>(work: impl FnOnce(&Session) -> Result<T>) -> Result<T> {
    let _path = search_path::pinned();
    // SAFETY: connecting has made SPI's own memory the current one.
    let connected = || Spi::connect_mut(|_| work(&Session(unsafe { pg_sys::CurrentMemoryContext })));
    owners_triggers::hinted(connected)
}

/// Runs `work` with its allocations in `memory`.
///
/// # Safety
/// `memory` is a memory context.
unsafe fn in_memory<T>(memory: pg_sys::MemoryContext, work: impl FnOnce() -> T) -> T {
    // SAFETY: as promised by the caller. After an ERROR whoever catches it sets the context.
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let done = work();
        pg_sys::MemoryContextSwitchTo(before);
        done
    }
}

/// Microseconds since 2000-01-01 UTC, now (not the transaction's start).
pub fn clock() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Whether this transaction may write nothing, as on a replica.
pub fn is_read_only() -> bool {
    // SAFETY: reads a flag of the transaction.
    unsafe { pg_sys::XactReadOnly }
}

/// Microseconds since 2000-01-01 UTC as JSON shows a time.
pub fn timestamp_text(micros: i64) -> String {
    const EPOCH_2000: i64 = 946_684_800_000_000;
    let time = chrono::DateTime::from_timestamp_micros(micros.saturating_add(EPOCH_2000));
    time.map_or_else(
        || "infinity".into(),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    )
}

/// The role that started the session: who is behind a call, also inside SECURITY DEFINER.
pub fn session_user() -> String {
    // SAFETY: reads the backend's session user.
    role_name(unsafe { pg_sys::GetSessionUserId() })
}

/// The role whose rights are in force.
pub fn current_user() -> String {
    // SAFETY: reads the backend's user.
    role_name(unsafe { pg_sys::GetUserId() })
}

/// A name as SQL needs it, in quotes where it must be.
pub fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_');
    if is_plain {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a statement for people has it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The database this session is in.
pub fn current_database() -> String {
    // SAFETY: a C string in the server's memory, or null for a database that is gone.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        if name.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// The server as people know it: its `cluster_name` if it has one, else its machine; the port where it is not the usual one.
pub fn server_name() -> String {
    // SAFETY: a C string of the server's settings, and a buffer that is as long as it is said to be.
    let (cluster, machine) = unsafe {
        let cluster = std::ffi::CStr::from_ptr(pg_sys::cluster_name)
            .to_string_lossy()
            .into_owned();
        let mut buffer = [0u8; 256];
        let failed = libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) != 0;
        let machine = std::ffi::CStr::from_bytes_until_nul(&buffer)
            .ok()
            .filter(|_| !failed);
        (cluster, machine.map(|name| name.to_string_lossy().into_owned()))
    };
    // SAFETY: reads an integer setting.
    let port = unsafe { pg_sys::PostPortNumber };
    let name = match cluster.is_empty() {
        true => machine.unwrap_or_else(|| "an unnamed server".into()),
        false => cluster,
    };
    match port {
        5432 => name,
        port => format!("{name}:{port}"),
    }
}

/// Whether this server replays what another does.
pub fn is_standby() -> bool {
    // SAFETY: reads a flag of the server.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// Which database this is, and where.
pub fn server_label() -> String {
    format!("database {} on {}", current_database(), server_name())
}

pub(in crate::db) fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: a C string in the server's memory; noerr makes a vanished role null.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, true);
        if name.is_null() {
            return "unknown".into();
        }
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// Runs several SQL statements (DDL, data) that take no parameters, under our own `search_path`: what they create is
/// built of the names they mean, for good.
pub fn run_script(_session: &Session, sql: &str) -> Result<()> {
    search_path::keep_pinned();
    owners_triggers::may_fire_triggers();
    Spi::run(sql).map_err(|e| Error::Internal(format!("script: {e}")))
}
