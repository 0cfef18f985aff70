//! Where a request may go: public addresses over https, unless this is a development machine.

use hyper::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A URL that may be sent to as far as its text tells.
///
/// # Errors
/// What is wrong with it, without the URL itself: it may be a secret.
pub fn parse(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return Err("is not an http or https URL".into());
    }
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("holds a user name; credentials do not belong into a URL".into());
    }
    if authority.host().is_empty() {
        return Err("names no host".into());
    }
    Ok(uri)
}

/// Whether a request may be sent there, as far as the URL's text tells: https, and no private address spelled out.
/// What a name resolves to is asked when it is resolved.
pub fn ensure_allowed(uri: &Uri, allow_private: bool) -> Result<(), String> {
    if allow_private {
        return Ok(());
    }
    if uri.scheme_str() != Some("https") {
        return Err(
            "plain http is refused; use https (development: raw_ops.allow_private_targets = on)".into(),
        );
    }
    let host = uri.host().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        Ok(address) => ensure_resolved_allowed(address, allow_private),
        // 0x7f.1, 2130706433, 127.1: other spellings of addresses, which resolvers understand.
        Err(_) if ends_in_a_number(literal) => Err(refusal(host)),
        Err(_) if is_local_name(literal) => Err(refusal(host)),
        Err(_) => Ok(()),
    }
}

/// Whether a request may be sent to this resolved address.
pub fn ensure_resolved_allowed(address: IpAddr, allow_private: bool) -> Result<(), String> {
    if allow_private || is_public(address) {
        return Ok(());
    }
    Err(refusal(&address.to_string()))
}

fn refusal(host: &str) -> String {
    format!(
        "{host} is not a public address; private targets are refused (raw_ops.allow_private_targets = off)"
    )
}

fn ends_in_a_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    match digits {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.ends_with(".local")
        || host.ends_with(".internal")
}

/// Source: the IANA special-purpose address registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let [.., c, d] = segments;
    let last_v4 = Ipv4Addr::from((u32::from(c) << 16) | u32::from(d));
    match segments {
        // IPv4-mapped, IPv4-compatible and NAT64: the address inside counts; ::1 and :: are in here, too.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(last_v4),
        // 6to4
        [0x2002, high, low, ..] => is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        // Teredo and other IETF protocol assignments, documentation
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(url: &str) -> Result<(), String> {
        ensure_allowed(&parse(url)?, false)
    }

    #[test]
    fn public_hosts_over_https_pass() {
        for url in [
            "https://hooks.slack.com/services/T/B/X",
            "https://track.customer.io",
            "https://93.184.216.34:8443/hook?x=1",
            "https://[2606:2800:220:1:248:1893:25c8:1946]/",
            "https://example.com:444/a",
            "https://1password.com/",
        ] {
            assert_eq!(verdict(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn private_targets_are_refused_however_they_are_spelled() {
        for url in [
            "http://example.com/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost:1/",
            "https://db.internal/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
        ] {
            assert!(verdict(url).is_err(), "{url}");
            assert_eq!(ensure_allowed(&parse(url).unwrap(), true), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_to_post_to_is_refused_without_being_repeated() {
        for url in [
            "",
            "hooks.slack.com",
            "ftp://secret/",
            "/secret",
            "https://user:secret@example.com/",
            "https://",
        ] {
            let problem = parse(url).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
