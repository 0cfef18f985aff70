//! What the checks read, and the alerts that are open: the same list that the monitors tell people.

use crate::alerts::{Condition, Severity};
use crate::db::{Session, result_row, statements};
use crate::json::Timestamp;
use crate::monitoring::advice::run_monitor;
use crate::monitoring::checks::CHECKS;
use crate::monitoring::{Fault, Report, Sight};
use serde_json::Value as Json;

statements! {
    query find_open_alerts() -> OpenAlert = text
        "select check_name, condition, shop_domain, severity, title, fields, next, opened_at
           from raw_ops.alerts where state = 'open' order by opened_at";
}

result_row! {
    /// An alert that is open, as the last run of its check left it.
    #[derive(Clone, Debug)]
    struct OpenAlert {
        check_name: String,
        condition: String,
        shop_domain: String,
        severity: String,
        title: String,
        fields: Json,
        next: Vec<String>,
        opened_at: Timestamp,
    }
}

/// What was seen of both.
#[derive(Default)]
pub struct Readings {
    reports: Vec<Report>,
    alerts: Vec<OpenAlert>,
}

/// Asked as the owner of the tables.
pub fn read(session: &Session, sight: &Sight) -> Readings {
    let mut reports = Vec::new();
    for check in CHECKS {
        if let Some(shown) = check.shown {
            reports.extend(sight.ask(session, check.name, shown));
        }
    }
    let alerts = sight.all(session, "open alerts", find_open_alerts);
    Readings {
        reports,
        alerts: alerts.unwrap_or_default(),
    }
}

impl Readings {
    /// `known`: what the rest of health has found.
    pub fn faults(&self, known: &[Fault]) -> Vec<Fault> {
        let is_check = |name: &str| CHECKS.iter().any(|check| check.name == name);
        one_list(&self.reports, &self.alerts, known, is_check)
    }
}

/// Everything once: what the checks find now, then what is alerted and not found by them.
fn one_list(
    reports: &[Report],
    alerts: &[OpenAlert],
    known: &[Fault],
    is_check: impl Fn(&str) -> bool,
) -> Vec<Fault> {
    let found: Vec<(&str, &Condition, Fault)> = reports
        .iter()
        .flat_map(|report| {
            let faults = report.faults().into_iter();
            faults.map(|(condition, fault)| (report.check, condition, fault))
        })
        .collect();
    let others = alerts.iter().filter(|alert| {
        !found
            .iter()
            .any(|(check, condition, _)| alert.is_about(check, condition))
    });
    let others: Vec<Fault> = others
        .filter_map(|alert| alert.fault(reports, known, is_check(&alert.check_name)))
        .collect();
    // Told by whoever looked closer.
    let is_told = |fault: &Fault| known.iter().any(|one| one.what == fault.what);
    let found = found
        .into_iter()
        .map(|(_, _, fault)| fault)
        .filter(|fault| !is_told(fault));
    found.chain(others).collect()
}

impl OpenAlert {
    fn is_about(&self, check: &str, condition: &Condition) -> bool {
        self.check_name == check
            && self.condition == condition.name
            && (self.shop_domain == condition.shop || self.shop_domain.is_empty())
    }

    /// `None` where the rest of health tells of the same, fault by fault.
    fn fault(&self, reports: &[Report], known: &[Fault], is_check: bool) -> Option<Fault> {
        if known.iter().any(|fault| fault.what == self.condition) {
            return None;
        }
        if self.condition == "blocked" && known.iter().any(|fault| fault.severity == Severity::Critical) {
            return None;
        }
        // What its check has looked at, and neither finds nor keeps open, the next run closes.
        let looked = reports.iter().find(|report| report.check == self.check_name);
        let is_over = looked.is_some_and(|report| {
            let lasting = report.told().lasting;
            !lasting
                .iter()
                .any(|finding| self.is_about(&self.check_name, &finding.condition))
        });
        let since = Some(self.opened_at.0);
        Some(match is_over {
            true => Fault::warning(
                "open_alert",
                format!(
                    "the alert \"{}\" is open, and what it was about is over",
                    self.title
                ),
            )
            .since(since)
            .next(run_monitor(&self.check_name)),
            false => {
                let fault =
                    Fault::new(&self.condition, Severity::of(&self.severity), self.problem()).since(since);
                let steps = self.next.iter();
                let fault = steps.fold(fault, |fault, step| fault.next(step));
                // Others than checks close what they have opened by themselves.
                match is_check {
                    true => fault.next(run_monitor(&self.check_name)),
                    false => fault,
                }
            }
        })
    }

