//! The checks: one file each. A new one is one file, one line here, and its rows in `monitors` and `monitor_thresholds`.

pub mod courier_watchdog_health;
pub mod monitoring_heartbeat;
mod order_ingestion_slo;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
mod webhook_daily_digest;
pub mod webhook_health;
mod webhook_silence;

use super::report::Report;
use crate::db::{self, Session, owner, schema, settings};
use crate::error::{Error, Result};
use pgrx::JsonB;

/// A check and when it runs.
pub struct Check {
    pub name: &'static str,
    /// Name and schedule of its pg_cron job. Source: ORD; where it names none, ours.
    pub job: &'static str,
    pub schedule: &'static str,
    pub run: fn(&Session) -> Result<Report>,
    /// How things stand now, for health and the page; `None`: nothing can be wrong with what it tells.
    pub shown: Option<fn(&Session) -> Result<Report>>,
}

/// The pg_cron job of the check of this name.
pub fn job_of(check: &str) -> &str {
    let known = CHECKS.iter().find(|one| one.name == check);
    known.map_or(check, |one| one.job)
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
/// the tables. A locked table is an error that names it.
fn answer(check: &Check) -> Result<JsonB> {
    let look = |session: &Session| {
        let limit = settings::limit_lock_waits_of_checks();
        schema::ensure_ready(session)?;
        let report = (check.run)(session)?;
        drop(limit);
        Ok(JsonB(db::json_for_client(report.to_json())))
    };
    owner::as_table_owner(|| db::session(|session| db::attempt(|| look(session))))
}
