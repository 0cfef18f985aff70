//! Shopify: HMAC-SHA256 over the raw body, base64, in a header. Two families of headers exist, the classic `X-Shopify-*` and
//! the newer `shopify-*` of Shopify's "Events"; both count, the classic one first.
//!
//! Nothing timed is signed and a delivery is repeated for hours with its first timestamp, so age is never a reason to refuse:
//! the delivery id protects against replays.
//!
//! Source: <https://shopify.dev/docs/apps/build/webhooks>

use super::{
    Delivery, Description, Provider, Route, SecretsByShop, Unsigned, first_header, identifier, kept_headers,
    raw_header,
};
use crate::shop;
use crate::signature::{self, Secret};

/// Shopify's entry in the registry.
pub static PROVIDER: Provider = Provider {
    name: "shopify",
    secret_variable: "SHOPIFY_WEBHOOK_SECRET",
    secrets_by_shop: SecretsByShop::Listed(SECRETS_BY_SHOP),
    allowed_ips_variable: "SHOPIFY_ALLOWED_IPS",
    routes: &[
        Route {
            path: "/functions/v1/shopify-webhook-handler",
            default_topic: "orders/create",
        },
        Route {
            path: "/webhooks/shopify/order",
            default_topic: "orders/create",
        },
        Route {
            path: "/webhooks/shopify/order/cancelled",
            default_topic: "orders/cancelled",
        },
        Route {
            path: "/webhooks/shopify/inventory",
            default_topic: "inventory_levels/update",
        },
    ],
    verify,
    describe,
};

/// Where secrets are that open one shop only.
const SECRETS_BY_SHOP: &str = "SHOPIFY_WEBHOOK_SECRETS";

const HMAC: &[&str] = &["x-shopify-hmac-sha256", "shopify-hmac-sha256"];
const TOPIC: &[&str] = &["x-shopify-topic", "shopify-topic"];
const WEBHOOK_ID: &[&str] = &["x-shopify-webhook-id", "shopify-webhook-id"];
const EVENT_ID: &[&str] = &["x-shopify-event-id", "shopify-event-id"];
const SHOP_DOMAIN: &[&str] = &["x-shopify-shop-domain", "shopify-shop-domain"];

fn verify(secrets: &[Secret], delivery: &Delivery<'_>) -> Result<String, Unsigned> {
    const SHOWN: &str = "X-Shopify-Hmac-Sha256";
    let Some(signature) = first_header(delivery.headers, HMAC) else {
        return Err(Unsigned::Missing(SHOWN));
    };
    let signers = signature::signers_by_hmac_sha256(secrets, delivery.body, &signature);
    if signers.is_empty() {
        return Err(Unsigned::Wrong(SHOWN));
    }
    let claimed = first_header(delivery.headers, SHOP_DOMAIN);
    shop::authenticated(&signers, claimed.as_deref()).ok_or_else(|| Unsigned::WrongShop {
        header: "X-Shopify-Shop-Domain",
        variable: SECRETS_BY_SHOP,
        claimed: claimed.as_deref().and_then(shop::host_name),
    })
}

fn describe(route: &Route, delivery: &Delivery<'_>) -> Description {
    let headers = delivery.headers;
    let topic = first_header(headers, TOPIC).unwrap_or_else(|| route.default_topic.to_owned());
    let raw_topic = raw_header(headers, TOPIC).unwrap_or(route.default_topic.as_bytes());
    // One event id spans several topics (one action in the shop sends orders/updated and orders/paid): only together with
    // the topic does it name one delivery.
    let event_id = raw_header(headers, WEBHOOK_ID)
        .map(|webhook| identifier(&[webhook]))
        .or_else(|| raw_header(headers, EVENT_ID).map(|event| identifier(&[event, raw_topic])));
    Description {
        topic,
        event_id,
        headers: kept_headers(headers, worth_keeping),
    }
}

/// An allow-list: what is not named here (authorization, cookies, signatures) is never stored.
fn worth_keeping(name: &str) -> bool {
    let of_shopify = name.starts_with("x-shopify-") || name.starts_with("shopify-");
    matches!(name, "content-type" | "user-agent") || (of_shopify && !name.contains("hmac"))
}
