//! What webhooks ask for, whoever sends them.

use super::list::Element;
use super::shopify::fulfillment::Fulfillment;
use super::shopify::order::Order;
use crate::command::LockKey;
use crate::json::Timestamp;

/// What a webhook asks for. Nearly all are orders: a box around them would cost each of them an allocation.
#[allow(clippy::large_enum_variant)]
pub enum Command<'a, J> {
    /// Converge an order on this payload.
    UpsertOrder(Order<'a, J>),
    /// The same, but the order must be here already: a cancellation that overtook its order waits for it.
    CancelOrder(Order<'a, J>),
    /// Converge an order's shipments on this payload.
    RecordFulfillment(Fulfillment<'a>),
    /// What a courier reports about shipments; each for itself.
    RecordShipmentEvents(ShipmentReport<J>),
}

/// What a courier reports in one webhook.
pub struct ShipmentReport<J> {
    /// Whose webhook it is: what cannot be matched yet waits under this name.
    pub provider: &'static str,
    /// What the mapping calls the courier.
    pub courier: &'static str,
    pub events: Vec<Element<J, ShipmentEvent<J>>>,
}

/// What happened to a shipment.
#[derive(Clone, Debug)]
pub struct ShipmentEvent<J> {
    pub tracking_no: String,
    /// As it came: leading zeros count.
    pub code: String,
    pub text: Option<String>,
    pub time: Timestamp,
    /// The part of the payload that tells it.
    pub raw: J,
}

impl<J> Command<'_, J> {
    /// Which rows of a shop it locks.
    pub fn lock_key(&self, shop: &str) -> Option<LockKey> {
        let order = |shopify_order_id, part| LockKey::Order {
            shop: shop.to_owned(),
            shopify_order_id,
            part,
        };
        match self {
            Command::UpsertOrder(of) | Command::CancelOrder(of) => Some(order(of.shopify_order_id, 0)),
            Command::RecordFulfillment(of) => Some(order(of.shopify_order_id, of.shopify_fulfillment_id)),
            Command::RecordShipmentEvents(report) => {
                let mut readable = report.events.iter().filter_map(|event| event.read.as_ref().ok());
                readable.next().map(|event| LockKey::Shipment {
                    shop: shop.to_owned(),
                    tracking_no: event.tracking_no.clone(),
                })
            }
        }
    }
}
