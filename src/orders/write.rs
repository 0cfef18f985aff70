//! Writing orders and items: inserts for what is new, and for what is known only where something differs.

use super::{Id, Outcome, Plan, PlanKind};
use crate::db::rowset::Column;
use crate::db::{Rowset, Session, Statement, Value, ids};
use crate::error::Result;
use pgrx::pg_sys;
use std::collections::HashSet;
use std::ffi::CStr;

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
    (c"payload_hash", pg_sys::INT8OID),
    (c"line_item_ids", pg_sys::INT8ARRAYOID),
];

const ITEM_COLUMNS: &[Column] = &[
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
];

thread_local! {
    static INSERT_NEW: Statement = const { Statement::new(include_str!("../../sql/orders/insert_new.sql"), &[]) };
    static FIND_CHANGED: Statement = const { Statement::new(include_str!("../../sql/orders/find_changed.sql"), &[]) };
    static UPDATE_ORDERS: Statement = const { Statement::new(
        include_str!("../../sql/orders/update_orders.sql"), &[pg_sys::UUIDARRAYOID]) };
    static MERGE_ITEMS: Statement = const { Statement::new(
        include_str!("../../sql/orders/merge_items.sql"), &[pg_sys::UUIDARRAYOID]) };
    static FILL_GAPS: Statement = const { Statement::new(include_str!("../../sql/orders/fill_gaps.sql"), &[]) };
    static FILL_ITEMS: Statement = const { Statement::new(
        include_str!("../../sql/orders/fill_missing_items.sql"), &[]) };
}

type Done<'p, 'c, 'a> = Vec<(&'p Plan<'c, 'a>, Outcome)>;

/// The rows of the plans' orders and items.
fn rowsets(plans: &[&Plan<'_, '_>], orders: &'static CStr, items: &'static CStr) -> (Rowset, Rowset) {
    let mut orders = Rowset::new(orders, ORDER_COLUMNS);
    let mut items = Rowset::new(items, ITEM_COLUMNS);
    plans.iter().for_each(|plan| push(plan, &mut orders, &mut items));
    (orders, items)
}

/// Inserts customers and orders nobody here knew, and their items.
pub fn insert_new<'p, 'c, 'a>(
    session: &Session,
    mut customers: Rowset,
    plans: &[&'p Plan<'c, 'a>],
) -> Result<Done<'p, 'c, 'a>> {
    if plans.is_empty() && customers.is_empty() {
        return Ok(Vec::new());
    }
    let (mut orders, mut items) = rowsets(plans, c"new_orders", c"new_items");
    customers.register(session)?;
    orders.register(session)?;
    items.register(session)?;
    session.run(&INSERT_NEW, vec![])?;
    Ok(plans.iter().map(|plan| (*plan, Outcome::Created)).collect())
}

/// Fills what the newer payloads of an order left open.
pub fn fill_gaps<'p, 'c, 'a>(session: &Session, plans: &[&'p Plan<'c, 'a>]) -> Result<Done<'p, 'c, 'a>> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let (mut orders, mut items) = rowsets(plans, c"older_orders", c"older_items");
    orders.register(session)?;
    session.run(&FILL_GAPS, vec![])?;
    if !items.is_empty() {
        items.register(session)?;
        session.run(&FILL_ITEMS, vec![])?;
    }
    Ok(plans.iter().map(|plan| (*plan, Outcome::Stale)).collect())
}

/// Brings known orders up to their payloads. Their rows are locked already.
pub fn update_known<'p, 'c, 'a>(session: &Session, plans: &[&'p Plan<'c, 'a>]) -> Result<Done<'p, 'c, 'a>> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let (mut orders, mut items) = rowsets(plans, c"known_orders", c"known_items");
    orders.register(session)?;
    items.register(session)?;

    let changed = session
        .run(&FIND_CHANGED, vec![])?
        .map(|row| row.uuid(1).unwrap_or_default());
    if !changed.is_empty() {
        session.run(&UPDATE_ORDERS, vec![Value::UuidArray(changed.clone())])?;
        session.run(&MERGE_ITEMS, vec![Value::UuidArray(changed.clone())])?;
    }
    let changed: HashSet<Id> = changed.into_iter().collect();
    let outcome = |plan: &Plan<'_, '_>| match changed.contains(&plan.order_id) {
        true => Outcome::Updated,
        false => Outcome::Unchanged,
    };
    Ok(plans.iter().map(|plan| (*plan, outcome(plan))).collect())
}

fn push(plan: &Plan<'_, '_>, orders: &mut Rowset, items: &mut Rowset) {
    let order = &plan.change.order;
    orders
        .uuid(plan.order_id)
        .int8(Some(order.shopify_order_id))
        .int8(order.order_number);
    orders
        .text(order.order_name)
        .optional_uuid(plan.customer_id)
        .text(order.email)
        .text(order.currency);
    orders
        .decimal(order.total_price.as_ref())
        .decimal(order.subtotal_price.as_ref());
    orders
        .decimal(order.total_tax.as_ref())
        .decimal(order.total_discounts.as_ref());
    orders.decimal(order.total_shipping.as_ref());
    orders.text(order.financial_status).text(order.fulfillment_status);
    orders
        .jsonb(order.shipping_address)
        .jsonb(order.billing_address)
        .text(order.note)
        .text(order.tags);
    orders
        .boolean(order.is_test)
        .timestamp(order.ordered_at.map(|t| t.0));
    orders
        .timestamp(order.cancelled_at.map(|t| t.0))
        .text(order.cancel_reason);
    orders
        .timestamp(order.version.map(|t| t.0))
        .int8(Some(plan.change.payload_hash));
    // Only known orders have items to be compared with.
    let listed = order.items.as_ref().filter(|_| plan.kind == PlanKind::Known);
    orders.int8_array(listed.map(|items| items.iter().map(|item| item.shopify_line_item_id).collect()));
    orders.end_row();

    for item in order.items.iter().flatten() {
        items
            .uuid(ids::uuid_v7())
            .uuid(plan.order_id)
            .int8(Some(item.shopify_line_item_id));
        items
            .int8(item.product_id)
            .int8(item.variant_id)
            .text(item.sku)
            .text(item.title);
        items
            .text(item.variant_title)
            .text(item.vendor)
            .int4(Some(item.quantity))
            .int4(item.current_quantity);
        items
            .decimal(Some(&item.price))
            .decimal(item.total_discount.as_ref())
            .boolean(item.gift_card)
            .end_row();
    }
}
