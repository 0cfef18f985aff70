//! One open alert per check, condition and shop. It is told when it opens, when it gets worse, again after `repeat_after` while it
//! lasts, and once when it is over.

use super::Id;
use super::finding::{Condition, Finding, fields_json, fields_of};
use super::message;
use super::severity::Severity;
use crate::db::{self, Session, ids, result_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::outbox::receivers::slack::AlertMessage;
use serde_json::Value as Json;

statements! {
    execute find_open(check: &str) -> OpenRow = file "alerts/find_open.sql";
    execute insert_alert(
        id: Id,
        check: &str,
        condition: &str,
        shop_domain: &str,
        state: &str,
        severity: &str,
        channel: &str,
        title: &str,
        fields: &Json,
        next: Vec<&str>,
    ) = text
        "insert into raw_ops.alerts (id, check_name, condition, shop_domain, state, severity, channel, title, fields, next)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    execute update_alert(
        id: Id,
        shop_domain: &str,
        severity: &str,
        channel: &str,
        title: &str,
        fields: &Json,
        next: Vec<&str>,
        is_told: bool,
    ) = text
        "update raw_ops.alerts
            set occurrences = occurrences + 1, last_seen_at = clock_timestamp(), shop_domain = $2, severity = $3, channel = $4,
                title = $5, fields = $6, next = $7, last_notified_at = case when $8 then clock_timestamp() else last_notified_at end
          where id = $1";
    execute close_alert(id: Id) = text
        "update raw_ops.alerts set state = 'resolved', resolved_at = clock_timestamp(), last_notified_at = clock_timestamp()
          where id = $1";
}

result_row! {
    struct OpenRow {
        id: Id,
        condition: String,
        shop_domain: String,
        severity: String,
        channel: String,
        title: String,
        fields: Json,
        occurrences: i32,
        opened_at: Timestamp,
        last_notified_at: Timestamp,
        has_pending_message: bool,
    }
}

/// An alert that is open.
struct Open {
    id: Id,
    condition: Condition,
    severity: Severity,
    channel: String,
    title: String,
    fields: Vec<(String, String)>,
    occurrences: i32,
    opened_at: i64,
    last_notified_at: i64,
    has_pending_message: bool,
}

/// What a run of a check tells.
pub struct Told<'a> {
    pub found: Vec<&'a Finding>,
    /// Not found any more, and not over either: an open alert about it is followed, none is opened.
    pub lasting: Vec<&'a Finding>,
    /// How the rest stands.
    pub calm: Vec<&'a Finding>,
}

/// Opens, escalates, repeats and closes the alerts of a check as a run of it found things. Returns the kinds of the messages it
/// sent.
pub fn follow_findings(session: &Session, check: &str, told: &Told<'_>) -> Result<Vec<&'static str>> {
    let open = open_alerts(session, check)?;
    let mut sent = Vec::new();
    let known = alerts_of(&told.found, &open);
    for (finding, alert) in told.found.iter().zip(&known) {
        match alert {
            Some(alert) => sent.extend(seen_again(session, alert, finding)?),
            None => sent.push(first_seen(session, check, finding)?),
        }
    }
    let is_found = |alert: &Open| known.iter().flatten().any(|found| found.id == alert.id);
    for alert in open.iter().filter(|alert| !is_found(alert)) {
        let is_its = |finding: &&&Finding| covers(&alert.condition, &finding.condition);
        match told.lasting.iter().find(is_its) {
            Some(lasting) => sent.extend(seen_again(session, alert, lasting)?),
            None => {
                resolve(session, alert, told.calm.iter().find(is_its).copied())?;
                sent.push("resolved");
            }
        }
    }
    Ok(sent)
}

/// The open alert about what each finding has found. One that was opened before any shop was named is taken over by the
/// first shop that has the same; a shop's own comes first.
fn alerts_of<'a>(findings: &[&Finding], open: &'a [Open]) -> Vec<Option<&'a Open>> {
    let own = |finding: &&Finding| open.iter().find(|alert| alert.condition == finding.condition);
    let mut known: Vec<Option<&Open>> = findings.iter().map(own).collect();
    for (position, finding) in findings.iter().enumerate() {
        if known[position].is_none() {
            let is_free = |alert: &&Open| !known.iter().flatten().any(|taken| taken.id == alert.id);
            let mut free = open.iter().filter(is_free);
            known[position] = free.find(|alert| covers(&alert.condition, &finding.condition));
        }
    }
    known
}

