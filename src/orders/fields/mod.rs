//! The fields that converge: which there are, and which of them a payload speaks of.
//!
//! Null decides what states an order's condition (statuses, note, tags, cancellation). Elsewhere it says nothing: not of
//! sums and items, and not of a person, since redaction looks so.

use crate::convergence::{Fields, Shape, Version};
use crate::json::{Json, Kind};
use crate::providers::shopify::order::{Customer, Item, Order, order_columns};

/// Bit that a kind of column has where it is open while null.
macro_rules! open_bit {
    (Kept) => {
        0
    };
    (Clearable) => {
        0
    };
    ($kind:ident) => {
        1
    };
}

macro_rules! order_fields {
    ($($name:ident: $kind:ident<$type:ty> = $read:ident($($member:literal)?);)+) => {
        /// The fields of an order by their number: the buyer, the list of items as a whole, and its columns.
        #[allow(non_camel_case_types, reason = "named as their columns")]
        #[derive(Clone, Copy)]
        enum OrderField {
            customer_id,
            items,
            $($name),+
        }

        /// Bit n of `take` and of `blank` in `sql/orders/` is the n-th name.
        pub const ORDER: Shape = Shape {
            names: &["customer_id", "items", $(stringify!($name)),+],
            open_when_blank: CUSTOMER_ID $(| open_bit!($kind) << OrderField::$name as u32)+,
        };

        /// What an order's payload speaks of, its buyer apart. (Whether it is null there makes no difference to a version.)
        pub fn said_of_order<J>(order: &Order<'_, J>) -> Fields {
            (Fields::from(order.items.is_some()) << ITEMS)
                $(| Fields::from(order.$name.is_some()) << OrderField::$name as u32)+
        }
    };
}
order_columns!(order_fields);

pub const CUSTOMER_ID: Fields = 1 << OrderField::customer_id as u32;
pub const SHIPPING_ADDRESS: Fields = 1 << OrderField::shipping_address as u32;
pub const BILLING_ADDRESS: Fields = 1 << OrderField::billing_address as u32;
/// The number of the field; the list of items as a whole.
pub const ITEMS: usize = OrderField::items as usize;

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

#[cfg(test)]
mod tests;
