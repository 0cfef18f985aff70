//! How a shop is named. Pure.

use crate::error::{Error, Result};
use std::borrow::Cow;

/// Characters of a host name.
const LONGEST: usize = 253;

/// A shop's domain as it is stored: in lower case, without blanks around it; empty for what is no host name.
pub fn normalized(domain: &str) -> Cow<'_, str> {
    let domain = domain.trim();
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if domain.len() > LONGEST || !domain.split('.').all(is_label) {
        return Cow::Borrowed("");
    }
    match domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(domain.to_ascii_lowercase()),
        false => Cow::Borrowed(domain),
    }
}

/// The shop that a function's argument names; none where it is null or blank.
///
/// # Errors
/// What is no host name: nobody would find again what is stored under it.
pub fn argument<'a>(name: &'static str, given: Option<&'a str>) -> Result<Cow<'a, str>> {
    let given = given.unwrap_or_default().trim();
    let domain = normalized(given);
    if domain.is_empty() && !given.is_empty() {
        return Err(Error::argument(
            name,
            "is no shop's domain, such as example.myshopify.com",
        ));
    }
    Ok(domain)
}

/// That something could be of several shops, of which none is guessed; `next` says what names one.
pub fn ambiguous(what: &str, shops: &[String], next: &str) -> Error {
    let mut shops: Vec<&str> = shops.iter().map(|shop| shown(shop)).collect();
    shops.sort_unstable();
    Error::MissingReference(format!(
        "{what} is in several shops ({}), and the webhook names none: {next}",
        shops.join(", ")
    ))
}

/// A shop for people.
fn shown(shop: &str) -> &str {
    if shop.is_empty() {
        "the one without a name"
    } else {
        shop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_a_host_name_in_lower_case() {
        for (given, stored) in [
            (" UK.MyShopify.com ", "uk.myshopify.com"),
            ("uk.myshopify.com", "uk.myshopify.com"),
            ("localhost", "localhost"),
            ("", ""),
            ("two words", ""),
            ("a..b", ""),
            ("https://uk.myshopify.com", ""),
            ("käse.example", ""),
        ] {
            assert_eq!(normalized(given), stored, "{given}");
        }
        assert_eq!(normalized(&"a".repeat(LONGEST + 1)), "");
    }

    #[test]
    fn an_argument_may_be_left_out_but_not_be_anything() {
        assert_eq!(argument("p", None).ok().as_deref(), Some(""));
        assert_eq!(argument("p", Some(" ")).ok().as_deref(), Some(""));
        assert_eq!(
            argument("p", Some("UK.example")).ok().as_deref(),
            Some("uk.example")
        );
        assert!(argument("p", Some("https://uk.example")).is_err());
    }
}
