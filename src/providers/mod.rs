//! What each provider's JSON means: payload in, typed [`Command`] out. Pure: no SQL, no clock.
//!
//! A new provider or topic is one new file and one line in [`command`].

pub mod dpd;
pub mod list;
pub mod shopify_fulfillment;
pub mod shopify_order;
mod uk_time;

use crate::error::{Error, Result};
use crate::json::Json;
use dpd::ShipmentEvent;
use list::Element;
use shopify_fulfillment::Fulfillment;
use shopify_order::Order;

/// What a webhook asks for.
pub enum Command<'a, J> {
    /// Converge an order on this payload.
    UpsertOrder(Order<'a, J>),
    /// The same, but the order must be here already: a cancellation that overtook its order waits for it.
    CancelOrder(Order<'a, J>),
    /// Converge an order's shipments on this payload.
    RecordFulfillment(Fulfillment<'a>),
    /// What a courier reports about shipments; each for itself.
    RecordShipmentEvents(Vec<Element<J, ShipmentEvent<J>>>),
}

const SHOPIFY_TOPICS: &str = "orders/create, orders/updated, orders/paid, orders/fulfilled, \
                              orders/partially_fulfilled, orders/cancelled, fulfillments/create, fulfillments/update";

/// The registry: who reads which topic.
///
/// # Errors
/// [`Error::UnknownTopic`] when nobody does, [`Error::Payload`] when the payload is not what the topic promises.
pub fn command<'a, J: Json<'a>>(provider: &str, topic: &str, payload: J) -> Result<Command<'a, J>> {
    match (provider, topic) {
        (
            "shopify",
            "orders/create"
            | "orders/updated"
            | "orders/paid"
            | "orders/fulfilled"
            | "orders/partially_fulfilled",
        ) => shopify_order::parse(payload).map(Command::UpsertOrder),
        ("shopify", "orders/cancelled") => shopify_order::parse(payload).map(Command::CancelOrder),
        ("shopify", "fulfillments/create" | "fulfillments/update") => {
            shopify_fulfillment::parse(payload).map(Command::RecordFulfillment)
        }
        // One kind of webhook, whatever the sender calls it.
        ("dpd", _) => dpd::parse(payload).map(Command::RecordShipmentEvents),
        _ => Err(Error::UnknownTopic {
            provider: provider.into(),
            topic: topic.into(),
            known: SHOPIFY_TOPICS,
        }),
    }
}

/// The id of a delivery whose sender names none in its headers, where the payload tells it.
pub fn event_id<'a, J: Json<'a>>(provider: &str, payload: J) -> Option<String> {
    match provider {
        "dpd" => dpd::event_id(payload),
        _ => None,
    }
}

/// Whether receipt of this topic starts the SLO clock: there must soon be an order.
pub fn announces_order(provider: &str, topic: &str) -> bool {
    (provider, topic) == ("shopify", "orders/create")
}

/// The Shopify order a payload is about, where the topic and a glance at the payload tell.
pub fn shopify_order_id<'a, J: Json<'a>>(provider: &str, topic: &str, payload: J) -> Option<i64> {
    let id = match (provider, topic) {
        ("shopify", "orders/edited") => payload.member("order_edit")?.member("order_id")?,
        ("shopify", topic) if topic.starts_with("orders/") => payload.member("id")?,
        (
            "shopify",
            "refunds/create" | "fulfillments/create" | "fulfillments/update" | "order_transactions/create",
        ) => payload.member("order_id")?,
        _ => return None,
    };
    // As processing reads it: a number, or its digits as text.
    id.as_i64().or_else(|| id.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_nobody_reads_is_named_with_the_ones_somebody_does() {
        let payload = serde_json::json!({"id": 1});
        let error = command("shopify", "draft_orders/create", &payload).err().unwrap();
        assert_eq!(
            error.to_string(),
            r#"topic: nothing here handles shopify "draft_orders/create""#
        );
        assert!(error.hint().unwrap().contains("orders/create"));
    }

    #[test]
    fn the_order_id_is_found_at_receipt_where_the_topic_has_one() {
        let order = serde_json::json!({"id": 5, "order_id": 6, "order_edit": {"order_id": 7}});
        assert_eq!(shopify_order_id("shopify", "orders/create", &order), Some(5));
        let text = serde_json::json!({"id": "820982911946154508"});
        assert_eq!(
            shopify_order_id("shopify", "orders/create", &text),
            Some(820_982_911_946_154_508)
        );
        assert_eq!(shopify_order_id("shopify", "refunds/create", &order), Some(6));
        assert_eq!(shopify_order_id("shopify", "orders/edited", &order), Some(7));
        assert_eq!(shopify_order_id("shopify", "products/update", &order), None);
        assert_eq!(shopify_order_id("clerk", "orders/create", &order), None);
    }
}
