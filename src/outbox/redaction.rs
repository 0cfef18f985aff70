//! What is written down of a response, and what is not.
//!
//! Where a request carries a secret (the URL of a Slack webhook, the credentials of Customer.io) whatever comes back may
//! echo it in any form: escaped, encoded, cut in two. No search finds them all, so nothing of what came is kept there:
//! the status and our own words only. What the services are known to say is recognised by comparing it whole with a
//! closed list, and what is written down is the list's. A destination that is not known here is taken to have a secret.

use super::policy::Response;

/// What becomes of an answer in `http_requests`, and from there in whatever tells people.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    pub error: Option<String>,
    pub body: Option<String>,
}

/// With what the receiver said: only where the request carries no secret.
pub fn with_what_was_said(response: &Response) -> Redacted {
    Redacted {
        error: of_endpoint(response),
        body: response.body.clone(),
    }
}

/// In our own words only; `known` is what the receiver's file knows the answer to mean.
pub fn in_own_words(response: &Response, known: Option<&'static str>) -> Redacted {
    let error = match (&response.error, response.status) {
        (Some(error), _) => Some(error.clone()),
        (None, Some(status)) if !is_success(status) => Some(format!("HTTP {status}")),
        (None, _) => None,
    };
    Redacted {
        error: error.map(|error| match known {
            Some(known) => format!("{error}: {known}"),
            None => error,
        }),
        body: None,
    }
}

/// With what came from outside.
fn of_endpoint(response: &Response) -> Option<String> {
    match (&response.error, response.status) {
        (Some(error), _) => Some(match &response.detail {
            Some(detail) => format!("{error}: {detail}"),
            None => error.clone(),
        }),
        (None, Some(status)) if !is_success(status) => Some(described(status, response.body.as_deref())),
        (None, _) => None,
    }
}

/// The status and the beginning of what was said.
fn described(status: i32, body: Option<&str>) -> String {
    const SHOWN: usize = 200;
    let said = body.unwrap_or_default().trim();
    if said.is_empty() {
        return format!("HTTP {status}");
    }
    let shown: String = said.chars().take(SHOWN).collect();
    format!("HTTP {status}: {shown}")
}

fn is_success(status: i32) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::destination::{Destination, receiver_of};
    use crate::outbox::receivers::slack::Webhook;

    const SECRET: &str = "T000/B000/tokenOfTheChannel";
    const SERVICES: [Option<Destination>; 4] = [
        Some(Destination::Slack(Webhook::OpsUrgent)),
        Some(Destination::Slack(Webhook::Fallback)),
        Some(Destination::CustomerIo),
        // One to come.
        None,
    ];

    fn redact(destination: Option<Destination>, response: &Response) -> Redacted {
        (receiver_of(destination).redact)(response)
    }

    fn said(status: i32, body: &str) -> Response {
        Response {
            status: Some(status),
            body: Some(body.into()),
            ..Response::default()
        }
    }

    #[test]
    fn of_what_a_service_says_nothing_is_written_down_but_the_status() {
        let echoes = [
            SECRET.to_owned(),
            format!("no_service {SECRET}"),
            format!("no_service\n{SECRET}"),
            format!(r#"{{"meta": {{"error": "{SECRET}"}}}}"#),
            format!(r#"{{"meta": {{"errors": ["name cannot be blank", "{SECRET}"]}}}}"#),
        ];
        for destination in SERVICES {
            for status in [200, 302, 400, 401, 404, 500, 999] {
                for echo in &echoes {
                    let mut response = said(status, echo);
                    response.detail = Some(format!("https://{SECRET}"));
                    let redacted = redact(destination, &response);
                    assert_eq!(redacted.body, None);
                    let error = redacted.error.unwrap_or_default();
                    assert!(!error.contains(SECRET), "{destination:?}: {error}");
                    assert_eq!(error.is_empty(), status == 200, "{destination:?}: {error}");
                    assert!(
                        status == 200 || error.starts_with(&format!("HTTP {status}")),
                        "{error}"
                    );
                }
            }
            let failed = Response {
                detail: Some(SECRET.into()),
                ..Response::failure("no connection: refused")
            };
            let redacted = redact(destination, &failed);
            assert_eq!(redacted.error.as_deref(), Some("no connection: refused"));
        }
    }

    #[test]
    fn what_services_are_known_to_say_is_told_in_our_own_words() {
        let error = |destination, status, body: &str| {
            let error = redact(destination, &said(status, body)).error;
            error.unwrap_or_default()
        };
        let slack = |status, body| error(Some(Destination::Slack(Webhook::OpsAlerts)), status, body);
        assert!(slack(404, "no_service\n").starts_with("HTTP 404: no_service ("));
        assert!(slack(410, "channel_is_archived").contains("archived"));
        let customerio = |status, body| error(Some(Destination::CustomerIo), status, body);
        for body in [
            r#"{"meta":{"error":"name cannot be blank"}}"#,
            r#"{"meta":{"errors":["name cannot be blank"]}}"#,
        ] {
            assert_eq!(customerio(400, body), "HTTP 400: name cannot be blank");
        }
        let wrong_key = customerio(401, "anything");
        assert!(wrong_key.contains("customerio_api_key"), "{wrong_key}");
    }

    #[test]
    fn of_a_partner_the_beginning_of_what_was_said_is_shown() {
        let error = |status, body: &str| redact(Some(Destination::Endpoint), &said(status, body)).error;
        assert_eq!(
            error(404, "no_service\n").as_deref(),
            Some("HTTP 404: no_service")
        );
        assert_eq!(error(500, "").as_deref(), Some("HTTP 500"));
        let long = error(500, &"é".repeat(500)).unwrap();
        assert_eq!(long.chars().count(), 10 + 200);
        assert_eq!(error(204, "fine"), None);
        assert_eq!(
            redact(Some(Destination::Endpoint), &said(204, "fine"))
                .body
                .as_deref(),
            Some("fine")
        );
    }
}
