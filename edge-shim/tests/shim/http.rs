//! The HTTP contract, through the router.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use edge_shim::store::{Receipt, Webhook};
use serde_json::{Value, json};

use crate::support;
use crate::support::{ORDER, ScriptedInbox, TestApp, all_new, json, refusal, signed, status};

type Headers = &'static [(&'static str, &'static str)];

fn well() -> (Arc<ScriptedInbox>, TestApp) {
    let inbox = ScriptedInbox::open(all_new);
    (inbox.clone(), TestApp::new(inbox, &[]))
}

#[tokio::test]
async fn a_signed_webhook_is_stored_byte_for_byte_and_answered_with_its_id() {
    let inbox = ScriptedInbox::open(|webhooks: &[Webhook]| {
        Ok(webhooks
            .iter()
            .map(|_| Receipt {
                webhook_id: "the-id".to_owned(),
                duplicate: true,
            })
            .collect())
    });
    let app = TestApp::new(inbox.clone(), &[]);
    let body = "{\"id\": 820982911946154508,  \"e\":\"\u{1F600}\"}\n";
    let response = app
        .send(signed(ORDER, body, &[("x-shopify-webhook-id", "w-1")]))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        json(response).await,
        json!({"webhook_id": "the-id", "duplicate": true})
    );
    let stored = inbox.only_webhook();
    assert_eq!((stored.provider, stored.body), ("shopify", Bytes::from(body)));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_stored_all_the_same() {
    let (inbox, app) = well();
    assert_eq!(status(&app, signed(ORDER, "{not json", &[])).await, 200);
    assert_eq!(status(&app, signed(ORDER, "", &[])).await, 200);
    assert_eq!(inbox.calls().len(), 2);
}

