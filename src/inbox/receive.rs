//! The doors of capture: one webhook, or many in one call and one transaction.

use super::capture::Incoming;
use super::store::{Receipt, store};
use crate::db::{self, JsonbArgument, JsonbArrayArgument, owner};
use crate::error::{Error, Result};
use crate::providers;
use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::json;

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
fn receive_webhook(
    p_provider: Option<&str>,
    p_topic: Option<&str>,
    p_event_id: Option<&str>,
    p_headers: Option<JsonbArgument<'_>>,
    p_body: Option<&[u8]>,
    p_shop_domain: default!(Option<&str>, "NULL"),
) -> Result<JsonB, ErrorReport> {
    let incoming = Incoming {
        provider: known_provider(p_provider, "p_provider")?,
        topic: p_topic.unwrap_or_default(),
        event_id: p_event_id,
        headers: p_headers.map(|headers| headers.open()),
        body: p_body.unwrap_or_default(),
        shop_domain: p_shop_domain,
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
    name!(reference, Option<String>),
);

#[pg_extern(volatile, security_definer)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity, reason = "pgrx wants the columns spelled out")]
fn receive_webhooks<'a>(
    p_providers: Option<Array<'a, &'a str>>,
    p_topics: Option<Array<'a, &'a str>>,
    p_event_ids: Option<Array<'a, &'a str>>,
    p_headers: Option<JsonbArrayArgument<'a>>,
    p_bodies: Option<Array<'a, &'a [u8]>>,
    p_shop_domains: default!(Option<Array<'a, &'a str>>, "NULL"),
    p_references: default!(Option<Array<'a, &'a str>>, "NULL"),
) -> Result<
    TableIterator<
        'static,
        (
            name!(ordinal, i32),
            name!(webhook_id, pgrx::Uuid),
            name!(duplicate, bool),
            name!(status, String),
            name!(reference, Option<String>),
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
    let or_none = |array: &Option<Array<'_, &str>>| array.as_ref().map_or(count, Array::len);
    ensure_lengths(
        count,
        [
            ("p_providers", p_providers.len()),
            ("p_topics", p_topics.len()),
            ("p_event_ids", p_event_ids.len()),
            ("p_headers", p_headers.len()),
            ("p_shop_domains", or_none(&p_shop_domains)),
            ("p_references", or_none(&p_references)),
        ],
    )?;
    let columns = p_providers.iter().zip(p_topics.iter()).zip(p_event_ids.iter());
    let columns = columns.zip(p_headers.open()).zip(p_bodies.iter());
    let columns = columns.zip(each_or_none(&p_shop_domains));
    let incoming = columns
        .map(
            |(((((provider, topic), event_id), headers), body), shop_domain)| {
                Ok(Incoming {
                    provider: known_provider(provider, "p_providers")?,
                    topic: topic.unwrap_or_default(),
                    event_id,
                    headers,
                    body: body.unwrap_or_default(),
                    shop_domain,
                })
            },
        )
        .collect::<Result<Vec<_>>>()?;
    let receipts = owner::as_table_owner(|| db::session(|session| store(session, incoming)))?;
    let rows = receipts.into_iter().zip(1..).zip(each_or_none(&p_references));
    let rows: Vec<ReceiptRow> = rows
        .map(|((receipt, ordinal), reference)| receipt_row(receipt, ordinal, reference))
        .collect();
    Ok(TableIterator::new(rows))
}

fn receipt_row(receipt: Receipt, ordinal: i32, reference: Option<&str>) -> ReceiptRow {
    (
        ordinal,
        pgrx::Uuid::from_bytes(receipt.id),
        receipt.duplicate,
        receipt.status,
        reference.map(str::to_owned),
    )
}

/// # Errors
/// Another number of elements than webhooks, by the argument's name.
fn ensure_lengths<const N: usize>(count: usize, arrays: [(&'static str, usize); N]) -> Result<()> {
    match arrays.into_iter().find(|(_, length)| *length != count) {
        Some((name, length)) => Err(Error::argument(
            name,
            format!("has {length} elements, p_bodies has {count}"),
        )),
        None => Ok(()),
    }
}

/// The elements of an argument that may be left out.
fn each_or_none<'r, 'a>(
    array: &'r Option<Array<'a, &'a str>>,
) -> impl Iterator<Item = Option<&'r str>> + use<'r, 'a> {
    let given = array.iter().flat_map(|array| array.iter());
    given.chain(std::iter::repeat(None))
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
