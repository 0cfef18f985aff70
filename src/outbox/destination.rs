//! Where a request may go: a closed list. A row names its destination; what is special about one stands in the file of its
//! receiver and nowhere else.

use super::receivers::{Receiver, UNKNOWN, customerio, endpoint, slack};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// One of the incoming webhooks; its URL is a secret.
    Slack(slack::Webhook),
    /// The Track API: base URL and credentials are added while sending.
    CustomerIo,
    /// A partner's endpoint: the row holds the URL.
    Endpoint,
}

impl Destination {
    /// Every destination there is.
    pub const ALL: [Self; 6] = [
        Destination::Slack(slack::Webhook::OpsAlerts),
        Destination::Slack(slack::Webhook::OpsUrgent),
        Destination::Slack(slack::Webhook::DailyOps),
        Destination::Slack(slack::Webhook::Fallback),
        Destination::CustomerIo,
        Destination::Endpoint,
    ];

    /// As `http_requests.destination` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Destination::Slack(webhook) => webhook.secret(),
            Destination::CustomerIo => "customerio",
            Destination::Endpoint => "endpoint",
        }
    }

    /// The destination of a row; `None` for one that this version does not know.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Who is at the other end.
    pub fn receiver(self) -> &'static Receiver {
        match self {
            Destination::Slack(_) => &slack::RECEIVER,
            Destination::CustomerIo => &customerio::RECEIVER,
            Destination::Endpoint => &endpoint::RECEIVER,
        }
    }
}

/// Who is at the other end of a row's destination, known or not.
pub fn receiver_of(destination: Option<Destination>) -> &'static Receiver {
    destination.map_or(&UNKNOWN, Destination::receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_is_found_by_its_own_name_and_the_table_takes_no_other() {
        for destination in Destination::ALL {
            assert_eq!(Destination::of_name(destination.as_str()), Some(destination));
        }
        assert_eq!(Destination::of_name("slack_url_of_somebody"), None);
        let table = include_str!("../../sql/migrations/0005_outbox.sql");
        let (_, list) = table.split_once("check (destination in (").unwrap();
        let (list, _) = list.split_once("))").unwrap();
        let listed: Vec<&str> = list
            .split(',')
            .map(|name| name.trim().trim_matches('\''))
            .collect();
        assert_eq!(listed, Destination::ALL.map(Destination::as_str));
    }
}
