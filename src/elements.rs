//! What a list-shaped webhook leaves: its elements are independent, so those that can be done are done, and the rest is
//! kept here. An element about something that is not here yet waits and is done once that appears; one that nobody can read
//! is kept for a person. Every list-shaped provider uses this: it says what an element waits for (its reference), and does
//! the waiting ones when it writes what they wait for.

use crate::db::{Jsonb, Session, TypedRowset, ids, result_row, rowset_row, statements};
use crate::error::{Error, Result};
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

statements! {
    execute lock_keys(keys: Vec<i64>, alone: bool) = file "elements/lock.sql";
    execute write_elements() with (left_elements: LeftRow<'static>) = file "elements/keep.sql";
    execute would_be_too_many(more: i64, most: i64) -> bool = file "elements/is_full.sql";
    execute find_waiting(provider: &str, shop: &str, references: Vec<&str>, most: i64) -> Waiting<'s>
        = file "elements/find_waiting.sql";
    execute delete_element(id: [u8; 16]) = text "delete from raw_ops.webhook_elements where id = $1";
    execute refuse_element(id: [u8; 16], error: &str) = text
        "update raw_ops.webhook_elements set state = 'refused', waits_until = null, error = $2 where id = $1";
}

rowset_row! {
    struct LeftRow<'a> {
        id: [u8; 16],
        webhook_id: [u8; 16],
        shop_domain: &'a str,
        provider: &'a str,
        path: &'a str,
        element: Jsonb<'a>,
        reference: Option<&'a str>,
        error: &'a str,
        wait_us: i64,
    }
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

result_row! {
    /// An element that has waited.
    pub struct Waiting<'s> {
        pub id: [u8; 16],
        /// Empty: it names none, and waits for one of any shop.
        pub shop_domain: String,
        pub reference: String,
        pub element: Jsonb<'s>,
    }
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
    lock_keys(session, keys, alone)?;
    Ok(())
}

/// The webhook that elements are left of.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub webhook: [u8; 16],
    pub provider: &'a str,
    /// Empty where it names none.
    pub shop: &'a str,
}

/// Keeps what is left of a webhook.
///
/// # Errors
/// [`Error::MissingReference`] when too many wait already: then those of this webhook do not, and it is to be tried again.
pub fn keep_elements(session: &Session, from: &Source<'_>, left: &[Left<'_>]) -> Result<()> {
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
    write(session, from, shown.chain(patient))?;
    match waiting.first() {
        Some(first) if is_full => Err(Error::MissingReference(format!(
            "{}; {MOST_WAITING} elements wait already (raw_ops.webhook_elements)",
            first.error
        ))),
        _ => Ok(()),
    }
}

fn is_full(session: &Session, more: usize) -> Result<bool> {
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    Ok(would_be_too_many(session, more, MOST_WAITING)?.first()? == Some(true))
}

fn write<'l, 'a: 'l>(
    session: &Session,
    from: &Source<'_>,
    left: impl Iterator<Item = (&'l Left<'a>, String)>,
) -> Result<()> {
    let mut rows = TypedRowset::new(session);
    for (one, error) in left {
        rows.push(LeftRow {
            id: ids::uuid_v7(),
            webhook_id: from.webhook,
            shop_domain: from.shop,
            provider: from.provider,
            path: &one.path,
            element: one.element,
            reference: one.reference.as_deref(),
            error: &error,
            wait_us: PATIENCE,
        })?;
    }
    if rows.is_empty() {
        return Ok(());
    }
    write_elements(session, &mut rows)?;
    Ok(())
}

/// The elements of a shop, or of none, that wait for these, `most` at most, locked.
pub fn waiting<'s>(
    session: &'s Session,
    provider: &str,
    shop: &str,
    references: &[String],
    most: i64,
) -> Result<Vec<Waiting<'s>>> {
    let references = references.iter().map(String::as_str).collect();
    find_waiting(session, provider, shop, references, most)?.all()
}

/// An element that waited is done.
pub fn done(session: &Session, id: [u8; 16]) -> Result<()> {
    delete_element(session, id)?;
    Ok(())
}

/// An element that waited cannot be done after all.
pub fn refuse(session: &Session, id: [u8; 16], error: &Error) -> Result<()> {
    refuse_element(session, id, &error.to_string())?;
    Ok(())
}
