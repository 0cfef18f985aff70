//! Shopify's fulfillment object, as `fulfillments/*` webhooks carry it: shipments under way for one order.
//!
//! Only `id` and `order_id` are required. An absent, null or empty field reads as `None`, which never erases what is
//! known.

use crate::error::Result;
use crate::json::{Field, Json, Timestamp};
use crate::providers::tracking::tracking_no;
use std::collections::HashSet;

/// One fulfillment, borrowed from its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fulfillment<'a> {
    pub shopify_fulfillment_id: i64,
    pub shopify_order_id: i64,
    pub courier_name: Option<&'a str>,
    /// `shipment_status` (the shipment's), else `status` (the fulfillment's own).
    pub status: Option<&'a str>,
    /// `updated_at`: which of two payloads of one fulfillment is the newer.
    pub version: Option<Timestamp>,
    /// When the shop made it.
    pub created_at: Option<Timestamp>,
    /// Without a tracking number yet: empty.
    pub shipments: Vec<Shipment<'a>>,
}

/// One shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment<'a> {
    pub tracking_no: String,
    pub tracking_url: Option<&'a str>,
}

/// Reads a fulfillment.
///
/// # Errors
/// [`crate::error::Error::Payload`] naming the first field that is not what Shopify documents.
pub fn parse<'a, J: Json<'a>>(payload: J) -> Result<Fulfillment<'a>> {
    let fulfillment = Field::root("fulfillment", payload).object()?;
    let (id, order_id) = (fulfillment.member("id"), fulfillment.member("order_id"));
    let status = match fulfillment.member("shipment_status").trimmed()? {
        Some(status) => Some(status),
        None => fulfillment.member("status").trimmed()?,
    };
    Ok(Fulfillment {
        shopify_fulfillment_id: id.required(id.id()?)?,
        shopify_order_id: order_id.required(order_id.id()?)?,
        courier_name: fulfillment.member("tracking_company").trimmed()?,
        status,
        version: fulfillment.member("updated_at").timestamp()?,
        created_at: fulfillment.member("created_at").timestamp()?,
        shipments: shipments(&fulfillment)?,
    })
}

/// `tracking_numbers` beside `tracking_urls`; `tracking_number` is the first of them, and all that old versions have.
fn shipments<'a, J: Json<'a>>(fulfillment: &Field<'_, J>) -> Result<Vec<Shipment<'a>>> {
    let mut numbers = texts(&fulfillment.member("tracking_numbers"))?;
    let mut urls = texts(&fulfillment.member("tracking_urls"))?;
    if numbers.iter().all(Option::is_none) {
        numbers = vec![fulfillment.member("tracking_number").trimmed()?];
    }
    if urls.iter().all(Option::is_none) {
        urls = vec![fulfillment.member("tracking_url").trimmed()?];
    }
    let mut shipments: Vec<Shipment<'a>> = Vec::with_capacity(numbers.len());
    let mut seen = HashSet::with_capacity(numbers.len());
    for (index, number) in numbers.into_iter().enumerate() {
        let Some(tracking_no) = number.map(tracking_no).filter(|number| !number.is_empty()) else {
            continue;
        };
        if seen.insert(tracking_no.clone()) {
            shipments.push(Shipment {
                tracking_no,
                tracking_url: urls.get(index).copied().flatten(),
            });
        }
    }
    Ok(shipments)
}

fn texts<'a, J: Json<'a>>(list: &Field<'_, J>) -> Result<Vec<Option<&'a str>>> {
    let Some(elements) = list.elements()? else {
        return Ok(Vec::new());
    };
    elements.map(|element| element.trimmed()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn numbers(payload: &Value) -> Vec<(String, Option<&str>)> {
        let shipments = parse(payload).unwrap().shipments;
        shipments
            .into_iter()
            .map(|shipment| (shipment.tracking_no, shipment.tracking_url))
            .collect()
    }

    #[test]
    fn every_tracking_number_is_a_shipment_with_the_url_beside_it() {
        let payload = json!({
            "id": 1, "order_id": 2, "tracking_number": "A 1", "tracking_url": "https://t/A",
            "tracking_numbers": ["A 1", "", "B", "A1"], "tracking_urls": ["https://t/A", "https://t/none", "https://t/B"],
        });
        let expected = [("A1", Some("https://t/A")), ("B", Some("https://t/B"))];
        assert_eq!(
            numbers(&payload),
            expected.map(|(number, url)| (number.to_owned(), url))
        );
    }

    #[test]
    fn an_old_payload_has_one_number_and_a_new_fulfillment_none() {
        let old = json!({"id": 1, "order_id": 2, "tracking_number": "1Z2345", "tracking_url": null});
        assert_eq!(numbers(&old), [("1Z2345".to_owned(), None)]);
        let none = json!({"id": 1, "order_id": 2, "tracking_number": null, "tracking_numbers": [], "tracking_urls": []});
        assert_eq!(numbers(&none), []);
    }

    #[test]
    fn the_shipments_own_status_comes_first() {
        let status = |payload: Value| parse(&payload).unwrap().status.map(str::to_owned);
        let both = json!({"id": 1, "order_id": 2, "status": "success", "shipment_status": "in_transit"});
        assert_eq!(status(both).as_deref(), Some("in_transit"));
        let one = json!({"id": 1, "order_id": 2, "status": "cancelled", "shipment_status": null});
        assert_eq!(status(one).as_deref(), Some("cancelled"));
    }

    #[test]
    fn an_error_names_the_field() {
        for (payload, error) in [
            (json!({"order_id": 2}), "fulfillment.id: missing"),
            (json!({"id": 1}), "fulfillment.order_id: missing"),
            (
                json!({"id": 1, "order_id": 2, "tracking_numbers": "A"}),
                "fulfillment.tracking_numbers: not an array: text",
            ),
        ] {
            assert_eq!(parse(&payload).unwrap_err().to_string(), error);
        }
    }
}
