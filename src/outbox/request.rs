//! A request to send, an attempt at it, and what became of that.

use super::destination::Destination;
use super::policy::Response;
use crate::schedule::Purpose;
use serde_json::Value as Json;

pub type Id = [u8; 16];

/// A message to send.
pub struct NewRequest<'a> {
    pub purpose: Purpose,
    /// The row it is about, in the table its purpose names.
    pub subject: Id,
    /// The shop it is about; empty: none, or all.
    pub shop: &'a str,
    pub destination: Destination,
    /// For endpoints.
    pub url: Option<&'a str>,
    /// For Customer.io.
    pub path: Option<&'a str>,
    pub headers: Json,
    pub body: &'a Json,
    /// The same for every attempt.
    pub idempotency_key: &'a str,
    /// Which attempt this is: the schedule counts from here. 1 is the first.
    pub attempt: i32,
    pub timeout_ms: i32,
}

/// An attempt under way.
pub struct Request {
    pub id: Id,
    pub purpose: Option<Purpose>,
    pub subject: Id,
    /// The shop it is about; empty: none, or all.
    pub shop: String,
    /// `None`: not known to this version.
    pub destination: Option<Destination>,
    pub lane: String,
    pub attempt: i32,
    pub idempotency_key: String,
    pub url: Option<String>,
    pub path: Option<String>,
    pub headers: Json,
    /// Exactly these bytes are sent.
    pub body: String,
    pub timeout_ms: i32,
}

/// An attempt and what came back.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: Id,
    pub purpose: Option<Purpose>,
    pub destination: Option<Destination>,
    pub attempt: i32,
    pub response: Response,
    /// Where it went, without secrets.
    pub public_url: Option<String>,
}

impl Attempt {
    pub fn of(request: &Request, response: Response, public_url: Option<String>) -> Self {
        Self {
            id: request.id,
            purpose: request.purpose,
            destination: request.destination,
            attempt: request.attempt,
            response,
            public_url,
        }
    }
}

/// What an attempt that was recorded means for the part that asked for it.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub purpose: Option<Purpose>,
    pub subject: Id,
    pub destination: Option<Destination>,
    pub attempt: i32,
    pub state: State,
    pub error: Option<String>,
    /// When the next attempt is due, if one follows; microseconds since 2000.
    pub next_at: Option<i64>,
}

impl Outcome {
    /// Why it did not succeed.
    pub fn reason(&self) -> Option<&str> {
        match self.state {
            State::Succeeded => None,
            _ => Some(self.error.as_deref().unwrap_or("no reason recorded")),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Succeeded,
    /// Another attempt follows.
    Failed,
    /// None follows.
    Abandoned,
}

impl State {
    /// As `http_requests.state` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Abandoned => "abandoned",
        }
    }

    /// The state of an attempt that has ended.
    pub fn of(name: &str) -> Self {
        match name {
            "succeeded" => State::Succeeded,
            "failed" => State::Failed,
            _ => State::Abandoned,
        }
    }
}
