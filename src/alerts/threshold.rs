//! From where on something is wrong: the rows of `monitor_thresholds`, read anew each time.

use super::finding::Severity;
use crate::db::{Session, Statement, Value};
use crate::error::Result;
use pgrx::pg_sys;

/// A row of `monitor_thresholds`.
#[derive(Clone, Debug)]
pub struct Threshold {
    pub condition: String,
    pub severity: Severity,
    pub channel: String,
    pub value: f64,
    /// Microseconds.
    pub lookback: Option<i64>,
    /// Microseconds.
    pub repeat_after: i64,
}

/// The enabled thresholds of a check.
#[derive(Clone, Debug, Default)]
pub struct Thresholds(pub Vec<Threshold>);

thread_local! {
    static THRESHOLDS: Statement = const { Statement::new(
        "select condition, severity, channel, threshold::float8,
                (extract(epoch from lookback) * 1000000)::bigint, (extract(epoch from repeat_after) * 1000000)::bigint
           from raw_ops.monitor_thresholds where check_name = $1 and enabled", &[pg_sys::TEXTOID]) };
}

impl Thresholds {
    /// As they stand now.
    pub fn of(session: &Session, check: &str) -> Result<Self> {
        let rows = session.query(&THRESHOLDS, vec![Value::Text(check)])?;
        Ok(Self(rows.map(|row| Threshold {
            condition: row.text(1).unwrap_or_default(),
            severity: Severity::of(&row.text(2).unwrap_or_default()),
            channel: row.text(3).unwrap_or_default(),
            value: row.float8(4).unwrap_or(0.0),
            lookback: row.int8(5),
            repeat_after: row.int8(6).unwrap_or(0),
        })))
    }

    /// The worst threshold of a condition that a figure is above.
    pub fn crossed(&self, condition: &str, figure: f64) -> Option<&Threshold> {
        let above = self
            .0
            .iter()
            .filter(|one| one.condition == condition && figure > one.value);
        above.max_by_key(|one| one.severity)
    }

    /// The threshold of a condition that is crossed first.
    pub fn mildest(&self, condition: &str) -> Option<&Threshold> {
        let ours = self.0.iter().filter(|one| one.condition == condition);
        ours.min_by_key(|one| one.severity)
    }

    /// The lowest threshold of a condition: from here on there is something to tell.
    pub fn lowest(&self, condition: &str) -> Option<f64> {
        let values = self
            .0
            .iter()
            .filter(|one| one.condition == condition)
            .map(|one| one.value);
        values.min_by(f64::total_cmp)
    }

    /// How far back a condition looks, in microseconds.
    pub fn lookback(&self, condition: &str) -> Option<i64> {
        self.0
            .iter()
            .filter(|one| one.condition == condition)
            .filter_map(|one| one.lookback)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo() -> Thresholds {
        let row = |severity, value| Threshold {
            condition: "age".into(),
            severity,
            channel: "#ops-alerts".into(),
            value,
            lookback: None,
            repeat_after: 0,
        };
        Thresholds(vec![row(Severity::Warning, 5.0), row(Severity::Critical, 15.0)])
    }

    #[test]
    fn a_threshold_is_crossed_above_it_and_the_worst_one_counts() {
        let severity = |figure| slo().crossed("age", figure).map(|one| one.severity);
        assert_eq!(severity(5.0), None);
        assert_eq!(severity(5.1), Some(Severity::Warning));
        assert_eq!(severity(15.0), Some(Severity::Warning));
        assert_eq!(severity(15.1), Some(Severity::Critical));
        assert_eq!(slo().crossed("other", 99.0).map(|one| one.value), None);
        assert_eq!(slo().lowest("age"), Some(5.0));
    }
}
