//! What a list-shaped webhook leaves: its elements are independent, so those that can be done are done, and the rest is
//! kept here. An element about something that is not here yet waits and is done once that appears; one that nobody can read
//! is kept for a person. Every list-shaped provider uses this: it says what an element waits for (its reference), and does
//! the waiting ones when it writes what they wait for.

use crate::db::{Jsonb, Rowset, Session, Statement, Value, ids};
use crate::error::{Error, Result};
use pgrx::pg_sys;
use serde_json::{Value as Shown, json};

/// How long an element waits: longer than a provider sends again and than people take to repair what was not delivered,
/// shorter than couriers take to use a number again. Microseconds.
const PATIENCE: i64 = 7 * 86_400_000_000;
/// Elements that may wait, of all webhooks together. Beyond that a webhook fails and is tried again as a whole.
const MOST_WAITING: i64 = 100_000;
/// Refused elements kept one by one, of one webhook; the payload holds them all.
const MOST_REFUSED: usize = 100;
/// Elements an answer names.
const MOST_SHOWN: usize = 100;
/// Characters of a reference: what an index entry holds.
pub const LONGEST_REFERENCE: usize = 100;

thread_local! {
    static LOCK: Statement = const { Statement::new(
        include_str!("../sql/elements/lock.sql"), &[pg_sys::INT8ARRAYOID, pg_sys::BOOLOID]) };
    static KEEP: Statement = const { Statement::new(include_str!("../sql/elements/keep.sql"), &[]) };
    static IS_FULL: Statement = const { Statement::new(
        include_str!("../sql/elements/is_full.sql"), &[pg_sys::INT8OID, pg_sys::INT8OID]) };
    static WAITING: Statement = const { Statement::new(
        include_str!("../sql/elements/find_waiting.sql"), &[pg_sys::TEXTOID, pg_sys::TEXTARRAYOID, pg_sys::INT8OID]) };
    static DONE: Statement = const { Statement::new(
        "delete from raw_ops.webhook_elements where id = $1", &[pg_sys::UUIDOID]) };
    static REFUSE: Statement = const { Statement::new(
        "update raw_ops.webhook_elements set state = 'refused', waits_until = null, error = $2 where id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID]) };
}

/// An element that could not be done.
pub struct Left<'a> {
    /// Where it stands.
    pub path: String,
    pub element: Jsonb<'a>,
    /// What it waits for; `None`: nobody can read it.
    pub reference: Option<String>,
    pub error: String,
}

impl Left<'_> {
    fn to_json(&self) -> Shown {
        let state = if self.reference.is_some() {
            "waiting"
        } else {
            "refused"
        };
        json!({"element": self.path, "state": state, "reason": self.error})
    }
}

/// What an answer says of elements that are left.
pub fn shown(left: &[Left<'_>]) -> Vec<Shown> {
    left.iter().take(MOST_SHOWN).map(Left::to_json).collect()
}

/// An element that has waited.
pub struct Waiting<'a> {
    pub id: [u8; 16],
    pub reference: String,
    pub element: Jsonb<'a>,
}

