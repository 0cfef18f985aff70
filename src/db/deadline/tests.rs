//! What is cut off at its deadline and what is not, inside a backend.

use super::*;
use crate::db::{session, subtransaction::attempt_and_tell};
use pgrx::prelude::*;

#[test]
fn what_is_left_is_halved_until_it_is_not_worth_while() {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(4);
    let half = half_of_what_is_left(deadline).unwrap();
    assert!(half > now + Duration::from_secs(1) && half < deadline - Duration::from_secs(1));
    assert_eq!(half_of_what_is_left(now), None);
    assert_eq!(
        half_of_what_is_left(Instant::now() + Duration::from_millis(10)),
        None
    );
}

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

fn run(sql: &str) -> Result<()> {
    session(|_| Spi::run(sql).map_err(|error| Error::Internal(error.to_string())))
}

/// Long enough that a test which waits for it fails by the statement timeout of the tests.
const LONG: &str = "select pg_sleep(600)";

fn is_cut_off<T>(outcome: &Result<T>) -> bool {
    matches!(outcome, Err(Error::OutOfTime))
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn what_is_not_through_by_its_deadline_is_cut_off_and_what_comes_after_is_not() {
        for _ in 0..3 {
            assert!(is_cut_off(&attempt_until(within(20), || run(LONG))));
            run("select pg_sleep(0.05)").unwrap();
            attempt_until(within(60_000), || run("select pg_sleep(0.05)")).unwrap();
        }
        assert_eq!(UNTIL.get(), None);
    }

    #[pg_test]
    fn a_cancel_that_comes_when_the_work_has_ended_is_taken_back() {
        // Heeds nothing, as a computation of ours does.
        let deaf = || {
            std::thread::sleep(Duration::from_millis(50));
            Ok(7)
        };
        assert_eq!(attempt_until(within(5), deaf).unwrap(), 7);
        run("select pg_sleep(0.05)").unwrap();
        let fails = || -> Result<()> {
            std::thread::sleep(Duration::from_millis(50));
            run("select 1 / 0")
        };
        assert!(attempt_until(within(5), fails).is_err());
        run("select pg_sleep(0.05)").unwrap();
    }

    #[pg_test]
    fn inside_work_with_a_deadline_the_earlier_one_counts_and_the_outer_goes_on() {
        let outer = attempt_until(within(60_000), || {
            assert!(is_cut_off(&attempt_until(within(20), || run(LONG))));
            run("select pg_sleep(0.05)")
        });
        outer.unwrap();
        let outer = attempt_until(within(50), || {
            assert!(is_cut_off(&attempt_until(within(5), || run(LONG))));
            run(LONG)
        });
        assert!(is_cut_off(&outer));
        let outer = attempt_until(within(20), || {
            let _ = attempt_until(within(60_000), || run(LONG));
            run(LONG)
        });
        assert!(is_cut_off(&outer));
        run("select pg_sleep(0.05)").unwrap();
    }

    #[pg_test]
    fn an_error_before_the_deadline_stops_the_timer() {
        let failed = attempt_until(within(30), || run("select 1 / 0"));
        assert!(failed.unwrap_err().to_string().contains("division by zero"));
        run("select pg_sleep(0.1)").unwrap();
        assert_eq!(UNTIL.get(), None);
    }

    #[pg_test]
    fn what_others_cancel_is_raised_again() {
        let outcome = attempt_and_tell(|| {
            attempt_until(within(60_000), || {
                run("select pg_cancel_backend(pg_backend_pid())")?;
                run(LONG)
            })
        });
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        assert!(!matches!(error, Error::OutOfTime));
        run("select pg_sleep(0.05)").unwrap();
    }
}
