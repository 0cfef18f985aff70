//! Paths → handlers, and what is observed of every request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::client_ip::client_ip;
use crate::connection::Line;
use crate::intake::{self, Gate};
use crate::log::{Note, RequestLine, shortened, timestamp};
use crate::metrics::OTHER_ROUTE;
use crate::refusal::{Refusal, json_response};
use crate::state::App;

/// The whole program as a router, so that tests can run it in-process. The client's address is taken from an extension of type
/// [`ConnectInfo<SocketAddr>`].
pub fn app(app: App) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics));
    for (position, settings) in app.config.providers.iter().enumerate() {
        for route in settings.provider.routes {
            let gate = Gate { position, route };
            router = router.route(
                route.path,
                post(move |State(app): State<App>, request: Request| intake::receive(app, gate, request)),
            );
        }
    }
    router
        .fallback(async || noted(Refusal::UnknownPath))
        .method_not_allowed_fallback(async || noted(Refusal::WrongMethod))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

async fn healthz() -> Response {
    json_response(
        StatusCode::OK,
        &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
    )
}

/// One word; what the database said is for the log, since anybody may ask.
async fn readyz(State(app): State<App>) -> Response {
    match app.store.probe().await {
        Ok(()) => json_response(StatusCode::OK, &json!({"status": "ready"})),
        Err(error) => {
            let body = json!({"status": error.condition.word()});
            let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, &body);
            let note = Note {
                error: Some(shortened(&error.to_string())),
                next: Some(error.advice()),
                ..Note::default()
            };
            response.extensions_mut().insert(note);
            response
        }
    }
}

/// Asks the database first, as `/readyz` does: a rule can hold what is wrong also while no webhook comes.
async fn metrics(State(app): State<App>) -> Response {
    let _ = app.store.probe().await;
    match app.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A refusal outside the webhook handler, with its reason for the log.
fn noted(refusal: Refusal) -> Response {
    let note = Note {
        error: Some(refusal.for_log()),
        ..Note::default()
    };
    let mut response = refusal.into_response();
    response.extensions_mut().insert(note);
    response
}

async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let trusted = &app.config.trusted_proxies;
    let client = peer.map(|peer| client_ip(peer, request.headers(), trusted));
    if let Some(client) = client {
        // A proxy's connection counts for whoever it carries.
        if let Some(line) = request.extensions().get::<Arc<Line>>()
            && peer != Some(client.address)
        {
            line.counts_for(client.counted(trusted));
        }
        request.extensions_mut().insert(client);
    }
    let route = request.extensions().get::<MatchedPath>().cloned();
    let line = RequestLine {
        ts: timestamp(SystemTime::now()),
        method: request.method().to_string(),
        path: shortened(request.uri().path()),
        client_ip: client.map(|client| client.address.to_string()),
        ..RequestLine::default()
    };
    let quiet = request.method() == Method::GET
        && matches!(
            route.as_ref().map(MatchedPath::as_str),
            Some("/healthz" | "/readyz" | "/metrics")
        );
    app.metrics.in_flight.inc();
    let mut observation = Observation {
        app,
        line,
        route,
        quiet,
        begun: Instant::now(),
        status: None,
    };
    let mut response = next.run(request).await;
    observation.status = Some(response.status());
    observation.line.note = response.extensions_mut().remove::<Note>().unwrap_or_default();
    response
}

/// Counts and logs a request when it is dropped, also when that is because the client went away.
struct Observation {
    app: App,
    line: RequestLine,
    route: Option<MatchedPath>,
    quiet: bool,
    begun: Instant,
    status: Option<StatusCode>,
}

impl Drop for Observation {
    fn drop(&mut self) {
        const CLIENT_WENT_AWAY: u16 = 499;
        let metrics = &self.app.metrics;
        let elapsed = self.begun.elapsed().as_secs_f64();
        let status = self.status.map_or(CLIENT_WENT_AWAY, |status| status.as_u16());
        let route = self.route.as_ref().map_or(OTHER_ROUTE, MatchedPath::as_str);
        metrics.in_flight.dec();
        let label = self.status.as_ref().map_or("499", |status| status.as_str());
        metrics.requests.with_label_values(&[route, label]).inc();
        metrics
            .request_duration
            .with_label_values(&[route])
            .observe(elapsed);
        if self.quiet && status < 400 {
            return;
        }
        let mut line = std::mem::take(&mut self.line);
        line.level = if status >= 500 { "error" } else { "info" };
        line.status = status;
        line.duration_ms = (elapsed * 1e6).round() / 1e3;
        self.app.log.line(&line);
    }
}
