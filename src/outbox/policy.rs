//! What an answer means, and what follows: pure functions of the response, the receiver and the schedule.
//! Source: SPEC §8; CONTRACTS §6 to §8.

use crate::schedule::{Micros, Next, Schedule};

/// What came back from one attempt.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// `None` when no answer came: see `error`.
    pub status: Option<i32>,
    /// Microseconds the receiver asked us to wait.
    pub retry_after: Option<Micros>,
    pub latency_ms: Option<i32>,
    /// What the receiver said, 4 KiB of it at most. Text from outside: [`super::redaction`] says where it may go.
    pub body: Option<String>,
    /// What went wrong, in our own words; an answer that is no success needs none.
    pub error: Option<String>,
    /// What the carrier or the server said of it. Text from outside, as `body` is.
    pub detail: Option<String>,
    /// Sending it again would end the same way, whatever the receiver does: the address is not allowed.
    pub is_refused_here: bool,
    /// The sender died between sending and recording: nothing is known, so it is sent again at once.
    pub is_lost: bool,
}

impl Response {
    /// An attempt that ended without a response.
    pub fn failure(error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            ..Self::default()
        }
    }

    /// An attempt that this side does not allow.
    pub fn refused(error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            is_refused_here: true,
            ..Self::default()
        }
    }

    /// An attempt of which nothing is known.
    pub fn lost() -> Self {
        Self {
            error: Some("outcome unknown: the sender stopped between sending and recording".into()),
            is_lost: true,
            ..Self::default()
        }
    }
}

/// The class of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Success,
    Retryable,
    /// No further attempt will help.
    Permanent,
    /// 410: the receiver wants no more, ever.
    Gone,
}

/// What a status means to every receiver; `None`: to each what its file says.
pub fn class_for_all(status: i32) -> Option<Class> {
    match status {
        200..=299 => Some(Class::Success),
        410 => Some(Class::Gone),
        408 | 425 | 429 | 500.. => Some(Class::Retryable),
        _ => None,
    }
}

/// To a service whose rules are known: any other status says that the request will never be right.
pub fn class_of_service(status: i32) -> Class {
    class_for_all(status).unwrap_or(Class::Permanent)
}

/// Which class a response belongs to; `of_status` is its receiver's.
fn class(response: &Response, of_status: fn(i32) -> Class) -> Class {
    match response.status {
        Some(status) => of_status(status),
        None if response.is_refused_here => Class::Permanent,
        None => Class::Retryable,
    }
}

/// What becomes of an attempt and of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Succeeded,
    /// This attempt failed; the next follows, not before this long from now.
    Failed(Micros),
    /// This attempt failed and none follows.
    Abandoned,
}

/// A receiver that asks for more than a day is not waited for any longer than that.
const LONGEST_RETRY_AFTER: Micros = 86_400_000_000;

/// What follows attempt number `attempt` (1 is the first); `of_status` is its receiver's.
pub fn verdict(
    response: &Response,
    of_status: fn(i32) -> Class,
    attempt: i32,
    schedule: &Schedule,
) -> Verdict {
    match class(response, of_status) {
        Class::Success => Verdict::Succeeded,
        Class::Permanent | Class::Gone => Verdict::Abandoned,
        Class::Retryable => match schedule.after_failure(attempt) {
            Next::GiveUp => Verdict::Abandoned,
            // Once at once; a sender that dies again and again must not use up every attempt within seconds.
            Next::RetryAfter(_) if response.is_lost && attempt == 1 => Verdict::Failed(0),
            Next::RetryAfter(wait) => {
                let asked = response.retry_after.unwrap_or(0).clamp(0, LONGEST_RETRY_AFTER);
                Verdict::Failed(wait.max(asked))
            }
        },
    }
}

/// `Retry-After`: seconds, or an HTTP date (RFC 9110 §10.2.3). `now` is microseconds since 2000.
pub fn retry_after(value: &str, now: Micros) -> Option<Micros> {
    const EPOCH_2000: i64 = 946_684_800;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Micros::from(seconds) * 1_000_000);
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.timestamp() - EPOCH_2000) * 1_000_000 - now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::receivers::{customerio, endpoint, slack};

    fn response(status: i32) -> Response {
        Response {
            status: Some(status),
            ..Response::default()
        }
    }

    #[test]
    fn every_answer_has_its_class() {
        use Class::*;
        for (status, service, partner) in [
            (200, Success, Success),
            (202, Success, Success),
            (204, Success, Success),
            (301, Permanent, Retryable),
            (400, Permanent, Retryable),
            (401, Permanent, Retryable),
            (404, Permanent, Retryable),
            (408, Retryable, Retryable),
            (410, Gone, Gone),
            (413, Permanent, Retryable),
            (425, Retryable, Retryable),
            (429, Retryable, Retryable),
            (500, Retryable, Retryable),
            (503, Retryable, Retryable),
            (599, Retryable, Retryable),
        ] {
            assert_eq!((slack::RECEIVER.class)(status), service, "{status}");
            assert_eq!((customerio::RECEIVER.class)(status), service, "{status}");
            assert_eq!((endpoint::RECEIVER.class)(status), partner, "{status}");
        }
        let (failure, refused) = (
            Response::failure("timed out"),
            Response::refused("private address"),
        );
        assert_eq!(class(&failure, class_of_service), Retryable);
        assert_eq!(class(&refused, endpoint::RECEIVER.class), Permanent);
    }

    #[test]
    fn the_schedule_decides_when_and_the_receiver_may_ask_for_more_time() {
        let schedule = Schedule::of_seconds(&[0, 15, 60]);
        let second = 1_000_000;
        let after = |response: &Response, attempt| verdict(response, class_of_service, attempt, &schedule);
        assert_eq!(after(&response(500), 1), Verdict::Failed(15 * second));
        assert_eq!(after(&response(500), 2), Verdict::Failed(60 * second));
        assert_eq!(after(&response(500), 3), Verdict::Abandoned);
        assert_eq!(after(&response(400), 1), Verdict::Abandoned);
        assert_eq!(after(&response(200), 3), Verdict::Succeeded);
        let busy = |seconds: i64| Response {
            retry_after: Some(seconds * second),
            ..response(429)
        };
        assert_eq!(after(&busy(30), 1), Verdict::Failed(30 * second));
        assert_eq!(after(&busy(3), 1), Verdict::Failed(15 * second));
        assert_eq!(after(&busy(1_000_000), 1), Verdict::Failed(86_400 * second));
        assert_eq!(after(&Response::lost(), 1), Verdict::Failed(0));
        assert_eq!(after(&Response::lost(), 2), Verdict::Failed(60 * second));
        assert_eq!(after(&Response::lost(), 3), Verdict::Abandoned);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", 0), Some(120_000_000));
        assert_eq!(retry_after(" 0 ", 0), Some(0));
        assert_eq!(
            retry_after("Sat, 01 Jan 2000 00:00:30 GMT", 10_000_000),
            Some(20_000_000)
        );
        assert_eq!(retry_after("soon", 0), None);
        assert_eq!(retry_after("-5", 0), None);
    }
}