/// Whether an alert's condition is another, or is the same of no shop in particular.
fn covers(alert: &Condition, other: &Condition) -> bool {
    alert.name == other.name && (alert.shop == other.shop || alert.shop.is_empty())
}

fn open_alerts(session: &Session, check: &str) -> Result<Vec<Open>> {
    find_open(session, check)?.map(|row| Open {
        id: row.id,
        condition: Condition::new(row.condition, row.shop_domain),
        severity: Severity::of(&row.severity),
        channel: row.channel,
        title: row.title,
        fields: fields_of(&row.fields),
        occurrences: row.occurrences,
        opened_at: row.opened_at.0,
        last_notified_at: row.last_notified_at.0,
        has_pending_message: row.has_pending_message,
    })
}

fn first_seen(session: &Session, check: &str, finding: &Finding) -> Result<&'static str> {
    let is_info = finding.severity == Severity::Info;
    let (state, kind) = if is_info {
        ("info", "info")
    } else {
        ("open", "opened")
    };
    let id = ids::uuid_v7();
    insert_alert(
        session,
        id,
        check,
        &finding.condition.name,
        &finding.condition.shop,
        state,
        finding.severity.as_str(),
        &finding.channel,
        &finding.title,
        &fields_json(&finding.fields),
        steps(finding),
    )?;
    let now = moment(db::clock());
    let context = if is_info {
        format!("As of {now}")
    } else {
        format!("Found {now} by {check}")
    };
    message::tell(session, id, kind, finding, &context)?;
    Ok(kind)
}

/// Opens an alert that something else than a run of the check has found, unless one about the same is open: that one is the
/// monitor's to follow.
pub fn open_unless_open(session: &Session, check: &str, finding: &Finding) -> Result<()> {
    let open = open_alerts(session, check)?;
    if !open
        .iter()
        .any(|alert| covers(&alert.condition, &finding.condition))
    {
        first_seen(session, check, finding)?;
    }
    Ok(())
}

/// What is due when an open alert is found again: a kind of message, or silence.
fn due(alert: &Open, finding: &Finding, now: i64) -> Option<&'static str> {
    if finding.severity > alert.severity {
        return Some("escalated");
    }
    // While the last word is still on its way, another would only repeat it.
    let waited = now - alert.last_notified_at >= finding.repeat_after;
    (waited && !alert.has_pending_message).then_some("repeated")
}

fn seen_again(session: &Session, alert: &Open, finding: &Finding) -> Result<Option<&'static str>> {
    let kind = due(alert, finding, db::clock());
    // What it was at its worst stays, or falling back and rising again would tell anew each time. Its channel goes along,
    // so that those who were alarmed hear of the end.
    let is_worse = finding.severity >= alert.severity;
    let severity = alert.severity.max(finding.severity);
    let channel = if is_worse {
        &finding.channel
    } else {
        &alert.channel
    };
    update_alert(
        session,
        alert.id,
        &finding.condition.shop,
        severity.as_str(),
        channel,
        &finding.title,
        &fields_json(&finding.fields),
        steps(finding),
        kind.is_some(),
    )?;
    if let Some(kind) = kind {
        let context = format!(
            "Open since {} ({} ago) · found in {}",
            moment(alert.opened_at),
            span(db::clock() - alert.opened_at),
            runs(alert.occurrences + 1)
        );
        // As bad as it was at its worst, and where that was told.
        let finding = Finding {
            severity,
            channel: channel.clone(),
            ..finding.clone()
        };
        message::tell(session, alert.id, kind, &finding, &context)?;
    }
    Ok(kind)
}

fn steps(finding: &Finding) -> Vec<&str> {
    finding.next.iter().map(String::as_str).collect()
}

