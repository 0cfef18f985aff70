//! Later states of an order, and payloads that say less than the whole.

use serde_json::{Value, json};

use super::{Order, shop_time};

/// Something that happened to an order.
#[derive(Clone, Debug)]
pub enum Change {
    /// `financial_status`
    FinancialStatus(&'static str),
    /// `fulfillment_status`
    FulfillmentStatus(&'static str),
    /// `note`
    Note(String),
    /// `tags`: one text, comma-separated.
    Tags(String),
    /// The order's e-mail address; the customer's own stays.
    Email(String),
    /// `cancelled_at` (the time of the update), `cancel_reason`, and `financial_status` voided.
    Cancelled(&'static str),
    /// A line item taken out by an edit: it stays in the list with `current_quantity` 0.
    RemoveItem(usize),
    /// Any member of the order.
    Set(&'static str, Value),
}

impl Order {
    /// The order `seconds_later`, after these changes. Zero seconds: Shopify repeats the same second on several topics.
    pub fn updated(&self, seconds_later: i64, changes: &[Change]) -> Self {
        let mut json = self.json.clone();
        let updated_at = self.updated_at + seconds_later;
        let now = shop_time(updated_at, self.offset);
        let mut next = self.clone();
        for change in changes {
            match change {
                Change::FinancialStatus(status) => json["financial_status"] = json!(status),
                Change::FulfillmentStatus(status) => json["fulfillment_status"] = json!(status),
                Change::Note(note) => json["note"] = json!(note),
                Change::Tags(tags) => json["tags"] = json!(tags),
                Change::Email(email) => {
                    json["email"] = json!(email);
                    json["contact_email"] = json!(email);
                    next.email = Some(email.clone());
                }
                Change::Cancelled(reason) => {
                    json["cancelled_at"] = json!(now);
                    json["cancel_reason"] = json!(reason);
                    json["financial_status"] = json!("voided");
                }
                Change::RemoveItem(index) => {
                    if let Some(item) = json["line_items"].get_mut(*index) {
                        item["current_quantity"] = json!(0);
                        item["fulfillable_quantity"] = json!(0);
                    }
                }
                Change::Set(member, value) => json[*member] = value.clone(),
            }
        }
        json["updated_at"] = json!(now);
        next.updated_at = updated_at;
        next.with_json(json)
    }

    /// What a subscription with `include_fields` receives: only these members.
    pub fn partial(&self, members: &[&str]) -> Self {
        let kept = members
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.json.get(*name)?.clone())));
        self.with_json(Value::Object(kept.collect()))
    }

    /// What an app without access to protected customer data receives: who and where is null.
    pub fn redacted(&self) -> Self {
        let mut json = self.json.clone();
        for member in ["email", "contact_email", "phone"] {
            json[member] = Value::Null;
        }
        for member in ["shipping_address", "billing_address"] {
            let address = &json[member];
            json[member] = json!({ "country": address["country"], "country_code": address["country_code"] });
        }
        if let Some(id) = self.customer_id {
            json["customer"] =
                json!({ "id": id, "email": null, "phone": null, "first_name": null, "state": "disabled" });
        }
        self.with_json(json)
    }
}
