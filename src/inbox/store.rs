//! Capture: any bytes become a row, durably, before anybody looks at what they mean.

use super::capture::{Captured, Incoming, capture};
use super::counters::{self, Counts};
use crate::db::{
    self, Jsonb, Session, TypedRowset, ids, result_row, rowset_row, schema, settings, statements,
};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use crate::providers;
use pgrx::prelude::*;
use std::collections::{HashMap, HashSet};

/// What the caller gets back, one a webhook.
pub struct Receipt {
    pub id: [u8; 16],
    pub duplicate: bool,
    pub status: String,
}

statements! {
    execute insert_received() with (received: ReceivedRow<'static>) = file "inbox/receive.sql";
    execute find_received() with (received: ReceivedRow<'static>) -> KnownRow = file "inbox/find_received.sql";
    execute count_duplicates() with (repeats: RepeatRow) = file "inbox/count_duplicates.sql";
    execute count_archived_duplicates() with (repeats: RepeatRow) = file "inbox/count_archived_duplicates.sql";
    execute find_announced() with (late: LateRow<'static>) -> [u8; 16] = file "inbox/find_announced.sql";
    execute log_new_orders() with (receipts: OrderRow<'static>) = file "inbox/log_receipts.sql";
}

rowset_row! {
    struct ReceivedRow<'a> {
        id: [u8; 16],
        provider: &'a str,
        topic: &'a str,
        event_id: &'a str,
        shop_domain: &'a str,
        payload: Option<Jsonb<'a>>,
        raw_body: Option<&'a [u8]>,
        headers: Option<Jsonb<'a>>,
        shopify_order_id: Option<i64>,
        triggered_at: Option<Timestamp>,
    }
}

result_row! {
    struct KnownRow {
        id: [u8; 16],
        shop_domain: String,
        provider: String,
        event_id: String,
        processing_status: String,
    }
}

impl KnownRow {
    fn key(&self) -> Key<'_> {
        (&self.shop_domain, &self.provider, &self.event_id)
    }
}

rowset_row! {
    struct RepeatRow {
        id: [u8; 16],
        times: i32,
    }
}

rowset_row! {
    struct OrderRow<'a> {
        event_id: [u8; 16],
        webhook_id: [u8; 16],
        shopify_order_id: Option<i64>,
        shop_domain: &'a str,
    }
}

rowset_row! {
    struct LateRow<'a> {
        webhook_id: [u8; 16],
        shop_domain: &'a str,
        provider: &'a str,
        delivery: &'a str,
        since: Option<Timestamp>,
    }
}

/// Stores what is new, counts what is not; one receipt each, in order.
pub fn store(session: &Session, incoming: Vec<Incoming<'_>>) -> Result<Vec<Receipt>> {
    schema::ensure_ready(session)?;
    settings::commit_durably();
    let captured = incoming
        .into_iter()
        .map(|incoming| capture(session, incoming))
        .collect::<Result<Vec<_>>>()?;

    let mut first_of: HashMap<Key<'_>, usize> = HashMap::with_capacity(captured.len());
    let mut firsts = Vec::with_capacity(captured.len());
    for (index, webhook) in captured.iter().enumerate() {
        first_of.entry(webhook.key()).or_insert_with(|| {
            firsts.push(index);
            index
        });
    }
    if firsts.is_empty() {
        return Ok(Vec::new());
    }
    let known = insert(session, &captured, &firsts)?;

    let mut receipts = Vec::with_capacity(captured.len());
    let mut repeats: HashMap<[u8; 16], i32> = HashMap::new();
    let mut counts = Counts::default();
    for webhook in &captured {
        let key = webhook.key();
        let first = first_of[&key];
        let (id, status) = match known.get(&key) {
            Some((id, status)) => (*id, status.clone()),
            None => (captured[first].id, "pending".to_owned()),
        };
        let duplicate = id != webhook.id;
        if duplicate {
            *repeats.entry(id).or_default() += 1;
            counts.duplicate(webhook.provider, &webhook.shop_domain);
        }
        receipts.push(Receipt {
            id,
            duplicate,
            status,
        });
    }
    count_repeats(session, &repeats)?;
    counters::tally(session, &counts, 0)?;
    let new = firsts
        .iter()
        .map(|&index| &captured[index])
        .filter(|webhook| known.get(&webhook.key()).is_none_or(|(id, _)| *id == webhook.id));
    log_receipts(session, new)?;
    Ok(receipts)
}

/// Shop, provider, event id.
type Key<'a> = (&'a str, &'a str, &'a str);
/// Id and state of what is here.
type Known<'a> = HashMap<Key<'a>, ([u8; 16], String)>;

