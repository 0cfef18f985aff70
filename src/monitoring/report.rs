//! What a check answers: pure functions of figures and thresholds.
//!
//! A check reads how each of its conditions stands ([`Reading`]), whether or not that is too much. The same readings are
//! told as alerts, shown by `fn_health_v1()` and by the page, and say how things stand when an alert is over.

use super::fault::{Fault, in_one_comment};
use crate::alerts::Told;
pub use crate::alerts::{Condition, Finding, Severity, Shops, Threshold, Thresholds};
use serde_json::{Map, Value as Json, json};

/// What is so although no threshold is crossed just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lasts {
    /// Nothing: an open alert about it is over.
    #[default]
    No,
    /// What the alert was about is still so: while one is open it stays open, and is repeated.
    IfAlerted,
    /// The same, and health names it in any case.
    As(Severity),
}

/// How one condition stands, in one shop or in all.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The alert it would be, with its title, figures and next steps; its severity and channel hold where `is_crossed`.
    finding: Finding,
    is_crossed: bool,
    lasts: Lasts,
    /// The fault it would be; how bad, and its steps, are the finding's. Several conditions may share a word for it.
    fault: Fault,
}

impl Reading {
    /// `crossed`: the threshold that is crossed, if one is.
    pub fn new(
        condition: impl Into<String>,
        crossed: Option<&Threshold>,
        what: &'static str,
        title: &str,
    ) -> Self {
        let finding = match crossed {
            Some(threshold) => Finding::new(condition, threshold, title),
            None => Finding::calm(condition, title),
        };
        Self {
            finding,
            is_crossed: crossed.is_some(),
            lasts: Lasts::No,
            fault: Fault::new(what, Severity::Info, title),
        }
    }

    pub fn problem(mut self, problem: impl Into<String>) -> Self {
        self.fault.problem = problem.into();
        self
    }

    /// While it does, an open alert is repeated as often as the thresholds of its condition say.
    pub fn lasts(mut self, lasts: Lasts, thresholds: &Thresholds, condition: &str) -> Self {
        self.lasts = lasts;
        if let Some(mildest) = thresholds.mildest(condition) {
            self.finding.repeat_after = mildest.repeat_after;
        }
        self
    }

    pub fn since(mut self, since: Option<i64>) -> Self {
        self.fault = self.fault.since(since);
        self
    }

    pub fn count(mut self, count: i64) -> Self {
        self.fault = self.fault.count(count);
        self
    }

    pub fn field(mut self, title: &str, value: impl ToString) -> Self {
        self.finding = self.finding.field(title, value);
        self
    }

    /// How bad it is; nothing where it is not.
    pub fn severity_field(self) -> Self {
        match self.is_crossed {
            true => {
                let severity = self.finding.severity.as_str();
                self.field("Severity", severity)
            }
            false => self,
        }
    }

    pub fn next(mut self, steps: Vec<String>) -> Self {
        self.finding = self.finding.next(steps.into_iter().map(in_one_comment).collect());
        self
    }

    /// One of several shops is named.
    pub fn of_shop(mut self, shops: &Shops, domain: &str) -> Self {
        if let Some(name) = shops.name_of(domain) {
            self.fault.problem = format!("{name}: {}", self.fault.problem);
        }
        self.finding = self.finding.of_shop(shops, domain);
        self
    }

    pub fn condition(&self) -> &Condition {
        &self.finding.condition
    }

    /// What is wrong, where something is: a threshold is crossed, or it lasts.
    pub fn fault(&self) -> Option<Fault> {
        let severity = match (self.is_crossed, self.lasts) {
            (true, Lasts::As(lasting)) => self.finding.severity.max(lasting),
            (true, _) => self.finding.severity,
            (false, Lasts::As(lasting)) => lasting,
            (false, _) => return None,
        };
        let fault = Fault {
            severity,
            ..self.fault.clone()
        };
        let steps = self.finding.next.iter();
        Some(steps.fold(fault, |fault, step| fault.next(step)))
    }
}

