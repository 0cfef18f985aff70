//! What an operator sees: health, readiness, metrics, the log, and answers while the database is in trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use edge_shim::store::postgres::Postgres;
use edge_shim::store::{Answer, Condition, Inbox, Receipt, StoreError, Webhook};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support;
use crate::support::{ORDER, ScriptedInbox, TestApp, all_new, config, json, refusal, signed, status, text};

/// Everything that `/readyz` can say but `ready`.
const CONDITIONS: [Condition; 10] = [
    Condition::RowSecurity,
    Condition::ReadOnly,
    Condition::NoRights,
    Condition::NotSetUp,
    Condition::DiskFull,
    Condition::NoSlots,
    Condition::Locked,
    Condition::Internal,
    Condition::Unreachable,
    Condition::Refused,
];

fn failing_with(condition: Condition) -> Arc<ScriptedInbox> {
    ScriptedInbox::open(move |_: &[Webhook]| {
        Err(StoreError {
            condition,
            sqlstate: Some("XX000".to_owned()),
            message: "role \"inner\" has no words".to_owned(),
            hint: Some("try this".to_owned()),
        })
    })
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn database_errors_are_503_or_500_by_class_and_their_words_stay_in_the_log() {
    for condition in CONDITIONS {
        let app = TestApp::new(failing_with(condition), &[]);
        let (status, error) = refusal(app.send(signed(ORDER, "{}", &[])).await).await;
        assert_eq!(status, if condition == Condition::Refused { 500 } else { 503 });
        assert!(!error.contains("inner"), "{error}");
        let reached = condition != Condition::Unreachable;
        assert_eq!(!error.contains("out of reach"), reached, "{condition:?}: {error}");
        let line = &app.log_lines()[0];
        assert_eq!(
            line["error"],
            "role \"inner\" has no words (XX000); hint: try this"
        );
        assert!(line["next"].is_string(), "{line}");
        assert_eq!(line["level"], "error");
    }
}

#[tokio::test]
async fn readyz_is_one_word_and_what_the_database_said_is_for_the_log() {
    for condition in CONDITIONS {
        let app = TestApp::new(failing_with(condition), &[]);
        let ready = app.send(get("/readyz")).await;
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(json(ready).await, json!({"status": condition.word()}));
        let line = &app.log_lines()[0];
        assert!(line["error"].to_string().contains("no words"), "{line}");
        assert!(line["next"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn with_the_database_out_of_reach_webhooks_are_503_and_the_log_says_why() {
    let config = config(&[]);
    let inbox = Postgres::new(&config.database, 2, Duration::from_secs(2)).expect("a pool");
    let app = TestApp::from_config(Arc::new(inbox), config);
    assert_eq!(refusal(app.send(signed(ORDER, "{}", &[])).await).await.0, 503);
    let ready = app.send(get("/readyz")).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json(ready).await, json!({"status": "unreachable"}));
    for line in app.log_lines() {
        let line = line.to_string();
        assert!(line.contains("Connection refused"), "{line}");
        assert!(line.contains("check DATABASE_URL"), "{line}");
        assert!(!line.contains("pa55word"), "{line}");
    }
    assert_eq!(status(&app, get("/healthz")).await, 200);
}

#[test]
fn the_log_knows_better_than_the_database_what_a_missing_function_means() {
    for (sqlstate, advice) in [
        ("42883", "CREATE EXTENSION raw_ops"),
        ("42501", "EXECUTE on its receive_webhook"),
        ("28P01", "pg_hba.conf"),
        ("55000", "as the extension says"),
    ] {
        let error = StoreError {
            condition: Condition::of_sqlstate(sqlstate),
            sqlstate: Some(sqlstate.to_owned()),
            message: "as the database says".to_owned(),
            hint: Some("as the extension says".to_owned()),
        };
        assert!(error.advice().contains(advice), "{}", error.advice());
    }
}

/// Counts its probes, which wait until they are let through.
struct Probed {
    begun: AtomicUsize,
    gate: Semaphore,
}

impl Inbox for Probed {
    fn receive<'a>(&'a self, _: &'a [Webhook]) -> Answer<'a, Vec<Receipt>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.expect("the gate stays").forget();
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn readyz_asks_the_database_once_for_all_and_keeps_the_answer_for_two_seconds() {
    let probed = Arc::new(Probed {
        begun: AtomicUsize::new(0),
        gate: Semaphore::new(0),
    });
    let app = Arc::new(TestApp::new(probed.clone(), &[]));
    let ask = || {
        let app = Arc::clone(&app);
        tokio::spawn(async move { status(&app, get("/readyz")).await })
    };
    let gone = ask();
    support::until("the probe is under way", || {
        probed.begun.load(Ordering::SeqCst) == 1
    })
    .await;
    let waiting = [ask(), ask()];
    gone.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    probed.gate.add_permits(1);
    for asked in waiting {
        assert_eq!(asked.await.expect("no panic"), 200);
    }
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert_eq!(status(&app, get("/readyz")).await, 200);
    assert_eq!(probed.begun.load(Ordering::SeqCst), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(
        status(&app, get("/readyz")).await,
        503,
        "nobody answered this one"
    );
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(probed.begun.load(Ordering::SeqCst), 2);
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
        "edge_shim_database_condition{condition=\"disk_full\"} 0",
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
