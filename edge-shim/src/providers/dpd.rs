//! DPD: no signature is known of, so whoever sends (DPD itself, or the forwarder in between) proves itself with a shared
//! [`token`].
//!
//! The inbox itself tells one delivery from another: shipment, code and time are in the body.

use super::{Delivery, Description, Provider, Route, SecretsByShop, kept_headers, token};

/// DPD's entry in the registry.
pub static PROVIDER: Provider = Provider {
    name: "dpd",
    secret_variable: "DPD_WEBHOOK_TOKEN",
    secrets_by_shop: SecretsByShop::Appended,
    allowed_ips_variable: "DPD_ALLOWED_IPS",
    routes: &[Route {
        path: "/webhooks/dpd",
        default_topic: "parcel/event",
    }],
    verify: token::verify,
    describe,
};

fn describe(route: &Route, delivery: &Delivery<'_>) -> Description {
    Description {
        topic: route.default_topic.to_owned(),
        event_id: None,
        headers: kept_headers(delivery.headers, |name| {
            matches!(name, "content-type" | "user-agent")
        }),
    }
}
