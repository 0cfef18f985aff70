//! What a check answers: pure functions of figures and thresholds.

pub use crate::alerts::{Condition, Finding, Severity, Shops, Threshold, Thresholds};
use serde_json::{Map, Value as Json, json};

/// What a check answers.
#[derive(Clone, Debug)]
pub struct Report {
    pub check: &'static str,
    pub summary: Map<String, Json>,
    pub findings: Vec<Finding>,
    /// Conditions that are not found any more but are not over either: their alerts stay open, and silent.
    pub lasting: Vec<Condition>,
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
                    json["condition"] = finding.condition.name.as_str().into();
                    if !finding.condition.shop.is_empty() {
                        json["shop_domain"] = finding.condition.shop.as_str().into();
                    }
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

    pub use crate::alerts::shops::tests::shops;

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
