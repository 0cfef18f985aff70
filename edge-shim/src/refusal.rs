//! The closed list of ways to say no, with one mapping outwards.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::providers::Unsigned;
use crate::store::{Condition, PutError};

/// Seconds after which a provider may send again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Why a request was not served.
#[derive(Debug)]
pub enum Refusal {
    /// No such path.
    UnknownPath,
    /// The path takes another method.
    WrongMethod,
    /// `MAX_IN_FLIGHT` requests are being served already, or `MAX_BUFFERED_BYTES` are held.
    Busy,
    /// The provider's allow-list does not name the client's address.
    AddressNotAllowed,
    /// The provider has no secret: the named variable is not set.
    NoSecret(&'static str),
    /// The body is not declared as JSON.
    NotJson,
    /// The body is compressed or otherwise encoded.
    Encoded,
    /// The body is longer than this many bytes.
    TooLarge(usize),
    /// The body did not arrive in time.
    TooSlow,
    /// The body broke off.
    BrokenBody,
    /// No valid signature.
    Unsigned(Unsigned),
    /// Nothing was stored, or it is not known to be.
    NotStored(PutError),
}

/// A refusal's outward face.
struct Face {
    status: StatusCode,
    reason: &'static str,
    error: String,
    next: String,
}

impl Refusal {
    /// A short fixed word for metrics.
    pub fn reason(&self) -> &'static str {
        self.face().reason
    }

    /// What the log says; unlike the answer it may hold the database's own words.
    pub fn for_log(&self) -> String {
        match self {
            Self::NotStored(PutError::Failed(error)) => error.to_string(),
            Self::Unsigned(Unsigned::WrongShop {
                claimed: Some(shop), ..
            }) => {
                format!("{}: {shop}", self.face().error)
            }
            other => other.face().error,
        }
    }

    /// What the operator can do about it, for the log; None where the answer says it already.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::NotStored(PutError::Failed(error)) => Some(error.advice()),
            _ => None,
        }
    }

    fn face(&self) -> Face {
        match self {
            Self::UnknownPath => Face::of(404, "unknown_path", "no such path", "check the webhook's address"),
            Self::WrongMethod => Face::of(
                405,
                "method",
                "method not allowed",
                "use a method that the Allow header names",
            ),
            Self::Busy => Face::of(503, "busy", "too many requests at once", "send again later"),
            Self::AddressNotAllowed => Face::of(
                403,
                "address",
                "this address may not send webhooks here",
                "ask the operator",
            ),
            Self::NoSecret(variable) => Face::of(
                503,
                "no_secret",
                format!("{variable} is not set, so no signature can be checked"),
                format!("set {variable} to the provider's signing secret and restart edge-shim"),
            ),
            Self::NotJson => Face::of(
                415,
                "content_type",
                "Content-Type is not JSON",
                "send application/json",
            ),
            Self::Encoded => Face::of(
                415,
                "content_encoding",
                "Content-Encoding is not supported",
                "send the body as it is",
            ),
            Self::TooLarge(limit) => Face::of(
                413,
                "too_large",
                format!("the body is longer than {limit} bytes"),
                "send less, or raise MAX_BODY_BYTES",
            ),
            Self::TooSlow => Face::of(408, "too_slow", "the body did not arrive in time", "send again"),
            Self::BrokenBody => Face::of(400, "broken_body", "the body broke off", "send again"),
            Self::Unsigned(unsigned) => Face::unsigned(unsigned),
            Self::NotStored(error) => Face::not_stored(error),
        }
    }
}

impl Face {
    fn of(status: u16, reason: &'static str, error: impl Into<String>, next: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            reason,
            error: error.into(),
            next: next.into(),
        }
    }

    fn unsigned(unsigned: &Unsigned) -> Self {
        match unsigned {
            Unsigned::Missing(header) => Self::of(
                401,
                "signature_missing",
                format!("{header} is missing"),
                "sign the raw body",
            ),
            Unsigned::Wrong(header) => Self::of(
                401,
                "signature_wrong",
                format!("{header} does not match the body"),
                "sign the raw body with a secret that is configured here",
            ),
            Unsigned::NoToken(header) => Self::of(
                401,
                "token_missing",
                format!("{header} is missing"),
                "send the token as Authorization: Bearer, as X-Webhook-Token, or as ?token= in the address",
            ),
            Unsigned::WrongToken(header) => Self::of(
                401,
                "token_wrong",
                format!("{header} does not hold a token that is known here"),
                "send a token that is configured here",
            ),
            Unsigned::WrongShop { header, variable, .. } => Self::of(
                401,
                "wrong_shop",
                format!("{header} names no shop that the secret is for"),
                format!("use the secret of that shop; the operator lists it in {variable}"),
            ),
        }
    }

    fn not_stored(error: &PutError) -> Self {
        let again = "send again later";
        match error {
            PutError::Full => Self::of(503, "queue_full", "too many webhooks are waiting", again),
            PutError::Stopping => Self::of(503, "stopping", "this server is stopping", again),
            PutError::Timeout => Self::of(503, "store_timeout", "the database did not answer in time", again),
            PutError::LargeTimeout => Self::of(
                503,
                "store_timeout_large",
                "storing a webhook of this size takes the database longer than STORE_TIMEOUT_MS",
                "send again later; it may be stored all the same, which a repeat finds out",
            ),
            PutError::Failed(failed) => Self::condition(failed.condition),
        }
    }

    /// The database's condition in words of this program: its own may name roles and tables.
    fn condition(condition: Condition) -> Self {
        let (status, reason, error) = match condition {
            Condition::RowSecurity => (
                503,
                "database_row_security",
                "row-level security keeps the database from taking webhooks",
            ),
            Condition::ReadOnly => (503, "database_read_only", "the database is read-only"),
            Condition::NoRights => (
                503,
                "database_no_rights",
                "this server lacks rights in the database",
            ),
            Condition::NotSetUp => (503, "database_not_set_up", "the database is not set up"),
            Condition::DiskFull => (503, "database_disk_full", "the database's disk is full"),
            Condition::NoSlots => (
                503,
                "database_no_slots",
                "the database has no connection left for this server",
            ),
            Condition::Locked => (
                503,
                "database_locked",
                "the database was too busy: a lock or a time limit stood in the way",
            ),
            Condition::Lacking => (
                503,
                "database_lacking",
                "the database has less memory or temporary room than this webhook needs",
            ),
            Condition::Internal => (503, "database_internal", "the database met an error inside of it"),
            Condition::Unreachable => (503, "database_unreachable", "the database is out of reach"),
            Condition::Refused => (500, "database_refused", "the database did not take this webhook"),
        };
        let next = match condition {
            Condition::Locked | Condition::Unreachable => "send again later",
            _ => "send again later; the operator finds the reason in the log and under /readyz",
        };
        Self::of(status, reason, error, next)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let face = self.face();
        let mut response = json_response(face.status, &json!({"error": face.error, "next": face.next}));
        if face.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// An answer with a small JSON body.
pub fn json_response(status: StatusCode, value: &serde_json::Value) -> Response {
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, content_type, value.to_string()).into_response()
}
