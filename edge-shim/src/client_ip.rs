//! Whose address a request counts for. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The client's address: the peer's own, unless the peer is a trusted proxy. Then `X-Forwarded-For` is read from the right, where
/// the nearest proxy wrote, and the first address that is not itself a trusted proxy counts. Everything further left was written
/// by someone untrusted. An entry that is no address ends the search: the last address known for certain counts.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut known = peer.to_canonical();
    if !contains(trusted, known) {
        return known;
    }
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
        let Some(address) = parse_hop(hop.trim()) else {
            return known;
        };
        known = address;
        if !contains(trusted, known) {
            return known;
        }
    }
    known
}

/// True if `address` lies in one of `networks`.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Some proxies write `address:port` or `[v6]`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    let parsed = bare
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_forwarded(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().expect("a header value"));
        }
        headers
    }

    fn resolve(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect();
        client_ip(
            peer.parse().expect("an address"),
            &with_forwarded(forwarded),
            &trusted,
        )
        .to_string()
    }

    #[test]
    fn without_a_trusted_proxy_the_header_is_ignored() {
        assert_eq!(resolve("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(
            resolve("203.0.113.9", &["1.2.3.4"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_untrusted_address_counts() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            resolve("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], &trusted),
            "1.2.3.4"
        );
        assert_eq!(
            resolve("10.0.0.1", &["6.6.6.6", "1.2.3.4:5678"], &trusted),
            "1.2.3.4"
        );
        assert_eq!(
            resolve("::ffff:10.0.0.1", &["[2001:db8::1]:443"], &trusted),
            "2001:db8::1"
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        assert_eq!(
            resolve("10.0.0.1", &["1.2.3.4, unknown"], &["10.0.0.0/8"]),
            "10.0.0.1"
        );
        assert_eq!(resolve("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }
}
