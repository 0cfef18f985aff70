//! The checks: one file each. A new one is one file, one line here, and its rows in `monitors` and `monitor_thresholds`.

pub mod courier_watchdog_health;
pub mod monitoring_heartbeat;
mod order_ingestion_slo;
mod webhook_daily_digest;
pub mod webhook_health;
mod webhook_silence;

use super::report::Report;
use crate::db::{self, Session, owner, schema};
use crate::error::{Error, Result};
use pgrx::JsonB;
#[cfg(any(test, feature = "pg_test"))]
use pgrx::prelude::*;

/// A check and when it runs.
pub struct Check {
    pub name: &'static str,
    /// Name and schedule of its pg_cron job. Source: ORD; where it names none, ours.
    pub job: &'static str,
    pub schedule: &'static str,
    pub run: fn(&Session) -> Result<Report>,
}

/// The registry.
pub const CHECKS: &[Check] = &[
    order_ingestion_slo::CHECK,
    webhook_health::CHECK,
    webhook_daily_digest::CHECK,
    monitoring_heartbeat::CHECK,
    webhook_silence::CHECK,
    courier_watchdog_health::CHECK,
];

/// # Errors
/// A name that no check has; the known ones are listed.
pub fn find_check(name: Option<&str>) -> Result<&'static Check> {
    CHECKS
        .iter()
        .find(|check| Some(check.name) == name)
        .ok_or_else(|| {
            let known: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
            let given = name.map_or("is null".to_owned(), |name| {
                format!("there is no check \"{name}\"")
            });
            Error::argument("p_check_name", format!("{given}; known: {}", known.join(", ")))
        })
}

/// What a check's own door answers: it looks, writes nothing, alerts nobody. Whoever may call it need not have rights on
/// the tables.
fn answer(check: &Check) -> Result<JsonB> {
    owner::as_table_owner(|| {
        db::session(|session| {
            schema::ensure_ready(session)?;
            Ok(JsonB(db::json_for_client((check.run)(session)?.to_json())))
        })
    })
}

// Inside a backend: the registry holds functions that only a server has symbols for.
#[cfg(any(test, feature = "pg_test"))]
#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn every_check_has_a_name_a_job_and_a_schedule_of_its_own() {
        for (index, check) in CHECKS.iter().enumerate() {
            assert!(check.job.starts_with("monitor-"), "{}", check.job);
            assert_eq!(check.schedule.split(' ').count(), 5, "{}", check.schedule);
            for other in &CHECKS[..index] {
                assert!(other.name != check.name && other.job != check.job);
            }
        }
    }

    #[pg_test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = find_check(Some("webhook_helth")).err().unwrap().to_string();
        assert!(
            error.contains("webhook_health") && error.contains("order_ingestion_slo"),
            "{error}"
        );
        assert!(find_check(None).is_err());
    }
}
