//! What an operator sees: health, readiness, metrics, the log, and answers while the database is in trouble.

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use edge_shim::store::postgres::Postgres;
use edge_shim::store::{Class, StoreError, Webhook};
use serde_json::json;
use support::{ORDER, ScriptedInbox, TestApp, all_new, config, json, refusal, signed, status, text};

#[tokio::test]
async fn database_errors_are_503_or_500_by_class_and_their_words_stay_in_the_log() {
    for (class, expected) in [
        (Class::Unavailable, 503),
        (Class::Contended, 503),
        (Class::Rejected, 500),
    ] {
        let inbox = ScriptedInbox::open(move |_: &[Webhook]| {
            Err(StoreError {
                class,
                sqlstate: Some("XX000".to_owned()),
                message: "inner words".to_owned(),
                hint: Some("try this".to_owned()),
            })
        });
        let app = TestApp::new(inbox, &[]);
        let (status, error) = refusal(app.send(signed(ORDER, "{}", &[])).await).await;
        assert_eq!(status, expected);
        assert!(!error.contains("inner words"), "{error}");
        let line = &app.log_lines()[0];
        assert_eq!(line["error"], "inner words (XX000); hint: try this");
        assert_eq!(line["level"], "error");
    }
}

#[tokio::test]
async fn with_the_database_out_of_reach_webhooks_are_503_and_readyz_says_why() {
    let config = config(&[]);
    let inbox = Postgres::new(&config.database, 2, Duration::from_secs(2)).expect("a pool");
    let app = TestApp::from_config(Arc::new(inbox), config);
    assert_eq!(refusal(app.send(signed(ORDER, "{}", &[])).await).await.0, 503);
    let ready = app
        .send(Request::get("/readyz").body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = text(ready).await;
    assert!(body.contains("Connection refused"), "{body}");
    assert!(body.contains("check DATABASE_URL"), "{body}");
    assert!(!body.contains("pa55word"), "{body}");
    let health = app
        .send(Request::get("/healthz").body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn readyz_passes_on_the_databases_own_advice() {
    let inbox = ScriptedInbox::open(|_: &[Webhook]| {
        Err(StoreError {
            class: Class::Rejected,
            sqlstate: Some("55000".to_owned()),
            message: "raw_ops is not set up".to_owned(),
            hint: Some("run SELECT raw_ops.setup();".to_owned()),
        })
    });
    let app = TestApp::new(inbox, &[]);
    let ready = app
        .send(Request::get("/readyz").body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = json(ready).await;
    assert_eq!(body["error"], "raw_ops is not set up");
    assert_eq!(body["next"], "run SELECT raw_ops.setup();");
}

#[tokio::test]
async fn readyz_knows_better_than_the_database_what_a_missing_function_means() {
    for (sqlstate, advice) in [
        ("42883", "CREATE EXTENSION raw_ops"),
        ("42501", "EXECUTE on its receive_webhook"),
    ] {
        let inbox = ScriptedInbox::open(move |_: &[Webhook]| {
            Err(StoreError {
                class: Class::Rejected,
                sqlstate: Some(sqlstate.to_owned()),
                message: "as the database says".to_owned(),
                hint: Some("add type casts".to_owned()),
            })
        });
        let app = TestApp::new(inbox, &[]);
        let ready = app
            .send(Request::get("/readyz").body(Body::empty()).expect("a request"))
            .await;
        let next = json(ready).await["next"].to_string();
        assert!(next.contains(advice), "{next}");
    }
}

#[tokio::test]
async fn readyz_is_200_when_a_webhook_could_be_stored() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[]);
    let ready = app
        .send(Request::get("/readyz").body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(
        (ready.status(), json(ready).await),
        (StatusCode::OK, json!({"status": "ready"}))
    );
}

#[tokio::test]
async fn one_log_line_per_webhook_without_body_secret_or_signature() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[]);
    let headers = [
        ("x-shopify-webhook-id", "w-1"),
        ("x-shopify-shop-domain", "a.myshopify.com"),
    ];
    let body = "{\"email\":\"someone\"}";
    assert_eq!(
        status(&app, signed(&format!("{ORDER}?token=in-query"), body, &headers)).await,
        200
    );
    assert_eq!(
        status(
            &app,
            Request::get("/healthz").body(Body::empty()).expect("a request")
        )
        .await,
        200
    );
    let lines = app.log_lines();
    assert_eq!(lines.len(), 1, "health is not logged");
    let line = &lines[0];
    for (field, value) in [
        ("method", json!("POST")),
        ("path", json!(ORDER)),
        ("status", json!(200)),
        ("provider", json!("shopify")),
        ("topic", json!("orders/create")),
        ("event_id", json!("w-1")),
        ("shop_domain", json!("a.myshopify.com")),
        ("bytes", json!(body.len())),
        ("duplicate", json!(false)),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    assert!(
        line["ts"].is_string() && line["duration_ms"].is_number(),
        "{line}"
    );
    let shown = line.to_string();
    let signature = support::sign(support::SECRET, body.as_bytes());
    for hidden in [support::SECRET, signature.as_str(), "in-query"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[tokio::test]
async fn metrics_count_by_route_status_provider_and_reason() {
    let app = TestApp::new(ScriptedInbox::open(all_new), &[]);
    assert_eq!(status(&app, signed(ORDER, "{}", &[])).await, 200);
    assert_eq!(
        status(&app, signed(ORDER, "{}", &[("x-shopify-hmac-sha256", "no")])).await,
        401
    );
    assert_eq!(status(&app, signed("/any/path", "{}", &[])).await, 404);
    let response = app
        .send(Request::get("/metrics").body(Body::empty()).expect("a request"))
        .await;
    let text = text(response).await;
    for line in [
        &format!("edge_shim_http_requests_total{{route=\"{ORDER}\",status=\"200\"}} 1"),
        &format!("edge_shim_http_requests_total{{route=\"{ORDER}\",status=\"401\"}} 1"),
        "edge_shim_http_requests_total{route=\"other\",status=\"404\"} 1",
        "edge_shim_webhooks_stored_total{provider=\"shopify\"} 1",
        "edge_shim_webhooks_duplicate_total{provider=\"shopify\"} 0",
        "edge_shim_webhooks_rejected_total{provider=\"shopify\",reason=\"signature_wrong\"} 1",
        "edge_shim_store_queue_depth 0",
        "edge_shim_store_batch_webhooks_count 1",
        "edge_shim_database_up 1",
        "edge_shim_http_requests_in_flight 1",
        concat!(
            "edge_shim_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in:\n{text}"
        );
    }
    let helped = text.lines().filter(|line| line.starts_with("# HELP")).count();
    let typed = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(helped, typed);
    assert!(!text.contains("/any/path"));
}
