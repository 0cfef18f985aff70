//! Webhooks to a partner's endpoint: the row holds the URL, which may be mended any time, so the schedule decides how often
//! an answer is followed by another attempt. Source: SPEC §8.

use super::{MOST_TO_ONE_HOST, Receiver, Target};
use crate::outbox::policy::{self, Class};
use crate::outbox::redaction;
use hyper::header::HeaderMap;

pub const RECEIVER: Receiver = Receiver {
    concurrency: MOST_TO_ONE_HOST,
    has_url_in_row: true,
    class,
    // Its URL stands in the table anyhow, and what a partner says is what an operator needs.
    redact: redaction::with_what_was_said,
};

/// Where a request goes: the row says it.
pub fn target(url: &str) -> Target {
    Target {
        public_url: url.to_owned(),
        url: url.to_owned(),
        headers: HeaderMap::new(),
    }
}

fn class(status: i32) -> Class {
    policy::class_for_all(status).unwrap_or(Class::Retryable)
}
