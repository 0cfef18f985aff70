//! Customer.io's Track API v1: an account that takes events of customers.
//! Source: the Track OpenAPI description, and the answers recorded by customerio-node (see `payloads/customerio`).

use serde_json::{Value, json};

use super::{Behaviour, Received, Receiver, Reply};
use crate::payloads::customerio::Exchange;

/// What the path of an event begins with; behind it stand the customer's identifier and `/events`.
pub const CUSTOMERS: &str = "/api/v1/customers/";

const LONGEST_NAME: usize = 100;
const LONGEST_DATA: usize = 100_000;

/// An account, known by its two credentials.
#[derive(Clone, Debug)]
pub struct Account {
    /// User name of the Basic authentication.
    pub site_id: String,
    /// Its password.
    pub api_key: String,
}

impl Account {
    /// With these credentials.
    pub fn new(site_id: &str, api_key: &str) -> Self {
        Self {
            site_id: site_id.to_owned(),
            api_key: api_key.to_owned(),
        }
    }

    /// How its API behaves: for [`Receiver::always`](super::Receiver::always) with the path `/api/v1/customers/*`.
    pub fn track_api(&self) -> Behaviour {
        let account = self.clone();
        Behaviour::from(move |request: &Received| account.answer(request))
    }

    fn answer(&self, request: &Received) -> Reply {
        let known = request
            .basic_auth()
            .is_some_and(|(user, password)| user == self.site_id && password == self.api_key);
        if !known {
            return refused(401, "Unauthorized request");
        }
        if request.method != "POST" || identifier(request).is_none() {
            return refused(404, "not found");
        }
        match complaint(&request.body) {
            Some(complaint) => refused(400, complaint),
            // As recorded: with a line's end.
            None => Reply::ok()
                .header("content-type", "application/json; charset=utf-8")
                .body("{}\n"),
        }
    }
}

/// The customer that an event is about, as it stands in the path: percent-encoded.
pub fn identifier(request: &Received) -> Option<&str> {
    let identifier = request.path.strip_prefix(CUSTOMERS)?.strip_suffix("/events")?;
    (!identifier.is_empty() && !identifier.contains('/')).then_some(identifier)
}

/// A refusal as the API writes it.
pub fn refused(status: u16, error: &str) -> Reply {
    Reply::status(status).json(&json!({"meta": {"error": error}}))
}

/// Answers as was recorded; where the record points to Customer.io's own host, the answer points to this receiver.
pub fn recorded(exchange: &Exchange, here: &Receiver) -> Reply {
    let Some(status) = exchange.status else {
        return Reply::close();
    };
    let mut reply = Reply::status(status)
        .body(exchange.body.clone())
        .after(exchange.delay);
    for (name, value) in &exchange.headers {
        let value = value.replace("https://track.customer.io", here.url("").trim_end_matches('/'));
        reply = reply.header(name, &value);
    }
    reply
}

fn complaint(body: &[u8]) -> Option<&'static str> {
    let Ok(Value::Object(event)) = serde_json::from_slice(body) else {
        return Some("malformed JSON");
    };
    let name = event.get("name").and_then(Value::as_str).unwrap_or_default();
    let data = event.get("data");
    let millennia_ahead = |seconds: i64| seconds >= 100_000_000_000;
    if name.trim().is_empty() {
        return Some("name cannot be blank");
    }
    if name.len() > LONGEST_NAME {
        return Some("name is too long");
    }
    if data.is_some_and(|data| !data.is_object()) {
        return Some("data must be an object");
    }
    if data.is_some_and(|data| data.to_string().len() > LONGEST_DATA) {
        return Some("data is too large");
    }
    match event.get("timestamp") {
        None => None,
        Some(timestamp) if timestamp.as_i64().is_none_or(millennia_ahead) => {
            Some("timestamp must be in seconds")
        }
        Some(_) => None,
    }
}
