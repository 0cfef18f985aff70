//! One webhook: limits, signature, store, answer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use crate::body::{self, Held};
use crate::client_ip::{ClientIp, contains};
use crate::config::ProviderSettings;
use crate::log::{Note, shortened};
use crate::places::Place;
use crate::providers::{Delivery, Route};
use crate::refusal::{Refusal, json_response};
use crate::state::App;
use crate::store::{Receipt, Webhook};

/// Which provider and route a handler stands for.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// The provider's position in the configuration.
    pub position: usize,
    /// The route.
    pub route: &'static Route,
}

/// Takes in one webhook: 200 only once it is committed.
pub async fn receive(app: App, gate: Gate, request: Request) -> Response {
    let Some(settings) = app.config.providers.get(gate.position) else {
        return Refusal::UnknownPath.into_response();
    };
    let mut note = Note {
        provider: Some(settings.provider.name),
        ..Note::default()
    };
    let mut response = match take_in(&app, settings, gate.route, request, &mut note).await {
        Ok(receipt) => {
            let body = json!({"webhook_id": receipt.webhook_id, "duplicate": receipt.duplicate});
            note.webhook_id = Some(receipt.webhook_id);
            note.duplicate = Some(receipt.duplicate);
            json_response(StatusCode::OK, &body)
        }
        Err(refusal) => {
            note.error = Some(shortened(&refusal.for_log()));
            note.next = refusal.advice();
            app.metrics
                .rejected
                .with_label_values(&[settings.provider.name, refusal.reason()])
                .inc();
            refusal.into_response()
        }
    };
    response.extensions_mut().insert(note);
    response
}

async fn take_in(
    app: &App,
    settings: &ProviderSettings,
    route: &Route,
    request: Request,
    note: &mut Note,
) -> Result<Receipt, Refusal> {
    let (parts, body) = request.into_parts();
    let client = parts.extensions.get::<ClientIp>().copied();
    let counted = client.and_then(|client| client.counted(&app.config.trusted_proxies));
    let place = app.requests.take(counted).ok_or(Refusal::Busy)?;
    // Until the signature is known to be right, somebody else may get the place.
    let (held, shop_domain) = tokio::select! {
        biased;
        held = read_signed(app, settings, &parts, body, &place, note) => held?,
        () = place.lost() => return Err(Refusal::Busy),
    };
    place.serve();
    let delivery = delivery(&parts, &held);
    let described = (settings.provider.describe)(route, &delivery);
    note.topic = Some(shortened(&described.topic));
    note.event_id = described.event_id.as_deref().map(shortened);
    note.shop_domain = Some(shop_domain.clone()).filter(|shop| !shop.is_empty());
    let webhook = Webhook {
        provider: settings.provider.name,
        topic: described.topic,
        event_id: described.event_id,
        headers: described.headers,
        shop_domain,
        // It weighs on the memory that bodies share until it is stored, also where its sender is not waited for any longer.
        body: Bytes::from_owner(held),
    };
    app.store.put(webhook).await.map_err(Refusal::NotStored)
}

/// The body, if it is one of this provider's, and the shop that it is of.
async fn read_signed(
    app: &App,
    settings: &ProviderSettings,
    parts: &Parts,
    body: Body,
    place: &Place,
    note: &mut Note,
) -> Result<(Held, String), Refusal> {
    if let Err(refusal) = admit(parts, settings, app.bodies.max_bytes) {
        // A client that asked first has not begun to send.
        if !parts.headers.contains_key(EXPECT) {
            body::discard(body).await;
        }
        return Err(refusal);
    }
    let held = body::read(body, &app.bodies, place).await?;
    note.bytes = Some(held.bytes.len());
    let verified = (settings.provider.verify)(&settings.secrets, &delivery(parts, &held));
    let shop_domain = verified.map_err(Refusal::Unsigned)?;
    Ok((held, shop_domain))
}

fn delivery<'a>(parts: &'a Parts, held: &'a Held) -> Delivery<'a> {
    Delivery {
        headers: &parts.headers,
        query: parts.uri.query(),
        body: &held.bytes,
    }
}

/// What can be said before the body is read.
fn admit(parts: &Parts, settings: &ProviderSettings, max_bytes: usize) -> Result<(), Refusal> {
    let allowed = &settings.allowed_ips;
    let client = parts.extensions.get::<ClientIp>().filter(|client| client.certain);
    if !allowed.is_empty() && !client.is_some_and(|client| contains(allowed, client.address)) {
        return Err(Refusal::AddressNotAllowed);
    }
    if settings.secrets.is_empty() {
        return Err(Refusal::NoSecret(settings.provider.secret_variable));
    }
    if !says_json(&parts.headers) {
        return Err(Refusal::NotJson);
    }
    if !is_plain(&parts.headers) {
        return Err(Refusal::Encoded);
    }
    if declared_length(&parts.headers).is_some_and(|length| length > max_bytes as u64) {
        return Err(Refusal::TooLarge(max_bytes));
    }
    Ok(())
}

/// `application/json` or `application/…+json`, with any parameters; none at all is accepted too.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
