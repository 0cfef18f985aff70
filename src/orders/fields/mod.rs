//! The fields that converge: which there are, and which of them a payload speaks of.
//!
//! Null decides what states an order's condition (statuses, note, tags, cancellation). Elsewhere it says nothing: not of
//! sums and items, and not of a person, since redaction looks so.

use crate::convergence::{Fields, Shape, Version};
use crate::json::{Json, Kind};
use crate::providers::shopify::order::{Customer, Item, Order};

/// In the order of the bits of `take` in `sql/orders/update_orders.sql`. The first 13 are open while null.
pub const ORDER: Shape = Shape {
    names: &[
        "order_number",
        "order_name",
        "customer_id",
        "email",
        "currency",
        "total_price",
        "subtotal_price",
        "total_tax",
        "total_discounts",
        "total_shipping",
        "shipping_address",
        "billing_address",
        "ordered_at",
        "is_test",
        "items",
        "financial_status",
        "fulfillment_status",
        "note",
        "tags",
        "cancelled_at",
        "cancel_reason",
    ],
    open_when_blank: (1 << 13) - 1,
};
pub const CUSTOMER_ID: Fields = 1 << 2;
pub const SHIPPING_ADDRESS: Fields = 1 << 10;
pub const BILLING_ADDRESS: Fields = 1 << 11;
/// The number of the field; the list of items as a whole.
pub const ITEMS: usize = 14;

/// Of an item, what a list of items may leave open; in the order of `sql/orders/merge_items.sql`.
pub const ITEM: Shape = Shape {
    names: &[
        "product_id",
        "variant_id",
        "sku",
        "title",
        "variant_title",
        "vendor",
        "current_quantity",
        "total_discount",
        "gift_card",
    ],
    open_when_blank: (1 << 9) - 1,
};

/// In the order of `sql/orders/update_customers.sql`.
pub const CUSTOMER: Shape = Shape {
    names: &["email", "first_name", "last_name", "phone", "accepts_marketing"],
    open_when_blank: (1 << 5) - 1,
};

fn set<const N: usize>(members: [bool; N]) -> Fields {
    members
        .into_iter()
        .enumerate()
        .fold(0, |fields, (field, is_member)| {
            fields | (Fields::from(is_member) << field)
        })
}

/// What an order's payload speaks of, its buyer apart. (Whether it is null there makes no difference to a version.)
pub fn said_of_order<J>(order: &Order<'_, J>) -> Fields {
    set([
        order.order_number.is_some(),
        order.order_name.is_some(),
        false,
        order.email.is_some(),
        order.currency.is_some(),
        order.total_price.is_some(),
        order.subtotal_price.is_some(),
        order.total_tax.is_some(),
        order.total_discounts.is_some(),
        order.total_shipping.is_some(),
        order.shipping_address.is_some(),
        order.billing_address.is_some(),
        order.ordered_at.is_some(),
        order.is_test.is_some(),
        order.items.is_some(),
        order.financial_status.is_some(),
        order.fulfillment_status.is_some(),
        order.note.is_some(),
        order.tags.is_some(),
        order.cancelled_at.is_some(),
        order.cancel_reason.is_some(),
    ])
}

pub fn said_of_item(item: &Item<'_>) -> Fields {
    set([
        item.product_id.is_some(),
        item.variant_id.is_some(),
        item.sku.is_some(),
        item.title.is_some(),
        item.variant_title.is_some(),
        item.vendor.is_some(),
        item.current_quantity.is_some(),
        item.total_discount.is_some(),
        item.gift_card.is_some(),
    ])
}

pub fn said_of_customer(customer: &Customer<'_>) -> Fields {
    set([
        customer.email.is_some(),
        customer.first_name.is_some(),
        customer.last_name.is_some(),
        customer.phone.is_some(),
        customer.accepts_marketing.is_some(),
    ])
}

/// Whether an address says where to: apps without access to customers' data get the country alone.
pub fn has_street<'a, J: Json<'a>>(address: J) -> bool {
    address
        .member("address1")
        .is_some_and(|street| match street.kind() {
            Kind::Null => false,
            Kind::String => street.as_str() != Some(""),
            _ => true,
        })
}

/// The version of an order's payload.
pub fn version<J>(order: &Order<'_, J>, triggered_at: Option<i64>, hash: i64) -> Version {
    Version {
        at: order.version.map(|version| version.0).or(triggered_at),
        triggered_at,
        hash,
    }
}
