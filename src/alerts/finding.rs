//! What is wrong, how bad it is, and whom to tell. Pure.

use super::severity::Severity;
use super::shops::Shops;
use super::threshold::Threshold;
use serde_json::{Value as Json, json};

/// What is wrong, and in which shop: an alert stays one alert while this stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub name: String,
    /// Its domain; empty: all shops, or none.
    pub shop: String,
}

impl Condition {
    pub fn new(name: impl Into<String>, shop: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            shop: shop.into(),
        }
    }
}

/// Something to tell people.
#[derive(Clone, Debug)]
pub struct Finding {
    pub condition: Condition,
    pub severity: Severity,
    pub channel: String,
    /// Microseconds.
    pub repeat_after: i64,
    pub title: String,
    /// Name and value, in order.
    pub fields: Vec<(String, String)>,
    /// The runbook's next steps, in order: each is one statement that runs as it stands, or a comment.
    pub next: Vec<String>,
}

impl Finding {
    pub fn new(condition: impl Into<String>, threshold: &Threshold, title: impl Into<String>) -> Self {
        Self {
            condition: Condition::new(condition, ""),
            severity: threshold.severity,
            channel: threshold.channel.clone(),
            repeat_after: threshold.repeat_after,
            title: title.into(),
            fields: Vec::new(),
            next: Vec::new(),
        }
    }

    /// How a condition stands that nothing is wrong with: it opens no alert.
    pub fn calm(condition: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            condition: Condition::new(condition, ""),
            severity: Severity::Info,
            channel: String::new(),
            repeat_after: 0,
            title: title.into(),
            fields: Vec::new(),
            next: Vec::new(),
        }
    }

    pub fn field(mut self, title: &str, value: impl ToString) -> Self {
        self.fields.push((title.to_owned(), value.to_string()));
        self
    }

    /// Says whose it is: one of several shops is named, before everything else.
    pub fn of_shop(mut self, shops: &Shops, domain: &str) -> Self {
        self.condition.shop = shops.owner(domain).to_owned();
        if let Some(name) = shops.name_of(domain) {
            self.fields.insert(0, ("Shop".to_owned(), name.into_owned()));
        }
        self
    }

    pub fn next(mut self, steps: Vec<String>) -> Self {
        self.next = steps;
        self
    }

    /// As `alert_config` and `result_summary.conditions` show it.
    pub fn to_json(&self) -> Json {
        json!({
            "severity": self.severity.as_str(), "channel": self.channel, "title": self.title,
            "fields": fields_json(&self.fields),
        })
    }
}

/// `[{"title", "value"}, …]`
pub fn fields_json(fields: &[(String, String)]) -> Json {
    fields
        .iter()
        .map(|(title, value)| json!({"title": title, "value": value}))
        .collect()
}

/// The reverse, for fields that an alert was told with.
pub fn fields_of(json: &Json) -> Vec<(String, String)> {
    let text = |field: &Json, member: &str| field[member].as_str().unwrap_or_default().to_owned();
    let fields = json.as_array().map(Vec::as_slice).unwrap_or_default();
    fields
        .iter()
        .map(|field| (text(field, "title"), text(field, "value")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let fields = vec![
            ("Orders".to_owned(), "3".to_owned()),
            ("".to_owned(), "?".to_owned()),
        ];
        assert_eq!(fields_of(&fields_json(&fields)), fields);
        assert_eq!(fields_of(&json!("no list")), []);
    }
}
