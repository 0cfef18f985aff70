//! Whose address a request counts for. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::places::Client;

/// Whose address a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp {
    /// The client's address, or that of the last proxy known for certain.
    pub address: IpAddr,
    /// False if something unreadable stands where the client's address should: the request may come from anywhere.
    pub certain: bool,
}

/// The client's address: the peer's own, unless the peer is a trusted proxy. Then `X-Forwarded-For` is read from the right, where
/// the nearest proxy wrote, and the first address that is not itself a trusted proxy counts. Everything further left was written
/// by someone untrusted. An entry that is no address, or a line that is no text, ends the search: who stands behind it is not known.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientIp {
    let mut known = ClientIp {
        address: peer.to_canonical(),
        certain: true,
    };
    if !contains(trusted, known.address) {
        return known;
    }
    let lines: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    for line in lines.into_iter().rev() {
        for hop in line.rsplit(|byte| *byte == b',') {
            let Some(address) = std::str::from_utf8(hop)
                .ok()
                .and_then(|hop| parse_hop(hop.trim()))
            else {
                known.certain = false;
                return known;
            };
            known.address = address;
            if !contains(trusted, address) {
                return known;
            }
        }
    }
    known
}

impl ClientIp {
    /// Who is counted for what the request holds: no one if that is not known, or if it is a trusted proxy, which has no share.
    pub fn counted(self, trusted: &[IpNet]) -> Option<Client> {
        let is_client = self.certain && !contains(trusted, self.address);
        is_client.then(|| Client::of(self.address))
    }
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

    fn with_forwarded(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = HeaderValue::from_bytes(line).expect("a header value");
            headers.append("x-forwarded-for", line);
        }
        headers
    }

    fn resolve(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        let found = find(peer, &lines, trusted);
        let doubt = if found.certain { "" } else { " or anybody" };
        format!("{}{doubt}", found.address)
    }

    fn find(peer: &str, forwarded: &[&[u8]], trusted: &[&str]) -> ClientIp {
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect();
        client_ip(
            peer.parse().expect("an address"),
            &with_forwarded(forwarded),
            &trusted,
        )
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
            "10.0.0.1 or anybody"
        );
        assert_eq!(
            resolve("10.0.0.1", &["1.2.3.4", ""], &["10.0.0.0/8"]),
            "10.0.0.1 or anybody"
        );
        assert_eq!(resolve("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn a_line_that_is_no_text_ends_the_walk_instead_of_being_skipped() {
        let found = find("10.0.0.1", &[b"192.0.2.9", b"\xff"], &["10.0.0.0/8"]);
        assert_eq!(
            (found.address.to_string().as_str(), found.certain),
            ("10.0.0.1", false)
        );
        let found = find("10.0.0.1", &[b"192.0.2.9, \xff, 10.0.0.2"], &["10.0.0.0/8"]);
        assert_eq!(
            (found.address.to_string().as_str(), found.certain),
            ("10.0.0.2", false)
        );
        let behind = find("10.0.0.1", &[b"\xff, 192.0.2.9"], &["10.0.0.0/8"]);
        assert_eq!(
            (behind.address.to_string().as_str(), behind.certain),
            ("192.0.2.9", true),
            "what an untrusted client wrote itself is not read"
        );
    }

    #[test]
    fn a_trusted_proxy_has_no_share_and_the_client_behind_it_has() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let counted = |forwarded: &[&[u8]]| find("10.0.0.1", forwarded, &["10.0.0.0/8"]).counted(&trusted);
        let client = |text: &str| Some(Client::of(text.parse().expect("an address")));
        assert_eq!(counted(&[b"192.0.2.9"]), client("192.0.2.9"));
        assert_eq!(
            counted(&[b"2001:db8::1"]),
            client("2001:db8::ffff"),
            "one network is one client"
        );
        assert_eq!(counted(&[]), None);
        assert_eq!(counted(&[b"\xff"]), None);
    }
}