/// Inserts the firsts. Empty when all were new; otherwise all of them, with the ids they are known under.
fn insert<'a>(session: &Session, captured: &'a [Captured<'_>], firsts: &[usize]) -> Result<Known<'a>> {
    let mut rows = TypedRowset::new(session);
    let empty = db::jsonb::empty_object(session);
    for &index in firsts {
        let webhook = &captured[index];
        rows.push(ReceivedRow {
            id: webhook.id,
            provider: webhook.provider,
            topic: webhook.topic,
            event_id: &webhook.event_id,
            shop_domain: &webhook.shop_domain,
            payload: webhook.payload,
            raw_body: webhook.payload.is_none().then_some(webhook.body),
            headers: webhook.headers.or(empty),
            shopify_order_id: webhook.shopify_order_id,
            triggered_at: webhook.triggered_at().map(Timestamp),
        })?;
    }
    // What was in the way of the insert may have been archived before it could be found: then the place is free.
    const TIMES: usize = 3;
    for _ in 0..TIMES {
        if insert_received(session, &mut rows)? == firsts.len() {
            return Ok(Known::new());
        }
        if let Some(known) = find(session, captured, firsts, &mut rows)? {
            return Ok(known);
        }
    }
    Err(not_visible())
}

/// The firsts under the ids they are known by; `None` when one of them is not to be seen.
fn find<'a>(
    session: &Session,
    captured: &'a [Captured<'_>],
    firsts: &[usize],
    rows: &mut TypedRowset<'_, ReceivedRow<'static>>,
) -> Result<Option<Known<'a>>> {
    let found = find_received(session, rows)?.all()?;
    let found: HashMap<Key<'_>, &KnownRow> = found.iter().map(|row| (row.key(), row)).collect();
    Ok(firsts
        .iter()
        .map(|&index| {
            let key = captured[index].key();
            let row = found.get(&key)?;
            Some((key, (row.id, row.processing_status.clone())))
        })
        .collect())
}

/// In a REPEATABLE READ transaction a delivery that somebody else has just stored cannot be seen.
fn not_visible() -> Error {
    Error::Database {
        code: PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        message: "the same delivery is being stored by another transaction; try again".into(),
    }
}

fn count_repeats(session: &Session, repeats: &HashMap<[u8; 16], i32>) -> Result<()> {
    if repeats.is_empty() {
        return Ok(());
    }
    let mut rows = TypedRowset::new(session);
    for (id, times) in repeats {
        rows.push(RepeatRow {
            id: *id,
            times: *times,
        })?;
    }
    if count_duplicates(session, &mut rows)? < repeats.len() {
        count_archived_duplicates(session, &mut rows)?;
    }
    Ok(())
}

fn log_receipts<'a>(session: &Session, new: impl Iterator<Item = &'a Captured<'a>>) -> Result<()> {
    let announcing = new.filter(|webhook| providers::announces_order(webhook.provider, webhook.topic));
    let announcing: Vec<&Captured<'_>> = announcing.collect();
    let announced = announced_before(session, &announcing)?;
    let mut rows = TypedRowset::new(session);
    for webhook in announcing {
        if !announced.contains(&webhook.id) {
            rows.push(OrderRow {
                event_id: ids::uuid_v7(),
                webhook_id: webhook.id,
                shopify_order_id: webhook.shopify_order_id,
                shop_domain: &webhook.shop_domain,
            })?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    log_new_orders(session, &mut rows)?;
    Ok(())
}

/// Of new webhooks, those whose delivery was here long ago and is in the archive: their orders have been announced. What
/// has happened within a day is not looked up: nobody archives that soon.
fn announced_before(session: &Session, new: &[&Captured<'_>]) -> Result<HashSet<[u8; 16]>> {
    const NEWS: i64 = 86_400_000_000;
    let news = db::clock() - NEWS;
    let late = |webhook: &&&Captured<'_>| webhook.happened_at().is_none_or(|since| since < news);
    let late: Vec<_> = new.iter().filter(late).collect();
    if late.is_empty() {
        return Ok(HashSet::new());
    }
    let mut rows = TypedRowset::new(session);
    for webhook in late {
        rows.push(LateRow {
            webhook_id: webhook.id,
            shop_domain: &webhook.shop_domain,
            provider: webhook.provider,
            delivery: &webhook.event_id,
            since: webhook.happened_at().map(Timestamp),
        })?;
    }
    Ok(find_announced(session, &mut rows)?.all()?.into_iter().collect())
}
