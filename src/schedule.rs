//! When to try again: a pure function of the schedule and the attempts made. The waits are data, in
//! `raw_ops.retry_schedule`, for each purpose.

use crate::db::{Session, statements};
use crate::error::Result;

/// Microseconds.
pub type Micros = i64;

/// What is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Processing a webhook of the inbox.
    Webhooks,
    /// A message to Slack about an alert.
    Alert,
    /// A notification to a customer about their shipment.
    Courier,
    /// A webhook to a partner.
    Outbound,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Webhooks => "webhooks",
            Purpose::Alert => "alert",
            Purpose::Courier => "courier",
            Purpose::Outbound => "outbound",
        }
    }

    /// The purpose of a row of the outbox.
    pub fn of_request(name: &str) -> Option<Self> {
        [Purpose::Alert, Purpose::Courier, Purpose::Outbound]
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again, not before this long from now.
    RetryAfter(Micros),
    /// No attempt is left.
    GiveUp,
}

/// The waits before each attempt; the first is before attempt 1.
#[derive(Clone, Debug)]
pub struct Schedule {
    waits: Vec<Micros>,
}

impl Schedule {
    /// ORD's waits, for when somebody has emptied the table: nothing is ever given up without its retries.
    const ORD: [Micros; 5] = [0, 60_000_000, 300_000_000, 900_000_000, 1_800_000_000];

    fn of(waits: Vec<Micros>) -> Self {
        Self {
            waits: if waits.is_empty() {
                Self::ORD.to_vec()
            } else {
                waits
            },
        }
    }

    /// What follows the failure of attempt number `attempts_made` (1 is the first).
    pub fn after_failure(&self, attempts_made: i32) -> Next {
        let made = usize::try_from(attempts_made).unwrap_or(0);
        self.waits
            .get(made)
            .map_or(Next::GiveUp, |wait| Next::RetryAfter(*wait))
    }

    #[cfg(test)]
    pub fn of_seconds(waits: &[i64]) -> Self {
        Self::of(waits.iter().map(|seconds| seconds * 1_000_000).collect())
    }
}

statements! {
    execute find_waits(purpose: &str) -> i64 = text
        "select (extract(epoch from wait) * 1000000)::bigint
           from raw_ops.retry_schedule where purpose = $1 order by attempt";
}

/// The schedule of a purpose, as it stands now.
pub fn of_purpose(session: &Session, purpose: Purpose) -> Result<Schedule> {
    Ok(Schedule::of(find_waits(session, purpose.as_str())?.all()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;

    fn ord() -> Schedule {
        Schedule::of([0, 1, 5, 15, 30].map(|minutes| minutes * MINUTE).to_vec())
    }

    #[test]
    fn ord_waits_1_5_15_and_30_minutes_then_gives_up() {
        let after: Vec<_> = (1..=6).map(|attempt| ord().after_failure(attempt)).collect();
        assert_eq!(
            after,
            [
                Next::RetryAfter(MINUTE),
                Next::RetryAfter(5 * MINUTE),
                Next::RetryAfter(15 * MINUTE),
                Next::RetryAfter(30 * MINUTE),
                Next::GiveUp,
                Next::GiveUp,
            ]
        );
    }

    #[test]
    fn it_is_51_minutes_from_first_failure_to_the_last_attempt() {
        let total: Micros = (1..5)
            .map(|attempt| match ord().after_failure(attempt) {
                Next::RetryAfter(wait) => wait,
                Next::GiveUp => panic!("too early"),
            })
            .sum();
        assert_eq!(total, 51 * MINUTE);
    }

    #[test]
    fn dlv_makes_five_attempts_in_seven_hours_and_twenty_minutes() {
        let dlv = Schedule::of([0, 5, 15, 60, 360].map(|minutes| minutes * MINUTE).to_vec());
        let mut waited = 0;
        let mut at = vec![waited];
        while let Next::RetryAfter(wait) = dlv.after_failure(at.len() as i32) {
            waited += wait;
            at.push(waited);
        }
        // Source: DLV, Retry Logic, "Cumulative Wait".
        assert_eq!(at, [0, 5, 20, 80, 440].map(|minutes| minutes * MINUTE));
    }

    #[test]
    fn an_emptied_schedule_falls_back_to_ords() {
        assert_eq!(Schedule::of(vec![]).after_failure(1), Next::RetryAfter(MINUTE));
        assert_eq!(Schedule::of(vec![0]).after_failure(1), Next::GiveUp);
    }
}
