//! From where on something is wrong: the rows of `monitor_thresholds`, read anew each time.

use super::severity::Severity;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use std::collections::BTreeMap;

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

/// The enabled thresholds of every check, and of what is only shown.
#[derive(Debug, Default)]
pub struct AllThresholds(BTreeMap<String, Thresholds>);

statements! {
    /// Null: of all checks.
    query find_thresholds(check_name: Option<&str>) -> ThresholdRow = text
        "select check_name, condition, severity, channel, threshold::float8 as value,
                (extract(epoch from lookback) * 1000000)::bigint as lookback,
                (extract(epoch from repeat_after) * 1000000)::bigint as repeat_after
           from raw_ops.monitor_thresholds where enabled and check_name = coalesce($1, check_name)";
}

result_row! {
    struct ThresholdRow {
        check_name: String,
        condition: String,
        severity: String,
        channel: String,
        value: f64,
        lookback: Option<i64>,
        repeat_after: i64,
    }
}

impl ThresholdRow {
    fn into_threshold(self) -> Threshold {
        Threshold {
            condition: self.condition,
            severity: Severity::of(&self.severity),
            channel: self.channel,
            value: self.value,
            lookback: self.lookback,
            repeat_after: self.repeat_after,
        }
    }
}

impl AllThresholds {
    /// As they stand now.
    pub fn read(session: &Session) -> Result<Self> {
        let mut all: BTreeMap<String, Thresholds> = BTreeMap::new();
        for mut row in find_thresholds(session, None)?.all()? {
            let check = std::mem::take(&mut row.check_name);
            all.entry(check).or_default().0.push(row.into_threshold());
        }
        Ok(Self(all))
    }

    /// Of one check; none where all are switched off.
    pub fn of(&self, check: &str) -> &Thresholds {
        static NONE: Thresholds = Thresholds(Vec::new());
        self.0.get(check).unwrap_or(&NONE)
    }
}

impl Thresholds {
    /// Whether none is enabled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As they stand now.
    pub fn of(session: &Session, check: &str) -> Result<Self> {
        let rows = find_thresholds(session, Some(check))?;
        Ok(Self(rows.map(ThresholdRow::into_threshold)?))
    }

    /// The threshold of a condition at which it is so bad.
    pub fn at(&self, condition: &str, severity: Severity) -> Option<f64> {
        let ours = self
            .0
            .iter()
            .find(|one| one.condition == condition && one.severity == severity);
        ours.map(|one| one.value)
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
