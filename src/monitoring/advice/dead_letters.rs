//! Dead letters: what can be applied, what a person has to correct, what is settled last. Pure.

use super::step;
use crate::db::{literal, result_row};
use crate::json::Timestamp;

result_row! {
    /// The dead letters of a shop.
    #[derive(Clone, Debug, Default)]
    pub struct DeadLetters {
        pub shop_domain: String,
        pub total: i64,
        /// Orders whose payload can be applied as it is, once the cause is mended.
        pub to_apply: i64,
        /// What most of those have failed with.
        pub category: Option<String>,
        /// Payloads that nobody can read as they are.
        pub malformed: i64,
        /// Nobody here reads their topic.
        pub unknown_topic: i64,
        pub oldest_at: Option<Timestamp>,
        /// Of the oldest.
        pub id: [u8; 16],
        pub error: Option<String>,
        /// Of the oldest of the malformed orders.
        pub malformed_id: Option<[u8; 16]>,
        pub malformed_error: Option<String>,
    }
}

impl DeadLetters {
    /// Those of two shops together, as of one.
    pub fn and(self, other: Self) -> Self {
        let (older, younger) = match other.oldest_at < self.oldest_at {
            true => (other, self),
            false => (self, other),
        };
        Self {
            total: older.total + younger.total,
            to_apply: older.to_apply + younger.to_apply,
            malformed: older.malformed + younger.malformed,
            unknown_topic: older.unknown_topic + younger.unknown_topic,
            malformed_id: older.malformed_id.or(younger.malformed_id),
            malformed_error: match older.malformed_id {
                Some(_) => older.malformed_error,
                None => younger.malformed_error,
            },
            ..older
        }
    }
}

/// Dead letters: apply what can be applied, correct what cannot, settle last.
pub fn dead_letters(dead: &DeadLetters, shop: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let which = match dead.total {
        1 => format!(
            "id = '{}' AND processing_status = 'dlq'",
            pgrx::Uuid::from_bytes(dead.id)
        ),
        _ => format!("processing_status = 'dlq'{shop}"),
    };
    steps.push(format!(
        "SELECT id, topic, error_category, last_error FROM raw_ops.webhook_inbox WHERE {which} ORDER BY last_error_at LIMIT 10;"
    ));
    if dead.to_apply > 0 {
        steps.push(step(
            "-- Once the cause is mended; an order that still cannot be applied changes nothing:",
        ));
        steps.push(format!(
            "SELECT id, raw_ops.process_order_webhook_txn(payload, shop_domain) AS applied, \
             raw_ops.fn_resolve_webhook_manually_v1(id, 'applied as it came, its cause was mended') AS settled FROM \
             raw_ops.webhook_inbox WHERE {which} AND topic LIKE 'orders/%' AND error_category = {} ORDER BY received_at;",
            literal(dead.category.as_deref().unwrap_or("internal"))
        ));
    }
    if let Some(id) = dead.malformed_id {
        let id = pgrx::Uuid::from_bytes(id);
        let path = dead.malformed_error.as_deref().and_then(path_in_payload);
        steps.push(format!(
            "-- Fill in what is right, say how you know, and paste: SELECT raw_ops.process_order_webhook_txn(jsonb_set(payload, '{}', \
             '<value as JSON>'), shop_domain), raw_ops.fn_resolve_webhook_manually_v1(id, '<what was wrong, how you know>') FROM \
             raw_ops.webhook_inbox WHERE id = '{id}';",
            path.as_deref().unwrap_or("{<field>}")
        ));
        steps.push(format!(
            "SELECT w.processing_status, o.order_name, o.total_price FROM raw_ops.webhook_inbox w LEFT JOIN raw_ops.orders o ON \
             o.shopify_order_id = w.shopify_order_id AND o.shop_domain IN (w.shop_domain, '') WHERE w.id = '{id}';"
        ));
    }
    if dead.unknown_topic > 0 {
        steps.push(format!(
            "-- Nobody here reads the topic: unsubscribe from it at the provider. There is nothing to apply; settle it with: SELECT id, \
             raw_ops.fn_resolve_webhook_manually_v1(id, 'this topic is not handled; unsubscribed') FROM raw_ops.webhook_inbox WHERE \
             {which} AND error_category = 'unknown_topic';"
        ));
    }
    if dead.total > dead.to_apply + dead.malformed + dead.unknown_topic {
        steps.push(step(
            "-- What is no order: have the provider send it again, then settle it: SELECT \
             raw_ops.fn_resolve_webhook_manually_v1('<id>', '<what was wrong, what was done>');",
        ));
    }
    steps
}

/// The path of `jsonb_set` to the field that an error of the parser begins with (`order.line_items[0].price: not a number`).
fn path_in_payload(error: &str) -> Option<String> {
    let (field, _) = error.split_once(':')?;
    let field = field.strip_prefix("order.")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let path = field.replace('[', ".").replace(']', "").replace('.', ",");
    (!path.is_empty() && field.chars().all(is_plain)).then(|| format!("{{{path}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_is_applied_before_it_is_settled_and_never_settled_bare() {
        let apply = DeadLetters {
            total: 1,
            to_apply: 1,
            ..DeadLetters::default()
        };
        let steps = dead_letters(&apply, "");
        let (apply_at, settle_at) = (
            steps[2].find("process_order_webhook_txn"),
            steps[2].find("fn_resolve"),
        );
        assert!(apply_at.is_some() && apply_at < settle_at, "{steps:?}");
        assert!(
            steps
                .iter()
                .all(|step| step.contains("00000000-0000") || step.starts_with("--")),
            "{steps:?}"
        );
        let nothing_to_apply = DeadLetters {
            total: 1,
            ..DeadLetters::default()
        };
        let bare = dead_letters(&nothing_to_apply, "");
        assert!(
            bare.iter()
                .all(|step| !step.contains("fn_resolve") || step.starts_with("--")),
            "{bare:?}"
        );
    }

    #[test]
    fn of_several_shops_every_statement_about_the_dead_letters_of_one_is_narrowed_to_it() {
        let several = DeadLetters {
            total: 9,
            to_apply: 4,
            unknown_topic: 5,
            ..DeadLetters::default()
        };
        let steps = dead_letters(&several, " AND shop_domain = 'uk.example'");
        let statements: Vec<&String> = steps.iter().filter(|step| step.contains("SELECT")).collect();
        assert_eq!(statements.len(), 3, "{steps:?}");
        assert!(
            statements
                .iter()
                .all(|step| step.contains("shop_domain = 'uk.example'")),
            "{steps:?}"
        );
    }

    #[test]
    fn the_field_that_an_error_names_is_a_path_in_the_payload() {
        let path = |error| path_in_payload(error);
        assert_eq!(
            path("order.line_items[0].price: not a number").as_deref(),
            Some("{line_items,0,price}")
        );
        assert_eq!(path("order.id: is missing").as_deref(), Some("{id}"));
        assert_eq!(path("the body is not JSON"), None);
        assert_eq!(path("order.a'b: x"), None);
    }
}
