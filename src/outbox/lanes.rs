//! How many requests are in flight to whom. Pure.

use super::destination::{Destination, receiver_of};
use std::collections::HashMap;

/// Requests in flight, by lane. A lane is what shares a limit: a host, or a destination.
#[derive(Default)]
pub struct Lanes(HashMap<String, Lane>);

struct Lane {
    in_flight: usize,
    width: usize,
}

impl Lanes {
    /// A request of this lane goes out.
    pub fn begin(&mut self, lane: &str, destination: Option<Destination>) {
        let width = receiver_of(destination).concurrency;
        let lane = self.0.entry(lane.to_owned());
        lane.or_insert(Lane { in_flight: 0, width }).in_flight += 1;
    }

    /// One has come back.
    pub fn end(&mut self, name: &str) {
        if let Some(lane) = self.0.get_mut(name) {
            lane.in_flight -= 1;
            if lane.in_flight == 0 {
                self.0.remove(name);
            }
        }
    }

    /// How many more may go out.
    pub fn room(&self, lane: &str, destination: Option<Destination>) -> usize {
        let in_flight = self.0.get(lane).map_or(0, |lane| lane.in_flight);
        receiver_of(destination).concurrency.saturating_sub(in_flight)
    }

    /// Lanes with no room left.
    pub fn full(&self) -> Vec<&str> {
        let full = self.0.iter().filter(|(_, lane)| lane.in_flight >= lane.width);
        full.map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::receivers::slack::Webhook;

    #[test]
    fn a_lane_is_full_at_its_receivers_limit_and_has_room_again_when_an_answer_comes() {
        let mut lanes = Lanes::default();
        let (slack, endpoint) = (
            Some(Destination::Slack(Webhook::OpsAlerts)),
            Some(Destination::Endpoint),
        );
        assert_eq!(lanes.room("slack", slack), 1);
        lanes.begin("slack", slack);
        lanes.begin("host", endpoint);
        assert_eq!((lanes.room("slack", slack), lanes.room("host", endpoint)), (0, 7));
        assert_eq!(lanes.full(), ["slack"]);
        lanes.end("slack");
        lanes.end("never begun");
        assert_eq!(lanes.room("slack", slack), 1);
        assert!(lanes.full().is_empty());
    }
}
