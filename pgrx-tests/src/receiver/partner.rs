//! A partner's webhook endpoint, of any make: it takes JSON and says so.

use serde_json::json;

use super::{Received, Reply};

/// Takes every well-formed POST of JSON.
pub fn endpoint(request: &Received) -> Reply {
    if request.method != "POST" {
        return Reply::status(405).header("allow", "POST");
    }
    let json = request
        .header("content-type")
        .is_some_and(|value| value.starts_with("application/json"));
    if !json {
        return Reply::status(415);
    }
    match request.json() {
        Ok(_) => Reply::ok().json(&json!({"received": true})),
        Err(_) => Reply::status(400).json(&json!({"error": "not JSON"})),
    }
}

/// 410: the endpoint has gone for good, and asks to be left alone.
pub fn gone() -> Reply {
    Reply::status(410)
}
