//! The items of known orders: the newest list tells which there are, their quantities and prices; what it leaves open of
//! an item, an older list may have said.

use super::fields::{ITEM, said_of_item};
use super::lookup::{self, KnownItem};
use super::{Id, Plan};
use crate::convergence::{Said, State, Version};
use crate::db::{Session, TypedRowset, ids, rowset_row, statements};
use crate::error::Result;
use crate::json::Decimal;
use crate::providers::shopify::order::Item;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};

rowset_row! {
    /// What payloads say of an item. Bit n of `take` is the n-th name of [`ITEM`].
    pub struct ItemRow<'a> {
        id: Id,
        order_id: Id,
        shopify_line_item_id: Option<i64>,
        product_id: Option<i64>,
        variant_id: Option<i64>,
        sku: Option<&'a str>,
        title: Option<&'a str>,
        variant_title: Option<&'a str>,
        vendor: Option<&'a str>,
        quantity: Option<i32>,
        current_quantity: Option<i32>,
        price: Option<&'a Decimal<'a>>,
        total_discount: Option<&'a Decimal<'a>>,
        gift_card: Option<bool>,
        field_versions: Option<Json>,
        take: i32,
        is_listed: bool,
    }
}

type Items<'s> = TypedRowset<'s, ItemRow<'static>>;

statements! {
    execute merge_items(gone: Vec<Id>, shop: &str) with (
        changed_items: ItemRow<'static>,
        added_items: ItemRow<'static>,
    ) -> Id = file "orders/merge_items.sql";
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

/// The row of an item that is new.
pub fn row<'a>(order: Id, item: &'a Item<'_>) -> ItemRow<'a> {
    fate_row(
        order,
        &Fate {
            id: ids::uuid_v7(),
            item: Some(item),
            state: ITEM.unknown(),
            take: 0,
            is_listed: true,
        },
    )
}

fn fate_row<'i>(order: Id, fate: &Fate<'i, '_>) -> ItemRow<'i> {
    let item = fate.item;
    ItemRow {
        id: fate.id,
        order_id: order,
        shopify_line_item_id: item.map(|item| item.shopify_line_item_id),
        product_id: item.and_then(|item| item.product_id),
        variant_id: item.and_then(|item| item.variant_id),
        sku: item.and_then(|item| item.sku),
        title: item.and_then(|item| item.title),
        variant_title: item.and_then(|item| item.variant_title),
        vendor: item.and_then(|item| item.vendor),
        quantity: item.map(|item| item.quantity),
        current_quantity: item.and_then(|item| item.current_quantity),
        price: item.map(|item| &item.price),
        total_discount: item.and_then(|item| item.total_discount.as_ref()),
        gift_card: item.and_then(|item| item.gift_card),
        field_versions: ITEM.own_to_json(&fate.state.own),
        take: fate.take.cast_signed(),
        is_listed: fate.is_listed,
    }
}

/// A list of items that an order's payload brings, and the list it meets.
pub struct List<'p, 'c, 'a> {
    pub plan: &'p Plan<'c, 'a>,
    /// Of the list that is here.
    pub known: Version,
}

/// Converges the items of locked orders; returns the orders whose items are other than before.
pub fn merge(session: &Session, shop: &str, lists: &[List<'_, '_, '_>]) -> Result<HashSet<Id>> {
    let orders = lists.iter().map(|list| list.plan.order_id).collect();
    let mut known = lookup::items(session, orders)?;
    let mut gone = Vec::new();
    let (mut changed, mut added) = (Items::new(session), Items::new(session));
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
            newer_list(list, version, known, sent, &mut gone, &mut changed, &mut added)?;
        } else {
            older_list(list, version, known, sent, &mut changed)?;
        }
    }
    if gone.is_empty() && changed.is_empty() && added.is_empty() {
        return Ok(HashSet::new());
    }
    let orders = merge_items(session, gone, shop, &mut changed, &mut added)?.all()?;
    Ok(orders.into_iter().collect())
}

/// It tells which items there are. The list before it left out those it adds, which is as if it had said that they have
/// none of what may be open: whatever older lists say of them counts no more.
fn newer_list<'s>(
    list: &List<'_, '_, '_>,
    version: Version,
    known: Vec<KnownItem>,
    sent: &[Item<'_>],
    gone: &mut Vec<Id>,
    changed: &mut Items<'s>,
    added: &mut Items<'s>,
) -> Result<()> {
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
        rows.push(fate_row(
            list.plan.order_id,
            &Fate {
                id,
                item: Some(item),
                state,
                take,
                is_listed: true,
            },
        ))?;
    }
    gone.extend(known.into_values().map(|item| item.id));
    Ok(())
}

/// It fills what newer lists left open of the items that there are.
fn older_list(
    list: &List<'_, '_, '_>,
    version: Version,
    known: Vec<KnownItem>,
    sent: &[Item<'_>],
    changed: &mut Items<'_>,
) -> Result<()> {
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
            changed.push(fate_row(
                list.plan.order_id,
                &Fate {
                    id: known.id,
                    item,
                    state,
                    take,
                    is_listed: false,
                },
            ))?;
        }
    }
    Ok(())
}

fn left_out(version: Version) -> Said {
    Said {
        version,
        says: ITEM.all(),
        blank: ITEM.all(),
        outranks: 0,
    }
}
