//! Which shop a delivery is of. Shopify signs the body and not the headers, so the name of a shop counts only under a secret
//! that is for this shop. Pure.

use crate::signature::Secret;

/// Characters of a host name.
const LONGEST: usize = 253;

/// A shop's domain as the inbox stores it: in lower case, without blanks around it. None for what is no host name.
pub fn host_name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (text.len() <= LONGEST && text.split('.').all(is_label)).then(|| text.to_ascii_lowercase())
}

/// The shop that a delivery is of: empty where none is known, `None` if `signers`, the secrets that proved it, are for other shops
/// than the one that it claims to be of.
///
/// A delivery that claims nothing is of the shop that the signers are for, if that is one. It never counts as a delivery without a
/// shop under a shop's own secret: such a delivery may be about any shop's records.
pub fn authenticated(signers: &[&Secret], claimed: Option<&str>) -> Option<String> {
    let opens_every_shop = signers.iter().any(|secret| secret.shop().is_none());
    let mut shops = signers.iter().filter_map(|secret| secret.shop());
    let Some(claimed) = claimed else {
        return match shops.next() {
            Some(shop) if shops.all(|other| other == shop) => Some(shop.to_owned()),
            _ => opens_every_shop.then(String::new),
        };
    };
    match host_name(claimed) {
        Some(shop) => (opens_every_shop || shops.any(|covered| covered == shop)).then_some(shop),
        None => opens_every_shop.then(String::new),
    }
}
