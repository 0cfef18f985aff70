//! Providers without a signature: the token, wherever it is carried, and what is kept of it (nothing).

use axum::body::Body;
use axum::http::Request;

use crate::support::*;

const PATH: &str = "/webhooks/dpd";
const BODY: &str =
    r#"{"parcelNumber": "15501234567890", "eventCode": "01", "eventDate": "2026-01-19 14:05:00"}"#;

fn post(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(BODY)).expect("a request")
}

fn with_tokens(tokens: &str) -> (std::sync::Arc<ScriptedInbox>, TestApp) {
    let inbox = ScriptedInbox::open(all_new);
    let app = TestApp::new(inbox.clone(), &[("DPD_WEBHOOK_TOKEN", tokens)]);
    (inbox, app)
}

#[tokio::test]
async fn the_token_may_be_in_a_header_or_in_the_address() {
    let (inbox, app) = with_tokens("old, new+er");
    for request in [
        post(PATH, &[("authorization", "Bearer old")]),
        post(PATH, &[("authorization", "bearer  new+er")]),
        post(PATH, &[("x-webhook-token", "new+er")]),
        post("/webhooks/dpd?a=b&token=new%2Ber", &[]),
        post("/webhooks/dpd?token=old", &[("authorization", "Basic b2xk")]),
    ] {
        assert_eq!(status(&app, request).await, 200);
    }
    assert_eq!(inbox.sizes(), [1; 5]);
    let webhook = inbox.calls().remove(0).remove(0);
    assert_eq!(
        (webhook.provider, webhook.topic.as_str()),
        ("dpd", "parcel/event")
    );
    assert_eq!(
        webhook.event_id, None,
        "the inbox makes it of shipment, code and time"
    );
    assert_eq!(webhook.body, BODY);
    for call in inbox.calls() {
        for webhook in call {
            assert!(!webhook.headers.contains("old") && !webhook.headers.contains("new"));
        }
    }
}

#[tokio::test]
async fn without_the_right_token_nothing_is_stored() {
    let (inbox, app) = with_tokens("right");
    for (request, expected) in [
        (post(PATH, &[]), "Authorization is missing"),
        (post("/webhooks/dpd?token=", &[]), "Authorization is missing"),
        (
            post(PATH, &[("authorization", "Bearer righ")]),
            "Authorization does not hold a token that is known here",
        ),
        (
            post("/webhooks/dpd?token=right%00", &[]),
            "Authorization does not hold a token that is known here",
        ),
        (
            post(
                PATH,
                &[("authorization", "Bearer wrong"), ("x-webhook-token", "right")],
            ),
            "Authorization does not hold a token that is known here",
        ),
    ] {
        assert_eq!(refusal(app.send(request).await).await, (401, expected.to_owned()));
    }
    assert!(inbox.calls().is_empty());
}

#[tokio::test]
async fn an_unset_token_closes_the_door_and_is_named() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[]);
    let (status, error) = refusal(app.send(post("/webhooks/dpd?token=x", &[])).await).await;
    assert_eq!(status, 503);
    assert!(error.contains("DPD_WEBHOOK_TOKEN is not set"), "{error}");
}

#[tokio::test]
async fn a_token_is_in_no_log() {
    let (_, app) = with_tokens("very-secret");
    for path in [
        "/webhooks/dpd?token=very-secret",
        "/webhooks/dpd?token=other-secret",
    ] {
        app.send(post(path, &[])).await;
    }
    let lines = app.log_lines();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}