/// `now`: how what it was about stands now; `None` where nobody looks at that any more.
fn resolve(session: &Session, alert: &Open, now: Option<&Finding>) -> Result<()> {
    close_alert(session, alert.id)?;
    let title = format!("Resolved: {}", alert.title);
    let (fields, as_of) = match now {
        Some(finding) => (&finding.fields, "as of now"),
        None => (&alert.fields, "when it was last found"),
    };
    let context = format!(
        "Figures {as_of} · lasted {}, from {} to {} · found in {}",
        span(db::clock() - alert.opened_at),
        moment(alert.opened_at),
        moment(db::clock()),
        runs(alert.occurrences)
    );
    let message = AlertMessage {
        severity: alert.severity.as_str(),
        title: &title,
        fields,
        context: &context,
        next: &[],
        is_resolved: true,
    };
    let shop = &alert.condition.shop;
    message::post(session, alert.id, "resolved", &alert.channel, shop, &message)
}

fn runs(count: i32) -> String {
    format!("{count} {}", if count == 1 { "run" } else { "runs" })
}

/// A length of time for people, given in microseconds.
fn span(micros: i64) -> String {
    match micros.max(0) / 60_000_000 {
        0 => "less than a minute".to_owned(),
        minutes @ ..120 => format!("{minutes} min"),
        minutes @ ..2_880 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / 1_440),
    }
}

/// A time for people.
fn moment(micros: i64) -> String {
    const EPOCH_2000: i64 = 946_684_800_000_000;
    let time = chrono::DateTime::from_timestamp_micros(micros.saturating_add(EPOCH_2000));
    time.map_or_else(
        || "?".into(),
        |time| time.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::threshold::Threshold;

    const HOUR: i64 = 3_600_000_000;

    fn finding(severity: Severity) -> Finding {
        let threshold = Threshold {
            condition: "c".into(),
            severity,
            channel: "#ops-alerts".into(),
            value: 1.0,
            lookback: None,
            repeat_after: HOUR,
        };
        Finding::new("c", &threshold, "T")
    }

    fn open(severity: Severity, has_pending_message: bool) -> Open {
        Open {
            id: [0; 16],
            condition: Condition::new("c", ""),
            severity,
            channel: "#ops-alerts".into(),
            title: "T".into(),
            fields: vec![],
            occurrences: 1,
            opened_at: 0,
            last_notified_at: 0,
            has_pending_message,
        }
    }

    #[test]
    fn an_open_alert_is_silent_until_it_gets_worse_or_its_time_has_come() {
        use Severity::{Critical, Warning};
        let kind = |alert, found, now, pending| due(&open(alert, pending), &finding(found), now);
        assert_eq!(kind(Warning, Warning, HOUR - 1, false), None);
        assert_eq!(kind(Warning, Warning, HOUR, false), Some("repeated"));
        assert_eq!(kind(Warning, Warning, 9 * HOUR, true), None);
        assert_eq!(kind(Warning, Critical, 1, true), Some("escalated"));
        assert_eq!(kind(Critical, Warning, 1, false), None);
        assert_eq!(kind(Critical, Critical, 1, false), None);
    }

    #[test]
    fn an_alert_of_no_shop_is_taken_over_by_the_first_shop_that_has_the_same() {
        let alert = |id, shop: &str| Open {
            id: [id; 16],
            condition: Condition::new("c", shop),
            ..open(Severity::Warning, false)
        };
        let found = |shop: &str| Finding {
            condition: Condition::new("c", shop),
            ..finding(Severity::Warning)
        };
        let known = |findings: &[Finding], open: &[Open]| -> Vec<Option<u8>> {
            let findings: Vec<&Finding> = findings.iter().collect();
            let alerts = alerts_of(&findings, open);
            alerts
                .into_iter()
                .map(|alert| alert.map(|alert| alert.id[0]))
                .collect()
        };
        let before = [alert(1, "")];
        assert_eq!(known(&[found("eu"), found("uk")], &before), [Some(1), None]);
        assert_eq!(known(&[found("eu"), found("")], &before), [None, Some(1)]);
        assert_eq!(
            known(&[found("eu"), found("uk")], &[alert(1, ""), alert(2, "eu")]),
            [Some(2), Some(1)]
        );
        assert_eq!(known(&[found("")], &[alert(1, "eu")]), [None]);
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(moment(0), "2000-01-01 00:00 UTC");
        let minute = 60_000_000;
        let spans = [59_000_000, 4 * minute, 150 * minute, 3_000 * minute].map(span);
        assert_eq!(spans, ["less than a minute", "4 min", "2 h", "2 days"]);
    }
}
