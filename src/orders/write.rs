//! Writing orders and items: inserts for what is new, and for what is known what its payloads decide.

use super::customers::CustomerRow;
use super::fields::{ITEMS, ORDER};
use super::items::ItemRow;
use super::{Id, Outcome, Plan, items};
use crate::db::{Jsonb, Session, TypedRowset, result_row, rowset_row, statements};
use crate::error::Result;
use crate::json::{Decimal, Timestamp};
use crate::providers::shopify::order::order_columns;
use serde_json::Value as Json;
use std::collections::HashSet;

/// A column's type as a rowset takes it.
macro_rules! cell_type {
    (Sum $type:ty) => { Option<&'a Decimal<'a>> };
    (Address $type:ty) => { Option<Jsonb<'a>> };
    ($kind:ident $type:ty) => { Option<$type> };
}

macro_rules! cell {
    (Sum $value:expr) => {
        $value.as_ref()
    };
    (Clearable $value:expr) => {
        $value.flatten()
    };
    ($kind:ident $value:expr) => {
        $value
    };
}

macro_rules! order_row {
    ($($name:ident: $kind:ident<$type:ty> = $read:ident($($member:literal)?);)+) => {
        rowset_row! {
            /// What the payloads say of an order. Bit n of `take` is the n-th name of [`ORDER`].
            struct OrderRow<'a> {
                order_id: Id,
                shopify_order_id: i64,
                customer_id: Option<Id>,
                $($name: cell_type!($kind $type),)+
                version: Option<Timestamp>,
                triggered_at: Option<Timestamp>,
                payload_hash: Option<i64>,
                field_versions: Option<Json>,
                guest_email_key: Option<&'a [u8]>,
                take: i32,
                items_changed: bool,
                is_anyones: bool,
            }
        }

        fn row<'a>(plan: &'a Plan<'_, '_>, items_changed: bool) -> OrderRow<'a> {
            let order = &plan.change.command.order;
            let version = plan.after.version;
            let guest = plan.person.as_ref().and_then(|person| person.guest_key.as_ref());
            OrderRow {
                order_id: plan.order_id,
                shopify_order_id: order.shopify_order_id,
                customer_id: plan.person.as_ref().map(|person| person.id),
                $($name: cell!($kind order.$name),)+
                version: version.updated_at(),
                triggered_at: version.triggered_at(),
                payload_hash: version.payload_hash(),
                field_versions: ORDER.own_to_json(&plan.after.own),
                guest_email_key: guest.map(|key| key.as_slice()),
                take: plan.take.cast_signed(),
                items_changed,
                is_anyones: plan.is_anyones,
            }
        }
    };
}
order_columns!(order_row);

result_row! {
    struct OrderUpdated {
        id: Id,
        is_so: Option<bool>,
    }
}

statements! {
    execute insert_all_new(shop: &str) with (
        new_customers: CustomerRow<'static>,
        new_orders: OrderRow<'static>,
        new_items: ItemRow<'static>,
    ) = file "orders/insert_new.sql";
    execute update_orders(shop: &str) with (known_orders: OrderRow<'static>) -> OrderUpdated
        = file "orders/update_orders.sql";
}

type Done<'p, 'c, 'a> = Vec<(&'p Plan<'c, 'a>, Outcome)>;

/// Inserts customers and orders nobody here knew, and their items.
pub fn insert_new<'p, 'c, 'a>(
    session: &Session,
    shop: &str,
    mut customers: TypedRowset<'_, CustomerRow<'static>>,
    plans: &[&'p Plan<'c, 'a>],
) -> Result<Done<'p, 'c, 'a>> {
    if plans.is_empty() && customers.is_empty() {
        return Ok(Vec::new());
    }
    let mut orders = TypedRowset::new(session);
    let mut items = TypedRowset::new(session);
    for plan in plans {
        orders.push(row(plan, false))?;
        for item in plan.change.command.order.items.iter().flatten() {
            items.push(items::row(plan.order_id, item))?;
        }
    }
    insert_all_new(session, shop, &mut customers, &mut orders, &mut items)?;
    Ok(plans.iter().map(|plan| (*plan, Outcome::Created)).collect())
}

/// Converges known orders, whose rows are locked, on their payloads.
pub fn update_known<'p, 'c, 'a>(
    session: &Session,
    shop: &str,
    plans: &[&'p Plan<'c, 'a>],
) -> Result<Done<'p, 'c, 'a>> {
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
        false => items::merge(session, shop, &lists)?,
    };
    let mut orders = TypedRowset::new(session);
    for plan in plans {
        let items_changed = changed.contains(&plan.order_id);
        if plan.take != 0 || plan.before != Some(&plan.after) || items_changed || plan.is_anyones {
            orders.push(row(plan, items_changed))?;
        }
    }
    if !orders.is_empty() {
        let rows = update_orders(session, shop, &mut orders)?.all()?;
        let other = rows.into_iter().filter(|row| row.is_so.unwrap_or(true));
        changed.extend(other.map(|row| row.id));
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