    /// Title and figures in a sentence.
    fn problem(&self) -> String {
        let fields = self.fields.as_array().map(Vec::as_slice).unwrap_or_default();
        let fields = fields.iter().filter(|field| field["title"] != "Severity");
        let fields: Vec<String> = fields
            .map(|field| {
                let text = |member: &str| field[member].as_str().unwrap_or_default();
                format!("{}: {}", text("title"), text("value"))
            })
            .collect();
        match fields.is_empty() {
            true => format!("the alert \"{}\" is open", self.title),
            false => format!("alert \"{}\": {}", self.title, fields.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Threshold;
    use crate::monitoring::{Reading, Report};
    use serde_json::json;

    fn alert(condition: &str) -> OpenAlert {
        OpenAlert {
            check_name: "webhook_health".into(),
            condition: condition.into(),
            shop_domain: String::new(),
            severity: "critical".into(),
            title: "DLQ Critical".into(),
            fields: json!([{"title": "DLQ Total", "value": "4"}, {"title": "Severity", "value": "critical"}]),
            next: vec!["SELECT 1;".into()],
            opened_at: Timestamp(5),
        }
    }

    fn report(condition: &str, is_crossed: bool) -> Report {
        let threshold = Threshold {
            condition: condition.into(),
            severity: Severity::Warning,
            channel: "#ops-alerts".into(),
            value: 0.0,
            lookback: None,
            repeat_after: 1,
        };
        let reading = Reading::new(
            condition,
            is_crossed.then_some(&threshold),
            "dead_letters",
            "DLQ Critical",
        );
        Report::new("webhook_health", json!({})).with([reading.problem("4 dead letters wait")])
    }

    fn told(reports: &[Report], alerts: &[OpenAlert], known: &[Fault]) -> Vec<(String, Severity)> {
        let faults = one_list(reports, alerts, known, |_| true);
        faults
            .into_iter()
            .map(|fault| (fault.what, fault.severity))
            .collect()
    }

    #[test]
    fn an_open_alert_is_a_fault_once_whether_or_not_its_check_still_finds_it() {
        let found = [report("new_dead_letters", true)];
        let alerted = [alert("new_dead_letters")];
        assert_eq!(
            told(&found, &[], &[]),
            [("dead_letters".to_owned(), Severity::Warning)]
        );
        assert_eq!(
            told(&found, &alerted, &[]),
            [("dead_letters".to_owned(), Severity::Warning)]
        );
        let calm = [report("new_dead_letters", false)];
        assert_eq!(told(&calm, &[], &[]), []);
        let over = one_list(&calm, &alerted, &[], |_| true);
        assert_eq!(
            (over[0].what.as_str(), over[0].severity),
            ("open_alert", Severity::Warning)
        );
        assert_eq!(
            over[0].next,
            ["SELECT raw_ops.fn_invoke_monitor('webhook_health');"]
        );
        // What no check reads any more, or none could be asked about.
        let unknown = one_list(&[], &alerted, &[], |_| true);
        assert_eq!(unknown[0].problem, "alert \"DLQ Critical\": DLQ Total: 4");
        assert_eq!(
            (unknown[0].severity, unknown[0].next.len()),
            (Severity::Critical, 2)
        );
    }

    #[test]
    fn what_the_rest_of_health_tells_is_not_told_twice() {
        let known = [Fault::critical("dead_letters", "looked at closer")];
        assert_eq!(told(&[report("new_dead_letters", true)], &[], &known), []);
        assert_eq!(told(&[], &[alert("blocked")], &known), []);
    }
}
