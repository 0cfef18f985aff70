//! A provider made up for the tests: what a new one takes, and no more. Signed with a shared [`token`].

use super::{Delivery, Description, Provider, Route, SecretsByShop, kept_headers, token};

/// The example provider's entry in the registry.
pub static PROVIDER: Provider = Provider {
    name: "example",
    secret_variable: "EXAMPLE_WEBHOOK_TOKEN",
    secrets_by_shop: SecretsByShop::Appended,
    allowed_ips_variable: "EXAMPLE_ALLOWED_IPS",
    routes: &[Route {
        path: "/webhooks/example",
        default_topic: "shipment/scanned",
    }],
    verify: token::verify,
    describe,
};

fn describe(route: &Route, delivery: &Delivery<'_>) -> Description {
    Description {
        topic: route.default_topic.to_owned(),
        event_id: None,
        headers: kept_headers(delivery.headers, |name| name == "content-type"),
    }
}
