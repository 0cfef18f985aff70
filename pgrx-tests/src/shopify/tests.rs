use super::*;
use crate::payloads;

#[test]
fn signatures_match_the_vectors() {
    assert_eq!(
        sign("secret", b"foo=anything"),
        "yCGX/RrK4fcuNtr3ztk5tQGsOBjcAzHpGLdMUrbV8yI="
    );
    let vectors = payloads::hmac_vectors().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        assert_eq!(sign(&vector.secret, vector.body.as_bytes()), vector.hmac);
    }
}

#[test]
fn headers_are_those_of_shopify() {
    let delivery = Delivery::new("orders/create", "{}");
    let headers = delivery.headers("secret").unwrap();
    for name in [
        "topic",
        "hmac-sha256",
        "shop-domain",
        "api-version",
        "webhook-id",
        "event-id",
        "triggered-at",
    ] {
        assert!(headers.contains_key(format!("x-shopify-{name}")), "{name}");
    }
    assert_eq!(headers["user-agent"], "Shopify-Captain-Hook");
    assert_eq!(headers["x-shopify-hmac-sha256"], sign("secret", b"{}"));
    let time = headers["x-shopify-triggered-at"].to_str().unwrap();
    assert_eq!(time.len(), "2024-08-07T22:57:57.290670248Z".len());

    let newer = delivery
        .clone()
        .events_family()
        .forged()
        .headers("secret")
        .unwrap();
    assert!(newer.contains_key("shopify-topic") && !newer.contains_key("x-shopify-topic"));
    assert_eq!(newer["shopify-webhook-id"], headers["x-shopify-webhook-id"]);
    assert_ne!(newer["shopify-hmac-sha256"], headers["x-shopify-hmac-sha256"]);
    assert!(
        !delivery
            .signature(Signature::Missing)
            .headers("s")
            .unwrap()
            .contains_key("x-shopify-hmac-sha256")
    );
}

#[tokio::test]
async fn a_receiver_that_is_away_is_an_outcome_not_a_panic() {
    let sender = Sender::new(
        &format!("http://127.0.0.1:{}", crate::cluster::free_port().unwrap()),
        "s",
    );
    let deliveries = (0..5)
        .map(|n| Delivery::new("orders/create", n.to_string()))
        .collect();
    let outcomes = sender.send_all(deliveries, 3).await;
    assert_eq!(outcomes.len(), 5);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.status.is_none() && !outcome.accepted())
    );
}
