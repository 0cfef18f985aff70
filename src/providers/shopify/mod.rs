//! Shopify: orders and their fulfillments.

pub mod fulfillment;
pub mod order;

use super::{Command, Headers, Provider};
use crate::error::Result;
use crate::json::Json;

/// See the module.
pub struct Shopify;

/// What a topic's payload is.
#[derive(Clone, Copy)]
pub enum Topic {
    Order,
    /// Its order must be here already: one that has overtaken its order waits for it.
    Cancellation,
    Fulfillment,
}

impl Provider for Shopify {
    const NAME: &'static str = "shopify";
    const HEADERS: Headers = Headers {
        shop_domain: &[
            "x-shopify-shop-domain",
            "shopify-shop-domain",
            "X-Shopify-Shop-Domain",
        ],
        triggered_at: &[
            "x-shopify-triggered-at",
            "shopify-triggered-at",
            "X-Shopify-Triggered-At",
        ],
    };
    type Topic = Topic;
    const TOPICS: &'static [(&'static str, Topic)] = &[
        ("orders/create", Topic::Order),
        ("orders/updated", Topic::Order),
        ("orders/paid", Topic::Order),
        ("orders/fulfilled", Topic::Order),
        ("orders/partially_fulfilled", Topic::Order),
        ("orders/cancelled", Topic::Cancellation),
        ("fulfillments/create", Topic::Fulfillment),
        ("fulfillments/update", Topic::Fulfillment),
    ];

    fn read<'a, J: Json<'a>>(topic: Topic, payload: J) -> Result<Command<'a, J>> {
        match topic {
            Topic::Order => order::parse(payload).map(Command::UpsertOrder),
            Topic::Cancellation => order::parse(payload).map(Command::CancelOrder),
            Topic::Fulfillment => fulfillment::parse(payload).map(Command::RecordFulfillment),
        }
    }

    fn announces_order(topic: &str) -> bool {
        topic == "orders/create"
    }

    fn shopify_order_id<'a, J: Json<'a>>(topic: &str, payload: J) -> Option<i64> {
        let id = match topic {
            "orders/edited" => payload.member("order_edit")?.member("order_id")?,
            topic if topic.starts_with("orders/") => payload.member("id")?,
            "refunds/create"
            | "fulfillments/create"
            | "fulfillments/update"
            | "order_transactions/create" => payload.member("order_id")?,
            _ => return None,
        };
        // As processing reads it: a number, or its digits as text.
        id.as_i64().or_else(|| id.as_str()?.parse().ok())
    }
}
