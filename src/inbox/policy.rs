//! When to try again: a pure function of the schedule and the attempts made.
//! Source: ORD, "Retry Worker"; the waits are data in `raw_ops.retry_schedule`.

use crate::db::{Session, Statement};
use crate::error::Result;

/// Microseconds.
pub type Micros = i64;

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again, not before this long from now.
    RetryAfter(Micros),
    /// No attempt is left.
    DeadLetter,
}

/// The waits before each attempt; the first is before attempt 1.
pub struct Schedule {
    waits: Vec<Micros>,
}

impl Schedule {
    /// ORD's waits, for when somebody has emptied the table: a webhook is never given up without its retries.
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
            .map_or(Next::DeadLetter, |wait| Next::RetryAfter(*wait))
    }
}

thread_local! {
    static WAITS: Statement = const { Statement::new(
        "select (extract(epoch from wait) * 1000000)::bigint
           from raw_ops.retry_schedule where purpose = 'webhooks' order by attempt", &[]) };
}

/// The schedule for webhooks, as it stands now.
pub fn webhook_schedule(session: &Session) -> Result<Schedule> {
    let waits = session.run(&WAITS, vec![])?.map(|row| row.int8(1).unwrap_or(0));
    Ok(Schedule::of(waits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;

    fn ord() -> Schedule {
        Schedule {
            waits: [0, 1, 5, 15, 30].map(|minutes| minutes * MINUTE).to_vec(),
        }
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
                Next::DeadLetter,
                Next::DeadLetter,
            ]
        );
    }

    #[test]
    fn it_is_51_minutes_from_first_failure_to_the_last_attempt() {
        let total: Micros = (1..5)
            .map(|attempt| match ord().after_failure(attempt) {
                Next::RetryAfter(wait) => wait,
                Next::DeadLetter => panic!("too early"),
            })
            .sum();
        assert_eq!(total, 51 * MINUTE);
    }

    #[test]
    fn an_emptied_schedule_falls_back_to_ords() {
        assert_eq!(Schedule::of(vec![]).after_failure(1), Next::RetryAfter(MINUTE));
        assert_eq!(Schedule::of(vec![0]).after_failure(1), Next::DeadLetter);
    }
}
