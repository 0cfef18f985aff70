//! The items of known orders: the newest list tells which there are, their quantities and prices; what it leaves open of
//! an item, an older list may have said.

use super::fields::{ITEM, said_of_item};
use super::lookup::{self, KnownItem};
use super::{Id, Plan};
use crate::convergence::{Said, State, Version};
use crate::db::rowset::Column;
use crate::db::{Rowset, Session, Statement, Value, ids};
use crate::error::Result;
use crate::providers::shopify::order::Item;
use pgrx::pg_sys;
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;

const COLUMNS: &[Column] = &[
    (c"id", pg_sys::UUIDOID),
    (c"order_id", pg_sys::UUIDOID),
    (c"shopify_line_item_id", pg_sys::INT8OID),
    (c"product_id", pg_sys::INT8OID),
    (c"variant_id", pg_sys::INT8OID),
    (c"sku", pg_sys::TEXTOID),
    (c"title", pg_sys::TEXTOID),
    (c"variant_title", pg_sys::TEXTOID),
    (c"vendor", pg_sys::TEXTOID),
    (c"quantity", pg_sys::INT4OID),
    (c"current_quantity", pg_sys::INT4OID),
    (c"price", pg_sys::NUMERICOID),
    (c"total_discount", pg_sys::NUMERICOID),
    (c"gift_card", pg_sys::BOOLOID),
    (c"field_versions", pg_sys::JSONBOID),
    (c"take", pg_sys::INT4OID),
    (c"is_listed", pg_sys::BOOLOID),
];

thread_local! {
    static MERGE: Statement = const { Statement::new(
        include_str!("../../sql/orders/merge_items.sql"), &[pg_sys::UUIDARRAYOID]) };
}

/// Items under a name.
pub fn rowset(name: &'static CStr) -> Rowset {
    Rowset::new(name, COLUMNS)
}

/// What becomes of an item's row.
struct Fate<'i, 'a> {
    id: Id,
    /// `None` for an item that a list of items leaves out.
    item: Option<&'i Item<'a>>,
    state: State,
    take: u32,
    is_listed: bool,
}

/// A row of a rowset.
pub fn push(rows: &mut Rowset, order: Id, item: &Item<'_>) {
    push_fate(
        rows,
        order,
        &Fate {
            id: ids::uuid_v7(),
            item: Some(item),
            state: ITEM.unknown(),
            take: 0,
            is_listed: true,
        },
    );
}

fn push_fate(rows: &mut Rowset, order: Id, fate: &Fate<'_, '_>) {
    let item = fate.item;
    rows.uuid(fate.id)
        .uuid(order)
        .int8(item.map(|item| item.shopify_line_item_id));
    rows.int8(item.and_then(|item| item.product_id))
        .int8(item.and_then(|item| item.variant_id));
    rows.text(item.and_then(|item| item.sku))
        .text(item.and_then(|item| item.title));
    rows.text(item.and_then(|item| item.variant_title))
        .text(item.and_then(|item| item.vendor));
    rows.int4(item.map(|item| item.quantity))
        .int4(item.and_then(|item| item.current_quantity));
    rows.decimal(item.map(|item| &item.price))
        .decimal(item.and_then(|item| item.total_discount.as_ref()));
    rows.boolean(item.and_then(|item| item.gift_card))
        .optional_json(ITEM.own_to_json(&fate.state.own).as_ref());
    rows.int4(Some(fate.take.cast_signed()))
        .boolean(Some(fate.is_listed))
        .end_row();
}

/// A list of items that an order's payload brings, and the list it meets.
pub struct List<'p, 'c, 'a> {
    pub plan: &'p Plan<'c, 'a>,
    /// Of the list that is here.
    pub known: Version,
}

/// Converges the items of locked orders; returns the orders whose items are other than before.
pub fn merge(session: &Session, lists: &[List<'_, '_, '_>]) -> Result<HashSet<Id>> {
    let orders = lists.iter().map(|list| list.plan.order_id).collect();
    let mut known = lookup::items(session, orders)?;
    let (mut gone, mut changed, mut added) = (Vec::new(), rowset(c"changed_items"), rowset(c"added_items"));
    for list in lists {
        let known = known.remove(&list.plan.order_id).unwrap_or_default();
        let sent = list
            .plan
            .change
            .command
            .order
            .items
            .as_deref()
            .unwrap_or_default();
        let version = list.plan.change.version();
        if version > list.known {
            newer_list(list, version, known, sent, &mut gone, &mut changed, &mut added);
        } else {
            older_list(list, version, known, sent, &mut changed);
        }
    }
    if gone.is_empty() && changed.is_empty() && added.is_empty() {
        return Ok(HashSet::new());
    }
    changed.register(session)?;
    added.register(session)?;
    let orders = session.execute(&MERGE, vec![Value::UuidArray(gone)])?;
    Ok(orders
        .map(|row| row.uuid(1).unwrap_or_default())
        .into_iter()
        .collect())
}

/// It tells which items there are. The list before it left out those it adds, which is as if it had said that they have
/// none of what may be open: whatever older lists say of them counts no more.
fn newer_list(
    list: &List<'_, '_, '_>,
    version: Version,
    known: Vec<KnownItem>,
    sent: &[Item<'_>],
    gone: &mut Vec<Id>,
    changed: &mut Rowset,
    added: &mut Rowset,
) {
    let mut known: HashMap<i64, KnownItem> = known
        .into_iter()
        .map(|item| (item.shopify_line_item_id, item))
        .collect();
    for item in sent {
        let said = Said {
            version,
            says: said_of_item(item),
            blank: 0,
            outranks: 0,
        };
        let (rows, id, mut state) = match known.remove(&item.shopify_line_item_id) {
            Some(known) => (&mut *changed, known.id, known.state),
            None => {
                let mut unknown = ITEM.unknown();
                ITEM.hear_for(&mut unknown, &left_out(list.known), list.known);
                (&mut *added, ids::uuid_v7(), unknown)
            }
        };
        state.version = list.known;
        let take = ITEM.hear_for(&mut state, &said, version);
        push_fate(
            rows,
            list.plan.order_id,
            &Fate {
                id,
                item: Some(item),
                state,
                take,
                is_listed: true,
            },
        );
    }
    gone.extend(known.into_values().map(|item| item.id));
}

/// It fills what newer lists left open of the items that there are.
fn older_list(
    list: &List<'_, '_, '_>,
    version: Version,
    known: Vec<KnownItem>,
    sent: &[Item<'_>],
    changed: &mut Rowset,
) {
    let sent: HashMap<i64, &Item<'_>> = sent
        .iter()
        .map(|item| (item.shopify_line_item_id, item))
        .collect();
    for known in known {
        let item = sent.get(&known.shopify_line_item_id).copied();
        let said = match item {
            Some(item) => Said {
                version,
                says: said_of_item(item),
                blank: 0,
                outranks: 0,
            },
            None => left_out(version),
        };
        let mut state = known.state;
        state.version = list.known;
        let own_before = state.own.clone();
        let take = ITEM.hear_for(&mut state, &said, list.known);
        if take != 0 || state.own != own_before {
            push_fate(
                changed,
                list.plan.order_id,
                &Fate {
                    id: known.id,
                    item,
                    state,
                    take,
                    is_listed: false,
                },
            );
        }
    }
}

fn left_out(version: Version) -> Said {
    Said {
        version,
        says: ITEM.all(),
        blank: ITEM.all(),
        outranks: 0,
    }
}
