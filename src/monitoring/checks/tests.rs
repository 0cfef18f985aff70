//! The registry of checks. Inside a backend: it holds functions that only a server has symbols for.

use super::*;
use crate::testing::*;
use pgrx::prelude::*;

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
    fn every_check_has_its_rows_in_monitors_and_monitor_thresholds() {
        set_up();
        for check in CHECKS {
            let name = check.name;
            let has_rows: bool = one(&format!(
                "select exists (select from raw_ops.monitors where check_name = '{name}')
                    and exists (select from raw_ops.monitor_thresholds where check_name = '{name}')"
            ));
            assert!(has_rows, "{name}");
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
