//! Shopify's signature: the vendor's own vectors, rotation, and proof that nothing altered passes.

use edge_shim::signature::{Secret, signers_by_hmac_sha256};
use proptest::prelude::*;
use serde_json::Value;

use crate::support;

fn hmac_sha256_base64(secrets: &[Secret], signed: &[u8], signature: &str) -> bool {
    !signers_by_hmac_sha256(secrets, signed, signature).is_empty()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/shopify_hmac.json")).expect("the vector file")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a string in the vector file")
}

#[test]
fn the_vendors_vectors_pass_with_their_secret() {
    for vector in vectors()["vectors"].as_array().expect("vectors") {
        let secrets = [Secret::new(text(vector, "secret"))];
        assert!(
            hmac_sha256_base64(&secrets, text(vector, "body").as_bytes(), text(vector, "hmac")),
            "{vector}"
        );
    }
}

#[test]
fn during_rotation_the_old_and_the_new_secret_pass() {
    let secrets = [Secret::new("secret"), Secret::new("old_secret")];
    for vector in vectors()["vectors"].as_array().expect("vectors") {
        assert!(hmac_sha256_base64(
            &secrets,
            text(vector, "body").as_bytes(),
            text(vector, "hmac")
        ));
    }
    for vector in vectors()["vectors"].as_array().expect("vectors") {
        let others = [Secret::new("another"), Secret::new("and another")];
        assert!(!hmac_sha256_base64(
            &others,
            text(vector, "body").as_bytes(),
            text(vector, "hmac")
        ));
    }
}

#[test]
fn the_vendors_negative_vectors_fail() {
    for negative in vectors()["negative"].as_array().expect("negatives") {
        let signature = negative.as_str().expect("a string");
        assert!(
            !hmac_sha256_base64(&[Secret::new("secret")], b"foo=anything", signature),
            "{signature:?}"
        );
    }
}

#[test]
fn other_spellings_of_the_right_signature_fail() {
    let right = support::sign("secret", b"foo=anything");
    let secrets = [Secret::new("secret")];
    let cut = right.trim_end_matches('=').to_owned();
    let url_safe = right.replace('/', "_").replace('+', "-");
    for wrong in [
        cut,
        url_safe,
        right.to_lowercase(),
        format!("{right}{right}"),
        format!("sha256={right}"),
    ] {
        assert!(!hmac_sha256_base64(&secrets, b"foo=anything", &wrong), "{wrong}");
    }
}

#[test]
fn without_secrets_nothing_passes() {
    assert!(!hmac_sha256_base64(&[], b"body", &support::sign("", b"body")));
}

#[test]
fn a_secret_never_shows_in_debug_output() {
    assert_eq!(format!("{:?}", Secret::new("very secret")), "Secret(hidden)");
}

proptest! {
    #[test]
    fn any_body_passes_with_its_own_signature(body: Vec<u8>, secret in "[ -~]{1,80}") {
        prop_assert!(hmac_sha256_base64(&[Secret::new(secret.clone())], &body, &support::sign(&secret, &body)));
    }

    #[test]
    fn any_flipped_bit_of_the_body_fails(body in prop::collection::vec(any::<u8>(), 1..400), at: prop::sample::Index, bit in 0..8u8) {
        let signature = support::sign("secret", &body);
        let mut altered = body.clone();
        altered[at.index(body.len())] ^= 1 << bit;
        prop_assert!(!hmac_sha256_base64(&[Secret::new("secret")], &altered, &signature));
    }

    #[test]
    fn any_flipped_bit_of_the_signature_fails(body: Vec<u8>, at: prop::sample::Index, bit in 0..7u8) {
        let mut signature = support::sign("secret", &body).into_bytes();
        let place = at.index(signature.len());
        signature[place] ^= 1 << bit;
        let altered = String::from_utf8(signature).expect("still ASCII");
        prop_assert!(!hmac_sha256_base64(&[Secret::new("secret")], &body, &altered));
    }

    #[test]
    fn any_text_as_a_signature_is_refused_without_a_panic(signature: String) {
        prop_assert!(!hmac_sha256_base64(&[Secret::new("secret")], b"body", &signature));
    }
}
