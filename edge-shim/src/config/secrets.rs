//! Providers' secrets, and the shops that they are for. Pure. No problem quotes an entry: whatever is in it may be a secret.

use crate::providers::{Provider, SecretsByShop};
use crate::shop::host_name;
use crate::signature::Secret;

/// What was understood, and what is wrong with the rest.
pub type Read = (Vec<Secret>, Vec<String>);

/// The secrets of entries `shop=secret`. A secret may hold a `=`, a shop may not.
pub fn listed(entries: &[String]) -> Read {
    let mut read = Read::default();
    for (entry, number) in entries.iter().zip(1..) {
        let (shop, secret) = entry.split_once('=').unwrap_or_default();
        match (host_name(shop), secret.trim()) {
            (Some(shop), secret) if !secret.is_empty() => read.0.push(Secret::of_shop(secret, shop)),
            _ => read.1.push(format!(
                "entry {number} is not a shop's domain, a = and its secret, such as uk.myshopify.com=…"
            )),
        }
    }
    read
}

/// The secrets of entries `secret@shop` and `secret`. What follows the last `@` is a shop only if it is a host name with a dot, so
/// that a secret may hold a `@`.
pub fn appended(entries: &[String]) -> Read {
    let mut read = Read::default();
    for (entry, number) in entries.iter().zip(1..) {
        let found = match with_shop(entry) {
            Some((secret, shop)) => Secret::of_shop(secret, shop),
            None => Secret::new(entry.clone()),
        };
        let elsewhere = |other: &Secret| other.bytes() == found.bytes() && other.shop() != found.shop();
        if found.bytes().is_empty() {
            read.1
                .push(format!("entry {number} names a shop and no token before the @"));
        } else if read.0.iter().any(elsewhere) {
            read.1.push(format!(
                "entry {number} is a token that another entry has for another shop, or for none: give each shop its own"
            ));
        } else {
            read.0.push(found);
        }
    }
    read
}

fn with_shop(entry: &str) -> Option<(&str, String)> {
    let (secret, shop) = entry.rsplit_once('@')?;
    let shop = host_name(shop).filter(|shop| shop.contains('.'))?;
    Some((secret.trim(), shop))
}

/// What `--help` says about the variables with this provider's secrets.
pub fn help(provider: &Provider) -> Vec<(&'static str, String)> {
    let name = provider.name;
    match provider.secrets_by_shop {
        SecretsByShop::Listed(by_shop) => vec![
            (
                provider.secret_variable,
                format!(
                    "comma-separated secrets of {name}; any of them is accepted, for every shop. \
                     Without one here or in {by_shop} its webhooks are answered 503"
                ),
            ),
            (
                by_shop,
                format!(
                    "comma-separated shop=secret: secrets of {name} that are accepted for this shop only, \
                     such as uk.myshopify.com=…; several of one shop while it changes"
                ),
            ),
        ],
        SecretsByShop::Appended => vec![(
            provider.secret_variable,
            format!(
                "comma-separated tokens of {name}; any of them is accepted. Written token@shop, such as \
                 …@uk.myshopify.com, what it sends is of that shop. Without one its webhooks are answered 503"
            ),
        )],
    }
}
