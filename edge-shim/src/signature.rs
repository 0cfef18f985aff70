//! Signatures over raw bytes. Pure: no clock, no network, no configuration.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A signing secret. Its `Debug` never shows the value, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    shop: Option<String>,
}

impl Secret {
    /// Takes the secret exactly as the provider shows it; its UTF-8 bytes are the key. It is for every shop.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            shop: None,
        }
    }

    /// The same for one shop, named as [`host_name`](crate::shop::host_name) gives it.
    pub fn of_shop(value: impl Into<String>, shop: String) -> Self {
        Self {
            value: value.into(),
            shop: Some(shop),
        }
    }

    /// The only shop it is for; `None`: for every shop.
    pub fn shop(&self) -> Option<&str> {
        self.shop.as_deref()
    }

    /// The key's bytes, for computing a signature. Never print them.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// Those of `secrets` under which `signature` (standard base64 with padding) is the HMAC-SHA256 of `signed`.
///
/// Each comparison takes the same time wherever the bytes differ, and every secret is looked at, whichever matches. Several secrets
/// are valid at once so that a secret can be rotated without refusing a webhook, and so that each shop can have its own.
pub fn signers_by_hmac_sha256<'a>(secrets: &'a [Secret], signed: &[u8], signature: &str) -> Vec<&'a Secret> {
    let Ok(tag) = STANDARD.decode(signature) else {
        return Vec::new();
    };
    let signed_it = |secret: &&Secret| hmac_sha256(secret, signed, &tag);
    secrets.iter().filter(signed_it).collect()
}

/// Those of `secrets` that `token` is.
///
/// Compared by their codes under one key, so that neither the time it takes nor its variation tells where they differ. Every one is
/// looked at, whichever matches.
pub fn signers_by_token<'a>(secrets: &'a [Secret], token: &[u8]) -> Vec<&'a Secret> {
    let code = |bytes: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"token").ok()?;
        mac.update(bytes);
        Some(mac)
    };
    let Some(given) = code(token).map(|mac| mac.finalize().into_bytes()) else {
        return Vec::new();
    };
    let is_it = |secret: &&Secret| code(secret.bytes()).is_some_and(|mac| mac.verify_slice(&given).is_ok());
    secrets.iter().filter(is_it).collect()
}

fn hmac_sha256(secret: &Secret, signed: &[u8], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.bytes()) else {
        return false;
    };
    mac.update(signed);
    mac.verify_slice(tag).is_ok()
}