/// The reference of something as it is compared and stored: in capitals.
pub fn reference(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// Until the end of the transaction: nobody else stores elements that wait for these, nor brings what they wait for. Take it
/// before the last look whether they are here.
pub fn lock_to_wait(session: &Session, provider: &str, references: &[String]) -> Result<()> {
    lock(session, provider, references, true)
}

/// Until the end of the transaction: nobody stores elements that wait for these. Take it after bringing what they wait for
/// and before the look for them.
pub fn lock_to_match(session: &Session, provider: &str, references: &[String]) -> Result<()> {
    lock(session, provider, references, false)
}

fn lock(session: &Session, provider: &str, references: &[String], alone: bool) -> Result<()> {
    // Few keys, since the server's table of locks is small and a list may be long.
    const KEYS: u64 = 64;
    // "elements" in ASCII; the last byte makes room for the keys.
    const FIRST: i64 = 0x656c_656d_656e_7400;
    let of = |reference: &String| {
        let hash = xxhash_rust::xxh3::xxh3_64(format!("{provider} {reference}").as_bytes());
        FIRST + (hash % KEYS).cast_signed()
    };
    let mut keys: Vec<i64> = references.iter().map(of).collect();
    // Always in one order, so that two of them wait for each other instead of deadlocking.
    keys.sort_unstable();
    keys.dedup();
    session.execute(&LOCK, vec![Value::Int8Array(keys), Value::Boolean(alone)])?;
    Ok(())
}

/// Keeps what is left of a webhook.
///
/// # Errors
/// [`Error::MissingReference`] when too many wait already: then those of this webhook do not, and it is to be tried again.
pub fn keep_elements(session: &Session, provider: &str, webhook: [u8; 16], left: &[Left<'_>]) -> Result<()> {
    let waiting: Vec<&Left<'_>> = left.iter().filter(|one| one.reference.is_some()).collect();
    let refused: Vec<&Left<'_>> = left.iter().filter(|one| one.reference.is_none()).collect();
    let more = refused.len().saturating_sub(MOST_REFUSED);
    let shown = refused.iter().take(MOST_REFUSED).enumerate().map(|(index, one)| {
        let is_last = more > 0 && index + 1 == MOST_REFUSED;
        let error = match is_last {
            true => format!("{}; and {more} more elements of this webhook", one.error),
            false => one.error.clone(),
        };
        (*one, error)
    });
    let is_full = !waiting.is_empty() && is_full(session, waiting.len())?;
    let patient = waiting
        .iter()
        .filter(|_| !is_full)
        .map(|one| (*one, one.error.clone()));
    write(session, provider, webhook, shown.chain(patient))?;
    match waiting.first() {
        Some(first) if is_full => Err(Error::MissingReference(format!(
            "{}; {MOST_WAITING} elements wait already (raw_ops.webhook_elements)",
            first.error
        ))),
        _ => Ok(()),
    }
}

fn is_full(session: &Session, more: usize) -> Result<bool> {
    let values = vec![
        Value::Int8(i64::try_from(more).unwrap_or(i64::MAX)),
        Value::Int8(MOST_WAITING),
    ];
    let answer = session.execute(&IS_FULL, values)?.first(|row| row.boolean(1));
    Ok(answer.flatten() == Some(true))
}

fn write<'l, 'a: 'l>(
    session: &Session,
    provider: &str,
    webhook: [u8; 16],
    left: impl Iterator<Item = (&'l Left<'a>, String)>,
) -> Result<()> {
    let mut rows = Rowset::new(
        c"left_elements",
        &[
            (c"id", pg_sys::UUIDOID),
            (c"webhook_id", pg_sys::UUIDOID),
            (c"provider", pg_sys::TEXTOID),
            (c"path", pg_sys::TEXTOID),
            (c"element", pg_sys::JSONBOID),
            (c"reference", pg_sys::TEXTOID),
            (c"error", pg_sys::TEXTOID),
            (c"wait_us", pg_sys::INT8OID),
        ],
    );
    for (one, error) in left {
        rows.uuid(ids::uuid_v7()).uuid(webhook).text(Some(provider));
        rows.text(Some(&one.path)).jsonb(Some(one.element));
        rows.text(one.reference.as_deref()).text(Some(&error));
        rows.int8(Some(PATIENCE)).end_row();
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.register(session)?;
    session.execute(&KEEP, vec![])?;
    Ok(())
}

/// The elements that wait for these, `most` at most, locked.
pub fn waiting<'s>(
    session: &'s Session,
    provider: &str,
    references: &[String],
    most: i64,
) -> Result<Vec<Waiting<'s>>> {
    let references = references.iter().map(String::as_str).collect();
    let values = vec![
        Value::Text(provider),
        Value::TextArray(references),
        Value::Int8(most),
    ];
    let rows = session.execute(&WAITING, values)?.map(|row| {
        Some(Waiting {
            id: row.uuid(1)?,
            reference: row.text(2)?,
            element: row.jsonb(3)?,
        })
    });
    Ok(rows.into_iter().flatten().collect())
}

/// An element that waited is done.
pub fn done(session: &Session, id: [u8; 16]) -> Result<()> {
    session.execute(&DONE, vec![Value::Uuid(id)])?;
    Ok(())
}

/// An element that waited cannot be done after all.
pub fn refuse(session: &Session, id: [u8; 16], error: &Error) -> Result<()> {
    session.execute(&REFUSE, vec![Value::Uuid(id), Value::Text(&error.to_string())])?;
    Ok(())
}