/// What a check answers.
#[derive(Clone, Debug)]
pub struct Report {
    pub check: &'static str,
    pub summary: Map<String, Json>,
    pub readings: Vec<Reading>,
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
            readings: Vec::new(),
        }
    }

    pub fn with(mut self, reading: impl IntoIterator<Item = Reading>) -> Self {
        self.readings.extend(reading);
        self
    }

    /// What is to be told.
    pub fn findings(&self) -> Vec<&Finding> {
        let crossed = self.readings.iter().filter(|reading| reading.is_crossed);
        crossed.map(|reading| &reading.finding).collect()
    }

    /// What is not found any more and is not over either: an open alert about it is followed, none is opened.
    fn lasting(&self) -> Vec<&Finding> {
        let lasting = self
            .readings
            .iter()
            .filter(|reading| !reading.is_crossed && reading.lasts != Lasts::No);
        lasting.map(|reading| &reading.finding).collect()
    }

    /// How the rest stands: what an alert that is over tells.
    fn calm(&self) -> Vec<&Finding> {
        let calm = self
            .readings
            .iter()
            .filter(|reading| !reading.is_crossed && reading.lasts == Lasts::No);
        calm.map(|reading| &reading.finding).collect()
    }

    /// All of it, for whoever follows the open alerts.
    pub fn told(&self) -> Told<'_> {
        Told {
            found: self.findings(),
            lasting: self.lasting(),
            calm: self.calm(),
        }
    }

    /// What is wrong, as health and the page show it.
    pub fn faults(&self) -> Vec<(&Condition, Fault)> {
        let faults = self.readings.iter();
        faults
            .filter_map(|reading| Some((reading.condition(), reading.fault()?)))
            .collect()
    }

    fn worst(&self) -> Option<&Finding> {
        // The first of equals.
        self.findings()
            .into_iter()
            .rev()
            .max_by_key(|finding| finding.severity)
    }

    /// `ok`, `info`, `warning` or `critical`.
    pub fn status(&self) -> &'static str {
        self.worst().map_or("ok", |worst| worst.severity.as_str())
    }

    pub fn summary_json(&self) -> Json {
        let mut summary = self.summary.clone();
        let findings = self.findings();
        if findings.len() > 1 {
            // `alert_config` has room for the worst; each of these is an alert of its own.
            let all: Json = findings
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

/// A count and what is counted.
pub fn counted(count: i64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// A time for people: `40 seconds`, `12 minutes`, `3 hours`, `2 days`.
pub fn duration(minutes: f64) -> String {
    let whole = |value: f64, one: &str, several: &str| counted(value.floor() as i64, one, several);
    match minutes {
        minutes if minutes < 2.0 => whole(minutes * 60.0, "second", "seconds"),
        minutes if minutes < 120.0 => whole(minutes, "minute", "minutes"),
        minutes if minutes < 48.0 * 60.0 => whole(minutes / 60.0, "hour", "hours"),
        minutes => whole(minutes / 1_440.0, "day", "days"),
    }
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
        let reading = |figure, title: &str| {
            [Reading::new("age", thresholds.crossed("age", figure), "age", title).field("F", 1)]
        };
        let report = Report::new("x", json!({}))
            .with(reading(5.0, "calm"))
            .with(reading(6.0, "first"))
            .with(reading(16.0, "worst"))
            .with(reading(17.0, "later"));
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
    fn what_is_not_crossed_is_told_where_it_lasts_and_a_fault_only_where_it_always_is_one() {
        let calm = Reading::new("age", None, "queue", "Old")
            .problem("3 wait")
            .count(3);
        let told = |lasts| {
            let report = Report::new("x", json!({})).with([calm.clone().lasts(lasts, &slo(), "age")]);
            let faults = report.faults().len();
            (
                report.findings().len(),
                report.lasting().len(),
                report.calm().len(),
                faults,
            )
        };
        assert_eq!(told(Lasts::No), (0, 0, 1, 0));
        assert_eq!(told(Lasts::IfAlerted), (0, 1, 0, 0));
        assert_eq!(told(Lasts::As(Severity::Warning)), (0, 1, 0, 1));
        let thresholds = slo();
        let crossed = Reading::new("age", thresholds.crossed("age", 6.0), "queue", "Old");
        let crossed = crossed.lasts(Lasts::As(Severity::Critical), &thresholds, "age");
        let fault = crossed.fault().unwrap();
        assert_eq!(
            (fault.what.as_str(), fault.severity),
            ("queue", Severity::Critical)
        );
    }

    #[test]
    fn figures_and_lists_are_short() {
        assert_eq!([16.04, 16.0, 0.25].map(rounded), ["16", "16", "0.2"]);
        assert_eq!(listed(&["1".into(), "2".into()], 5), "1, 2 and 3 more");
        assert_eq!(listed(&["1".into()], 1), "1");
        let durations = [0.5, 12.9, 130.0, 3_000.0].map(duration);
        assert_eq!(durations, ["30 seconds", "12 minutes", "2 hours", "2 days"]);
    }
}
