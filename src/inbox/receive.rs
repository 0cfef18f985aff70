//! Capture: any bytes become a row, durably, before anybody looks at what they mean.

use super::capture::{Captured, Incoming, capture};
use super::counters::{self, Counts};
use crate::db::{
    self, Jsonb, JsonbArgument, JsonbArrayArgument, Session, TypedRowset, ids, owner, result_row, rowset_row,
    schema, settings, statements,
};
use crate::error::{Error, Result};
use crate::json::Timestamp;
use crate::providers;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// What the caller gets back, one a webhook.
struct Receipt {
    id: [u8; 16],
    duplicate: bool,
    status: String,
}

statements! {
    execute insert_received() with (received: ReceivedRow<'static>) = file "inbox/receive.sql";
    execute find_received() with (received: ReceivedRow<'static>) -> KnownRow = file "inbox/find_received.sql";
    execute count_duplicates() with (repeats: RepeatRow) = file "inbox/count_duplicates.sql";
    execute count_archived_duplicates() with (repeats: RepeatRow) = file "inbox/count_archived_duplicates.sql";
    execute find_announced() with (late: LateRow<'static>) -> [u8; 16] = file "inbox/find_announced.sql";
    execute log_new_orders() with (receipts: OrderRow) = file "inbox/log_receipts.sql";
}

rowset_row! {
    struct ReceivedRow<'a> {
        id: [u8; 16],
        provider: &'a str,
        topic: &'a str,
        event_id: &'a str,
        shop_domain: Option<&'a str>,
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
        provider: String,
        event_id: String,
        processing_status: String,
    }
}

rowset_row! {
    struct RepeatRow {
        id: [u8; 16],
        times: i32,
    }
}

rowset_row! {
    struct OrderRow {
        event_id: [u8; 16],
        webhook_id: [u8; 16],
        shopify_order_id: Option<i64>,
    }
}

rowset_row! {
    struct LateRow<'a> {
        webhook_id: [u8; 16],
        provider: &'a str,
        delivery: &'a str,
        since: Option<Timestamp>,
    }
}

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn receive_webhook(
    p_provider: Option<&str>,
    p_topic: Option<&str>,
    p_event_id: Option<&str>,
    p_headers: Option<JsonbArgument<'_>>,
    p_body: Option<&[u8]>,
) -> Result<JsonB, ErrorReport> {
    let incoming = Incoming {
        provider: known_provider(p_provider, "p_provider")?,
        topic: p_topic.unwrap_or_default(),
        event_id: p_event_id,
        headers: p_headers.map(|headers| headers.open()),
        body: p_body.unwrap_or_default(),
    };
    let receipts = owner::as_table_owner(|| db::session(|session| store(session, vec![incoming])))?;
    let receipt = receipts
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal("no receipt".into()))?;
    Ok(JsonB(json!({
        "webhook_id": pgrx::Uuid::from_bytes(receipt.id).to_string(),
        "duplicate": receipt.duplicate,
        "status": receipt.status,
    })))
}

type ReceiptRow = (
    name!(ordinal, i32),
    name!(webhook_id, pgrx::Uuid),
    name!(duplicate, bool),
    name!(status, String),
);

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn receive_webhooks<'a>(
    p_providers: Option<Array<'a, &'a str>>,
    p_topics: Option<Array<'a, &'a str>>,
    p_event_ids: Option<Array<'a, &'a str>>,
    p_headers: Option<JsonbArrayArgument<'a>>,
    p_bodies: Option<Array<'a, &'a [u8]>>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(ordinal, i32),
            name!(webhook_id, pgrx::Uuid),
            name!(duplicate, bool),
            name!(status, String),
        ),
    >,
    ErrorReport,