#[tokio::test]
async fn each_route_has_its_default_topic_and_the_header_wins() {
    let cases: [(&str, Headers, &str); 7] = [
        (ORDER, &[], "orders/create"),
        ("/webhooks/shopify/order", &[], "orders/create"),
        ("/webhooks/shopify/order/cancelled", &[], "orders/cancelled"),
        ("/webhooks/shopify/inventory", &[], "inventory_levels/update"),
        (
            ORDER,
            &[
                ("x-shopify-topic", "orders/updated"),
                ("shopify-topic", "ignored"),
            ],
            "orders/updated",
        ),
        (ORDER, &[("shopify-topic", "orders/paid")], "orders/paid"),
        (ORDER, &[("x-shopify-topic", "  ")], "orders/create"),
    ];
    for (path, headers, topic) in cases {
        let (inbox, app) = well();
        assert_eq!(status(&app, signed(path, "{}", headers)).await, 200);
        assert_eq!(inbox.only_webhook().topic, topic, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn the_event_id_is_the_delivery_id_or_the_event_with_its_topic() {
    let cases: [(Headers, Option<&str>); 6] = [
        (
            &[("x-shopify-webhook-id", "w"), ("x-shopify-event-id", "e")],
            Some("w"),
        ),
        (&[("shopify-webhook-id", "w2")], Some("w2")),
        (
            &[("x-shopify-webhook-id", " "), ("x-shopify-event-id", "e")],
            Some("e:orders/create"),
        ),
        (
            &[("shopify-event-id", "e"), ("shopify-topic", "orders/paid")],
            Some("e:orders/paid"),
        ),
        (&[("x-shopify-event-id", "")], None),
        (&[], None),
    ];
    for (headers, event_id) in cases {
        let (inbox, app) = well();
        assert_eq!(status(&app, signed(ORDER, "{}", headers)).await, 200);
        assert_eq!(inbox.only_webhook().event_id.as_deref(), event_id, "{headers:?}");
    }
}

#[tokio::test]
async fn ids_that_are_no_text_stay_apart() {
    let event_id = |headers: &[(&str, &[u8])]| {
        let mut request = signed(ORDER, "{}", &[]);
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().expect("a header name");
            let value = axum::http::HeaderValue::from_bytes(value).expect("a header value");
            request.headers_mut().insert(name, value);
        }
        async move {
            let (inbox, app) = well();
            assert_eq!(status(&app, request).await, 200);
            inbox.only_webhook().event_id.expect("an id")
        }
    };
    let webhook = |id: &'static [u8]| event_id(&[("x-shopify-webhook-id", id)]);
    let ids = [webhook(b"\xff").await, webhook(b"\xfe").await];
    assert_eq!(
        ids[0],
        "id-sha256:a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"
    );
    assert_ne!(ids[0], ids[1]);
    assert_ne!(webhook("\u{FFFD}".as_bytes()).await, ids[0]);
    let event = |id: &'static [u8], topic: &'static [u8]| {
        event_id(&[("x-shopify-event-id", id), ("x-shopify-topic", topic)])
    };
    assert_ne!(event(b"e", b"\xff").await, event(b"e", b"\xfe").await);
    assert_ne!(event(b"\xff", b"t").await, event(b"\xfe", b"t").await);
}

#[tokio::test]
async fn only_harmless_headers_are_stored() {
    let (inbox, app) = well();
    let mut request = signed(
        ORDER,
        "{}",
        &[
            ("X-Shopify-Shop-Domain", "a.myshopify.com"),
            ("shopify-action", "create"),
            ("user-agent", "Shopify-Captain-Hook"),
            ("authorization", "Bearer token"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "1.2.3.4"),
            ("shopify-hmac-sha256", "abc"),
        ],
    );
    let odd = axum::http::HeaderValue::from_bytes(b"caf\xe9").expect("a header value");
    request.headers_mut().insert("x-shopify-name", odd);
    request
        .headers_mut()
        .append("x-shopify-test", "a".parse().expect("a header value"));
    request
        .headers_mut()
        .append("x-shopify-test", "b".parse().expect("a header value"));
    assert_eq!(status(&app, request).await, 200);
    let stored: Value = serde_json::from_str(&inbox.only_webhook().headers).expect("JSON");
    assert_eq!(
        stored,
        json!({
            "content-type": "application/json", "shopify-action": "create",
            "user-agent": "Shopify-Captain-Hook", "x-shopify-name": "caf\u{FFFD}",
            "x-shopify-shop-domain": "a.myshopify.com", "x-shopify-test": "a, b",
        })
    );
}

#[tokio::test]
async fn a_missing_or_wrong_signature_is_401_and_names_the_header() {
    let (inbox, app) = well();
    let blank = signed(ORDER, "{}", &[("x-shopify-hmac-sha256", "")]);
    let (status, error) = refusal(app.send(blank).await).await;
    assert_eq!(
        (status, error.as_str()),
        (401, "X-Shopify-Hmac-Sha256 is missing")
    );
    for wrong in ["invalid_hmac", &support::sign("another secret", b"{}")] {
        let request = signed(ORDER, "{}", &[("x-shopify-hmac-sha256", wrong)]);
        let (status, error) = refusal(app.send(request).await).await;
        assert_eq!(
            (status, error.as_str()),
            (401, "X-Shopify-Hmac-Sha256 does not match the body")
        );
    }
    assert!(inbox.calls().is_empty());
}

#[tokio::test]
async fn the_newer_signature_header_counts_too() {
    let (_, app) = well();
    let signature = support::sign(support::SECRET, b"{}");
    let headers = [
        ("x-shopify-hmac-sha256", ""),
        ("shopify-hmac-sha256", signature.as_str()),
    ];
    assert_eq!(status(&app, signed(ORDER, "{}", &headers)).await, 200);
}

#[tokio::test]
async fn any_of_several_secrets_counts() {
    let inbox = ScriptedInbox::open(all_new);
    let app = TestApp::new(inbox, &[("SHOPIFY_WEBHOOK_SECRET", "new, old")]);
    for (secret, expected) in [("new", 200), ("old", 200), ("older", 401)] {
        let signature = support::sign(secret, b"{}");
        let request = signed(ORDER, "{}", &[("x-shopify-hmac-sha256", &signature)]);
        assert_eq!(status(&app, request).await, expected, "{secret}");
    }
}

#[tokio::test]
async fn an_old_timestamp_is_no_reason_to_refuse() {
    let (_, app) = well();
    let headers = [("x-shopify-triggered-at", "2001-01-01T00:00:00.000000000Z")];
    assert_eq!(status(&app, signed(ORDER, "{}", &headers)).await, 200);
}

#[tokio::test]
async fn without_a_secret_the_answer_is_503_and_names_the_variable() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[("SHOPIFY_WEBHOOK_SECRET", " , ")]);
    let (status, error) = refusal(app.send(signed(ORDER, "{}", &[])).await).await;
    assert_eq!(status, 503);
    assert!(error.contains("SHOPIFY_WEBHOOK_SECRET"), "{error}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_404_and_405() {
    let (_, app) = well();
    let response = app.send(signed("/webhooks/unknown", "{}", &[])).await;
    assert_eq!(refusal(response).await.0, 404);
    let get = Request::get(ORDER).body(Body::empty()).expect("a request");
    let response = app.send(get).await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(refusal(response).await.0, 405);
}

#[tokio::test]
async fn only_plain_json_is_taken() {
    let (_, app) = well();
    let types = [
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/cloudevents+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ];
    for (content_type, expected) in types {
        let request = signed(ORDER, "{}", &[("content-type", content_type)]);
        assert_eq!(status(&app, request).await, expected, "{content_type}");
    }
    let mut untyped = signed(ORDER, "{}", &[]);
    untyped.headers_mut().remove("content-type");
    assert_eq!(status(&app, untyped).await, 200);
    for (encoding, expected) in [("identity", 200), ("gzip", 415), ("br", 415)] {
        let request = signed(ORDER, "{}", &[("content-encoding", encoding)]);
        assert_eq!(status(&app, request).await, expected, "{encoding}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_declared_or_not() {
    let inbox = ScriptedInbox::open(all_new);
    let app = TestApp::new(inbox.clone(), &[("MAX_BODY_BYTES", "10")]);
    assert_eq!(status(&app, signed(ORDER, "0123456789", &[])).await, 200);
    assert_eq!(status(&app, signed(ORDER, "0123456789a", &[])).await, 413);
    assert_eq!(
        status(&app, signed(ORDER, "01", &[("content-length", "11")])).await,
        413
    );
    assert_eq!(inbox.calls().len(), 1);
}

#[tokio::test]
async fn bodies_together_stay_within_the_memory_limit_and_give_their_share_back() {
    let limits = [("MAX_BODY_BYTES", "10"), ("MAX_BUFFERED_BYTES", "15")];
    let inbox = ScriptedInbox::gated(all_new);
    let app = Arc::new(TestApp::new(inbox.clone(), &limits));
    let first = tokio::spawn({
        let app = Arc::clone(&app);
        async move { status(&app, signed(ORDER, "0123456789", &[])).await }
    });
    support::until("the first is being stored", || inbox.sizes().len() == 1).await;
    assert_eq!(
        refusal(app.send(signed(ORDER, "0123456789", &[])).await).await.0,
        503
    );
    inbox.let_through(2);
    assert_eq!(first.await.expect("no panic"), 200);
    assert_eq!(status(&app, signed(ORDER, "0123456789", &[])).await, 200);
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_503() {
    let inbox = ScriptedInbox::gated(all_new);
    let app = Arc::new(TestApp::new(inbox.clone(), &[("MAX_IN_FLIGHT", "1")]));
    let first = tokio::spawn({
        let app = Arc::clone(&app);
        async move { status(&app, signed(ORDER, "{}", &[])).await }
    });
    support::until("the first is being stored", || inbox.sizes().len() == 1).await;
    assert_eq!(
        refusal(app.send(signed(ORDER, "{}", &[])).await).await,
        (503, "too many requests at once".to_owned())
    );
    let health = Request::get("/healthz").body(Body::empty()).expect("a request");
    assert_eq!(status(&app, health).await, 200, "health is served all the same");
    inbox.let_through(1);
    assert_eq!(first.await.expect("no panic"), 200);
}

#[tokio::test]
async fn the_allow_list_is_about_the_clients_address() {
    let settings = [
        ("SHOPIFY_ALLOWED_IPS", "192.0.2.0/24"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
    ];
    let app = TestApp::new(ScriptedInbox::open(all_new), &settings);
    let from = |peer: &str, forwarded: &str| {
        let mut request = signed(ORDER, "{}", &[("x-forwarded-for", forwarded)]);
        let peer = SocketAddr::new(peer.parse().expect("an address"), 4711);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    };
    assert_eq!(status(&app, from("192.0.2.9", "6.6.6.6")).await, 200);
    assert_eq!(status(&app, from("10.0.0.1", "192.0.2.9")).await, 200);
    assert_eq!(status(&app, from("10.0.0.1", "192.0.2.9, 6.6.6.6")).await, 403);
    assert_eq!(status(&app, from("6.6.6.6", "192.0.2.9")).await, 403);
    assert_eq!(
        status(&app, signed(ORDER, "{}", &[])).await,
        403,
        "an unknown address is not an allowed one"
    );
    let mut behind_bytes = from("10.0.0.1", "192.0.2.9");
    let bytes = axum::http::HeaderValue::from_bytes(b"\xff").expect("a header value");
    behind_bytes.headers_mut().append("x-forwarded-for", bytes);
    assert_eq!(
        status(&app, behind_bytes).await,
        403,
        "what the nearest proxy wrote is no text: who is behind it may be anybody"
    );
    let allows_its_proxy = [
        ("SHOPIFY_ALLOWED_IPS", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
    ];
    let app = TestApp::new(ScriptedInbox::open(all_new), &allows_its_proxy);
    assert_eq!(status(&app, from("10.0.0.1", "unknown")).await, 403);
}
