//! Writing orders and items: inserts for what is new, and for what is known what its payloads decide.

use super::fields::{ITEMS, ORDER};
use super::{Id, Outcome, Plan, items};
use crate::convergence::columns::push_version;
use crate::db::rowset::Column;
use crate::db::{Rowset, Session, Statement};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::{HashMap, HashSet};

const ORDER_COLUMNS: &[Column] = &[
    (c"order_id", pg_sys::UUIDOID),
    (c"shopify_order_id", pg_sys::INT8OID),
    (c"order_number", pg_sys::INT8OID),
    (c"order_name", pg_sys::TEXTOID),
    (c"customer_id", pg_sys::UUIDOID),
    (c"email", pg_sys::TEXTOID),
    (c"currency", pg_sys::TEXTOID),
    (c"total_price", pg_sys::NUMERICOID),
    (c"subtotal_price", pg_sys::NUMERICOID),
    (c"total_tax", pg_sys::NUMERICOID),
    (c"total_discounts", pg_sys::NUMERICOID),
    (c"total_shipping", pg_sys::NUMERICOID),
    (c"financial_status", pg_sys::TEXTOID),
    (c"fulfillment_status", pg_sys::TEXTOID),
    (c"shipping_address", pg_sys::JSONBOID),
    (c"billing_address", pg_sys::JSONBOID),
    (c"note", pg_sys::TEXTOID),
    (c"tags", pg_sys::TEXTOID),
    (c"is_test", pg_sys::BOOLOID),
    (c"ordered_at", pg_sys::TIMESTAMPTZOID),
    (c"cancelled_at", pg_sys::TIMESTAMPTZOID),
    (c"cancel_reason", pg_sys::TEXTOID),
    (c"version", pg_sys::TIMESTAMPTZOID),
    (c"triggered_at", pg_sys::TIMESTAMPTZOID),
    (c"payload_hash", pg_sys::INT8OID),
    (c"field_versions", pg_sys::JSONBOID),
    (c"guest_email_key", pg_sys::BYTEAOID),
    (c"take", pg_sys::INT4OID),
    (c"items_changed", pg_sys::BOOLOID),
];

thread_local! {
    static INSERT_NEW: Statement = const { Statement::new(include_str!("../../sql/orders/insert_new.sql"), &[]) };
    static UPDATE_ORDERS: Statement = const { Statement::new(include_str!("../../sql/orders/update_orders.sql"), &[]) };
}

type Done<'p, 'c, 'a> = Vec<(&'p Plan<'c, 'a>, Outcome)>;

/// Inserts customers and orders nobody here knew, and their items.
pub fn insert_new<'p, 'c, 'a>(
    session: &Session,
    mut customers: Rowset,
    plans: &[&'p Plan<'c, 'a>],
) -> Result<Done<'p, 'c, 'a>> {
    if plans.is_empty() && customers.is_empty() {
        return Ok(Vec::new());
    }
    let mut orders = Rowset::new(c"new_orders", ORDER_COLUMNS);
    let mut items = items::rowset(c"new_items");
    for plan in plans {
        push(plan, false, &mut orders);
        for item in plan.change.command.order.items.iter().flatten() {
            items::push(&mut items, plan.order_id, item);
        }
    }
    customers.register(session)?;
    orders.register(session)?;
    items.register(session)?;
    session.execute(&INSERT_NEW, vec![])?;
    Ok(plans.iter().map(|plan| (*plan, Outcome::Created)).collect())
}

/// Converges known orders, whose rows are locked, on their payloads.
pub fn update_known<'p, 'c, 'a>(session: &Session, plans: &[&'p Plan<'c, 'a>]) -> Result<Done<'p, 'c, 'a>> {
    let lists: Vec<items::List<'_, '_, '_>> = plans
        .iter()
        .filter_map(|plan| {
            let before = plan.before?;
            // The same list again, triggered once more, changes nothing.
            let is_news =
                plan.change.command.order.items.is_some() && before.version.hash != plan.change.payload_hash;
            is_news.then(|| items::List {
                plan,
                known: ORDER.version_of(before, ITEMS),
            })
        })
        .collect();
    let mut changed: HashSet<Id> = match lists.is_empty() {
        true => HashSet::new(),
        false => items::merge(session, &lists)?,
    };
    let mut orders = Rowset::new(c"known_orders", ORDER_COLUMNS);
    for plan in plans {
        let items_changed = changed.contains(&plan.order_id);
        if plan.take != 0 || plan.before != Some(&plan.after) || items_changed {
            push(plan, items_changed, &mut orders);
        }
    }
    if !orders.is_empty() {
        orders.register(session)?;
        let rows = session.execute(&UPDATE_ORDERS, vec![])?;
        let rows: HashMap<Id, bool> = rows
            .map(|row| (row.uuid(1).unwrap_or_default(), row.boolean(2).unwrap_or(true)))
            .into_iter()
            .collect();
        changed.extend(
            rows.into_iter()
                .filter_map(|(id, is_other)| is_other.then_some(id)),
        );
    }
    let outcome = |plan: &Plan<'_, '_>| {
        let is_stale = plan
            .before
            .is_some_and(|before| plan.change.version() < before.version);
        match (is_stale, changed.contains(&plan.order_id)) {
            (true, _) => Outcome::Stale,
            (false, true) => Outcome::Updated,
            (false, false) => Outcome::Unchanged,
        }
    };
    Ok(plans.iter().map(|plan| (*plan, outcome(plan))).collect())
}

fn push(plan: &Plan<'_, '_>, items_changed: bool, rows: &mut Rowset) {
    let order = &plan.change.command.order;
    rows.uuid(plan.order_id)
        .int8(Some(order.shopify_order_id))
        .int8(order.order_number);
    rows.text(order.order_name)
        .optional_uuid(plan.person.as_ref().map(|person| person.id))
        .text(order.email)
        .text(order.currency);
    rows.decimal(order.total_price.as_ref())
        .decimal(order.subtotal_price.as_ref());
    rows.decimal(order.total_tax.as_ref())
        .decimal(order.total_discounts.as_ref());
    rows.decimal(order.total_shipping.as_ref());
    rows.text(order.financial_status.flatten())
        .text(order.fulfillment_status.flatten());
    rows.jsonb(order.shipping_address)
        .jsonb(order.billing_address)
        .text(order.note.flatten())
        .text(order.tags.flatten());
    rows.boolean(order.is_test)
        .timestamp(order.ordered_at.map(|t| t.0));
    rows.timestamp(order.cancelled_at.flatten().map(|t| t.0))
        .text(order.cancel_reason.flatten());
    push_version(rows, plan.after.version);
    let guest = plan.person.as_ref().and_then(|person| person.guest_key.as_ref());
    rows.optional_json(ORDER.own_to_json(&plan.after.own).as_ref())
        .bytes(guest.map(|key| key.as_slice()));
    rows.int4(Some(plan.take.cast_signed()))
        .boolean(Some(items_changed))
        .end_row();
}
