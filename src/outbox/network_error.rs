//! Trouble with the network in our own words: by its kind, never by its text, which may hold what was sent.

use rustls::CertificateError;
use std::error::Error as StdError;
use std::fmt;
use std::io;

/// A name that no address is known for.
#[derive(Debug)]
pub struct Unresolved;

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host's name does not resolve")
    }
}

impl StdError for Unresolved {}

/// An error and what caused it, the outermost first.
pub fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// What happened: the innermost cause that is known says it best. `None`: nothing known.
pub fn in_words(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    causes(error).filter_map(of_cause).last()
}

/// The texts of the causes as their makers put them. Text from outside.
pub fn in_their_words(error: &(dyn StdError + 'static)) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for cause in causes(error) {
        let reason = cause.to_string();
        if !reasons.iter().any(|known| known.contains(&reason)) {
            reasons.push(reason);
        }
    }
    reasons.join(": ")
}

fn of_cause(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    if cause.is::<Unresolved>() {
        return Some("the host's name does not resolve");
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return of_http(error);
    }
    let error = cause.downcast_ref::<io::Error>()?;
    let wrapped = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    wrapped.map(of_tls).or_else(|| of_io(error.kind()))
}

fn of_io(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::*;
    Some(match kind {
        ConnectionRefused => "nobody listens there: connection refused",
        ConnectionReset | ConnectionAborted | BrokenPipe => "the other side broke the connection off",
        UnexpectedEof => "the other side closed the connection too early",
        TimedOut => "no sign of the host within its time",
        HostUnreachable | NetworkUnreachable => "no way to the host",
        NetworkDown | AddrNotAvailable => "this machine has no network",
        PermissionDenied => "this machine does not let it out",
        _ => return None,
    })
}

fn of_http(error: &hyper::Error) -> Option<&'static str> {
    Some(match error {
        _ if error.is_incomplete_message() => "the connection was closed before the answer was whole",
        _ if error.is_parse() => "what answers does not speak HTTP",
        _ if error.is_timeout() => "no answer within its time",
        _ if error.is_canceled() || error.is_closed() => "the connection was closed",
        _ => return None,
    })
}

fn of_tls(error: &rustls::Error) -> &'static str {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    match error {
        InvalidCertificate(problem) => of_certificate(problem),
        InvalidMessage(_) => "what answers does not speak TLS",
        PeerIncompatible(_) => "TLS: no version or cipher in common",
        AlertReceived(_) => "TLS: the other side refused",
        _ => "TLS: no secure connection",
    }
}

fn of_certificate(problem: &CertificateError) -> &'static str {
    use CertificateError::*;
    match problem {
        Expired | ExpiredContext { .. } => "TLS: its certificate has expired",
        NotValidYet | NotValidYetContext { .. } => {
            "TLS: its certificate is not valid yet; are the clocks right?"
        }
        NotValidForName | NotValidForNameContext { .. } => "TLS: its certificate is another host's",
        UnknownIssuer => "TLS: its certificate is signed by nobody this machine trusts",
        Revoked => "TLS: its certificate is revoked",
        _ => "TLS: its certificate is not valid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("POST https://hooks.example/secret")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn the_innermost_cause_that_is_known_says_what_happened() {
        let refused = Outer(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(in_words(&refused).is_some_and(|words| words.contains("refused")));
        assert!(in_their_words(&refused).contains("secret"));
        let certificate = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = Outer(io::Error::new(io::ErrorKind::InvalidData, certificate));
        assert!(in_words(&wrapped).is_some_and(|words| words.contains("trusts")));
        assert_eq!(in_words(&Outer(io::Error::other("secret"))), None);
        assert!(in_words(&Unresolved).is_some());
    }
}
