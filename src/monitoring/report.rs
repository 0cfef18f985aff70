//! What a check found, and what it answers: pure functions of figures and thresholds.

use crate::db::{Session, result_row, statements};
use crate::error::Result;
use serde_json::{Map, Value as Json, json};

/// How bad it is; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub fn of(name: &str) -> Self {
        match name {
            "critical" => Severity::Critical,
            "warning" => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

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

statements! {
    query find_thresholds(check: &str) -> ThresholdRow = text
        "select condition, severity, channel, threshold::float8,
                (extract(epoch from lookback) * 1000000)::bigint as lookback,
                (extract(epoch from repeat_after) * 1000000)::bigint as repeat_after
           from raw_ops.monitor_thresholds where check_name = $1 and enabled";
}

result_row! {
    struct ThresholdRow {
        condition: String,
        severity: String,
        channel: String,
        threshold: f64,
        lookback: Option<i64>,
        repeat_after: Option<i64>,
    }
}

impl Thresholds {
    /// As they stand now.
    pub fn of(session: &Session, check: &str) -> Result<Self> {
        let thresholds = find_thresholds(session, check)?.map(|row| Threshold {
            condition: row.condition,
            severity: Severity::of(&row.severity),
            channel: row.channel,
            value: row.threshold,
            lookback: row.lookback,
            repeat_after: row.repeat_after.unwrap_or(0),
        })?;
        Ok(Self(thresholds))
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

/// Something to tell people.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What is wrong; an alert stays one alert while this stays the same.
    pub condition: String,
    pub severity: Severity,
    pub channel: String,
    /// Microseconds.
    pub repeat_after: i64,
    pub title: String,
    /// Name and value, in order.
    pub fields: Vec<(String, String)>,
    /// The runbook's next step: SQL to run.
    pub next_step: String,
}

impl Finding {
    pub fn new(condition: impl Into<String>, threshold: &Threshold, title: impl Into<String>) -> Self {
        Self {
            condition: condition.into(),
            severity: threshold.severity,
            channel: threshold.channel.clone(),
            repeat_after: threshold.repeat_after,
            title: title.into(),
            fields: Vec::new(),
            next_step: String::new(),
        }
    }

    pub fn field(mut self, title: &str, value: impl ToString) -> Self {
        self.fields.push((title.to_owned(), value.to_string()));
        self
    }

    pub fn next_step(mut self, sql: &str) -> Self {
        self.next_step = sql.to_owned();
        self
    }

    /// As `alert_config` and `result_summary.conditions` show it.
    fn to_json(&self) -> Json {
        json!({
            "severity": self.severity.as_str(), "channel": self.channel, "title": self.title,
            "fields": fields_json(&self.fields),
        })
    }
}

/// `[{"title", "value"}, …]`
pub fn fields_json(fields: &[(String, String)]) -> Json {
    fields
        .iter()
        .map(|(title, value)| json!({"title": title, "value": value}))
        .collect()
}

/// What a check answers.
#[derive(Clone, Debug)]
pub struct Report {
    pub check: &'static str,
    pub summary: Map<String, Json>,
    pub findings: Vec<Finding>,
    /// Conditions that are not found any more but are not over either: their alerts stay open, and silent.
    pub lasting: Vec<String>,
}

impl Report {
    pub fn new(check: &'static str, summary: Json) -> Self {
        let summary = match summary {
            Json::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            check,
            summary,
            findings: Vec::new(),
            lasting: Vec::new(),
        }
    }

    pub fn with(mut self, finding: Option<Finding>) -> Self {
        self.findings.extend(finding);
        self
    }

    fn worst(&self) -> Option<&Finding> {
        // The first of equals.
        self.findings.iter().rev().max_by_key(|finding| finding.severity)
    }

    /// `ok`, `info`, `warning` or `critical`.
    pub fn status(&self) -> &'static str {
        self.worst().map_or("ok", |worst| worst.severity.as_str())
    }

    pub fn summary_json(&self) -> Json {
        let mut summary = self.summary.clone();
        if self.findings.len() > 1 {
            // `alert_config` has room for the worst; each of these is an alert of its own.
            let all: Json = self
                .findings
                .iter()
                .map(|finding| {
                    let mut json = finding.to_json();
                    json["condition"] = finding.condition.as_str().into();
                    json
                })
                .collect();
            summary.insert("conditions".into(), all);
        }
        Json::Object(summary)
    }

    pub fn to_json(&self) -> Json {
        json!({
            "check_name": self.check,
            "status": self.status(),
            "result_summary": self.summary_json(),
            "alert_config": self.worst().map(Finding::to_json),
        })
    }
}

/// One digit behind the point, none if it is nought.
pub fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Some of many, and how many more.
pub fn listed(values: &[String], total: i64) -> String {
    let more = total - values.len() as i64;
    let shown = values.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A threshold row for tests of checks.
    pub fn row(condition: &str, severity: Severity, channel: &str, value: f64) -> Threshold {
        Threshold {
            condition: condition.into(),
            severity,
            channel: channel.into(),
            value,
            lookback: None,
            repeat_after: 3_600_000_000,
        }
    }

    fn slo() -> Thresholds {
        Thresholds(vec![
            row("age", Severity::Warning, "#ops-alerts", 5.0),
            row("age", Severity::Critical, "#ops-urgent", 15.0),
        ])
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

    #[test]
    fn a_report_without_findings_is_ok_and_alerts_nobody() {
        let json = Report::new("x", json!({"n": 1})).to_json();
        assert_eq!(
            json,
            json!({"check_name": "x", "status": "ok", "result_summary": {"n": 1}, "alert_config": null})
        );
    }

    #[test]
    fn the_worst_finding_is_the_alert_and_all_are_in_the_summary() {
        let thresholds = slo();
        let finding = |figure, title: &str| {
            Some(Finding::new("age", thresholds.crossed("age", figure).unwrap(), title).field("F", 1))
        };
        let report = Report::new("x", json!({}))
            .with(finding(6.0, "first"))
            .with(finding(16.0, "worst"))
            .with(finding(17.0, "later"));
        assert_eq!(report.status(), "critical");
        let json = report.to_json();
        assert_eq!(
            json["alert_config"],
            json!({
                "severity": "critical", "channel": "#ops-urgent", "title": "worst", "fields": [{"title": "F", "value": "1"}]
            })
        );
        assert_eq!(
            json["result_summary"]["conditions"].as_array().map(Vec::len),
            Some(3)
        );
    }

    #[test]
    fn figures_and_lists_are_short() {
        assert_eq!([16.04, 16.0, 0.25].map(rounded), ["16", "16", "0.2"]);
        assert_eq!(listed(&["1".into(), "2".into()], 5), "1, 2 and 3 more");
        assert_eq!(listed(&["1".into()], 1), "1");
    }
}
