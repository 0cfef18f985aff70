//! What the tests share: an inbox that does as it is told, signed requests, an app to send them to.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use edge_shim::config::Config;
use edge_shim::log::Log;
use edge_shim::metrics::Metrics;
use edge_shim::store::{Answer, Drain, Inbox, Limits, Receipt, Store, StoreError, Webhook};
use edge_shim::{App, app};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use sha2::Sha256;
use tokio::sync::Semaphore;

pub const SECRET: &str = "hush";
pub const ORDER: &str = "/functions/v1/shopify-webhook-handler";
/// No condition takes longer to come true than this, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

type Script = Box<dyn Fn(&[Webhook]) -> Result<Vec<Receipt>, StoreError> + Send + Sync>;

/// An inbox without a server. It records each call and answers by a script; calls wait at a gate until the test lets them through.
pub struct ScriptedInbox {
    calls: Mutex<Vec<Vec<Webhook>>>,
    script: Script,
    gate: Semaphore,
}

impl ScriptedInbox {
    pub fn open(
        script: impl Fn(&[Webhook]) -> Result<Vec<Receipt>, StoreError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with_gate(script, Semaphore::MAX_PERMITS)
    }

    pub fn gated(
        script: impl Fn(&[Webhook]) -> Result<Vec<Receipt>, StoreError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::with_gate(script, 0)
    }

    fn with_gate(
        script: impl Fn(&[Webhook]) -> Result<Vec<Receipt>, StoreError> + Send + Sync + 'static,
        permits: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::new(Vec::new()),
            script: Box::new(script),
            gate: Semaphore::new(permits),
        })
    }

    pub fn let_through(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    pub fn calls(&self) -> Vec<Vec<Webhook>> {
        self.calls
            .lock()
            .expect("no test panicked while recording")
            .clone()
    }

    pub fn sizes(&self) -> Vec<usize> {
        self.calls().iter().map(Vec::len).collect()
    }

    pub fn only_webhook(&self) -> Webhook {
        match self.calls().as_slice() {
            [call] if call.len() == 1 => call[0].clone(),
            other => panic!("expected one webhook in one call, got {other:?}"),
        }
    }
}

/// Like the database, a record keeps nothing of the program's memory.
fn copied(webhook: &Webhook) -> Webhook {
    Webhook {
        body: Bytes::copy_from_slice(&webhook.body),
        ..webhook.clone()
    }
}

impl Inbox for ScriptedInbox {
    fn receive<'a>(&'a self, webhooks: &'a [Webhook]) -> Answer<'a, Vec<Receipt>> {
        Box::pin(async {
            self.calls
                .lock()
                .expect("no test panicked while recording")
                .push(webhooks.iter().map(copied).collect());
            self.gate.acquire().await.expect("the gate stays").forget();
            (self.script)(webhooks)
        })
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async { (self.script)(&[]).map(|_| ()) })
    }
}

/// The well-behaved script: each webhook is new, its id is its body.
pub fn all_new(webhooks: &[Webhook]) -> Result<Vec<Receipt>, StoreError> {
    Ok(webhooks.iter().map(receipt_of).collect())
}

pub fn receipt_of(webhook: &Webhook) -> Receipt {
    let webhook_id = String::from_utf8_lossy(&webhook.body).into_owned();
    Receipt {
        webhook_id,
        duplicate: false,
    }
}

pub fn config(overrides: &[(&str, &str)]) -> Config {
    let lookup = |name: &str| {
        let set = overrides
            .iter()
            .find(|(variable, _)| *variable == name)
            .map(|(_, value)| *value);
        let usual = match name {
            "DATABASE_URL" => Some("postgres://shim:pa55word@127.0.0.1:1/shop"),
            "SHOPIFY_WEBHOOK_SECRET" => Some(SECRET),
            _ => None,
        };
        set.or(usual).map(str::to_owned)
    };
    Config::load(lookup).expect("a good configuration")
}

/// A running app without sockets.
pub struct TestApp {
    pub config: Arc<Config>,
    pub router: Router,
    pub metrics: Arc<Metrics>,
    pub log: Log,
    pub written: Written,
    pub drain: Drain,
}

impl TestApp {
    pub fn new(inbox: Arc<dyn Inbox>, overrides: &[(&str, &str)]) -> Self {
        Self::from_config(inbox, config(overrides))
    }

    pub fn from_config(inbox: Arc<dyn Inbox>, config: Config) -> Self {
        let metrics = Arc::new(Metrics::new().expect("metrics have different names"));
        let written = Written::default();
        let log = Log::start(written.clone(), metrics.log_dropped.clone()).expect("a thread");
        let (store, drain) = Store::start(inbox, config.store_limits(), Arc::clone(&metrics));
        let config = Arc::new(config);
        let router = app(App::new(
            Arc::clone(&config),
            store,
            Arc::clone(&metrics),
            log.clone(),
        ));
        Self {
            config,
            router,
            metrics,
            log,
            written,
            drain,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = tower::ServiceExt::oneshot(self.router.clone(), request).await;
        response
    }

    pub fn log_lines(&self) -> Vec<serde_json::Value> {
        self.log.flush(DEADLINE);
        self.written.lines()
    }
}

pub fn store(inbox: Arc<dyn Inbox>, limits: Limits) -> (Store, Drain, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().expect("metrics have different names"));
    let (store, drain) = Store::start(inbox, limits, Arc::clone(&metrics));
    (store, drain, metrics)
}

pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A signed POST with the given extra headers.
pub fn signed(path: &str, body: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let signature = sign(SECRET, body.as_bytes());
    let usual = [
        ("content-type", "application/json"),
        ("x-shopify-hmac-sha256", signature.as_str()),
    ];
    let mut request = Request::post(path);
    for (name, value) in usual
        .iter()
        .filter(|(name, _)| headers.iter().all(|(other, _)| other != name))
    {
        request = request.header(*name, *value);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}

pub async fn json(response: Response<Body>) -> serde_json::Value {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

/// An answer's status and its `error` field; every refusal must also say what to do next.
pub async fn refusal(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let retry = response.headers().contains_key("retry-after");
    assert_eq!(retry, status == 503, "Retry-After belongs to 503");
    let body = json(response).await;
    assert!(body["next"].is_string(), "{body}");
    (status, body["error"].as_str().expect("an error").to_owned())
}

pub async fn status(app: &TestApp, request: Request<Body>) -> u16 {
    app.send(request).await.status().as_u16()
}

pub async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Waits until `condition` holds; fails the test, naming `what`, if it never does.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never came true: {what}"));
}

/// Collects what the log wrote.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().expect("no test panicked while writing");
        let text = std::str::from_utf8(&bytes).expect("UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no test panicked while writing")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
