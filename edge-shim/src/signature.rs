//! Signatures over raw bytes. Pure: no clock, no network, no configuration.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A signing secret. Its `Debug` never shows the value, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret exactly as the provider shows it; its UTF-8 bytes are the key.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The key's bytes, for computing a signature. Never print them.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// True if `signature` (standard base64 with padding) is the HMAC-SHA256 of `signed` under any of `secrets`.
///
/// Each comparison takes the same time wherever the bytes differ. Several secrets are valid at once so that a secret can be rotated
/// without refusing a webhook.
pub fn hmac_sha256_base64(secrets: &[Secret], signed: &[u8], signature: &str) -> bool {
    let Ok(tag) = STANDARD.decode(signature) else {
        return false;
    };
    secrets.iter().any(|secret| hmac_sha256(secret, signed, &tag))
}

/// True if `token` is one of `secrets`.
///
/// Compared by their codes under one key, so that neither the time it takes nor its variation tells where they differ.
pub fn is_token(secrets: &[Secret], token: &[u8]) -> bool {
    let code = |bytes: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"token").ok()?;
        mac.update(bytes);
        Some(mac)
    };
    let Some(given) = code(token).map(|mac| mac.finalize().into_bytes()) else {
        return false;
    };
    // Every one is looked at, whichever matches.
    secrets.iter().fold(false, |found, secret| {
        let is_this = code(secret.bytes()).is_some_and(|mac| mac.verify_slice(&given).is_ok());
        found | is_this
    })
}

fn hmac_sha256(secret: &Secret, signed: &[u8], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.bytes()) else {
        return false;
    };
    mac.update(signed);
    mac.verify_slice(tag).is_ok()
}