> {
    let (Some(p_providers), Some(p_topics), Some(p_event_ids), Some(p_headers), Some(p_bodies)) =
        (p_providers, p_topics, p_event_ids, p_headers, p_bodies)
    else {
        return Err(Error::argument(
            "receive_webhooks",
            "an array is null; pass arrays of equal length",
        )
        .into());
    };
    let count = p_bodies.len();
    for (name, length) in [
        ("p_providers", p_providers.len()),
        ("p_topics", p_topics.len()),
        ("p_event_ids", p_event_ids.len()),
        ("p_headers", p_headers.len()),
    ] {
        if length != count {
            return Err(Error::argument(name, format!("has {length} elements, p_bodies has {count}")).into());
        }
    }
    let columns = p_providers.iter().zip(p_topics.iter()).zip(p_event_ids.iter());
    let columns = columns.zip(p_headers.open()).zip(p_bodies.iter());
    let incoming = columns
        .map(|((((provider, topic), event_id), headers), body)| {
            Ok(Incoming {
                provider: known_provider(provider, "p_providers")?,
                topic: topic.unwrap_or_default(),
                event_id,
                headers,
                body: body.unwrap_or_default(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let receipts = owner::as_table_owner(|| db::session(|session| store(session, incoming)))?;
    let rows: Vec<ReceiptRow> = receipts
        .into_iter()
        .zip(1..)
        .map(|(receipt, ordinal)| {
            (
                ordinal,
                pgrx::Uuid::from_bytes(receipt.id),
                receipt.duplicate,
                receipt.status,
            )
        })
        .collect();
    Ok(TableIterator::new(rows))
}

fn known_provider<'a>(provider: Option<&'a str>, argument: &'static str) -> Result<&'a str> {
    match provider {
        Some(provider) if providers::NAMES.contains(&provider) => Ok(provider),
        Some(other) => Err(Error::argument(
            argument,
            format!("\"{other}\" is none of {}", providers::NAMES.join(", ")),
        )),
        None => Err(Error::argument(
            argument,
            format!("is null; expected one of {}", providers::NAMES.join(", ")),
        )),
    }
}

/// Stores what is new, counts what is not; one receipt each, in order.
fn store(session: &Session, incoming: Vec<Incoming<'_>>) -> Result<Vec<Receipt>> {
    schema::ensure_ready(session)?;
    settings::commit_durably();
    let captured = incoming
        .into_iter()
        .map(|incoming| capture(session, incoming))
        .collect::<Result<Vec<_>>>()?;

    let mut first_of: HashMap<(&str, &str), usize> = HashMap::with_capacity(captured.len());
    let mut firsts = Vec::with_capacity(captured.len());
    for (index, webhook) in captured.iter().enumerate() {
        first_of
            .entry((webhook.provider, &webhook.event_id))
            .or_insert_with(|| {
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
        let key = (webhook.provider, webhook.event_id.as_str());
        let first = first_of[&key];
        let (id, status) = match known.get(&key) {
            Some((id, status)) => (*id, status.clone()),
            None => (captured[first].id, "pending".to_owned()),
        };
        let duplicate = id != webhook.id;
        if duplicate {
            *repeats.entry(id).or_default() += 1;
            counts.duplicate(webhook.provider);
        }
        receipts.push(Receipt {
            id,
            duplicate,
            status,
        });
    }
    count_repeats(session, &repeats)?;
    counters::tally(session, &counts, 0)?;
    let new = firsts.iter().map(|&index| &captured[index]).filter(|webhook| {
        known
            .get(&(webhook.provider, webhook.event_id.as_str()))
            .is_none_or(|(id, _)| *id == webhook.id)
    });
    log_receipts(session, new)?;
    Ok(receipts)
}

type Known<'a> = HashMap<(&'a str, &'a str), ([u8; 16], String)>;

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
            shop_domain: webhook.shop_domain(),
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
    let found = find_received(session, rows)?
        .map(|row| ((row.provider, row.event_id), (row.id, row.processing_status)))?;
    let found: HashMap<(String, String), ([u8; 16], String)> = found.into_iter().collect();
    Ok(firsts
        .iter()
        .map(|&index| {
            let webhook = &captured[index];
            let key = (webhook.provider.to_owned(), webhook.event_id.clone());
            let entry = found.get(&key)?;
            Some(((webhook.provider, webhook.event_id.as_str()), entry.clone()))
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
            provider: webhook.provider,
            delivery: &webhook.event_id,
            since: webhook.happened_at().map(Timestamp),
        })?;
    }
    Ok(find_announced(session, &mut rows)?.all()?.into_iter().collect())
}
