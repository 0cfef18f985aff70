//! Alerts: from what a run found to messages, and from the fate of messages to what a person must know.
//!
//! One open alert per check and condition. It is told when it opens, when it gets worse, again after `repeat_after`
//! while it lasts, and once when it is over.

use super::report::{Finding, Report, Severity, fields_json};
use crate::config;
use crate::db::{self, Session, Statement, Value, ids};
use crate::error::Result;
use crate::outbox::receivers::customerio;
use crate::outbox::receivers::slack::{self, AlertMessage};
use crate::outbox::secrets;
use crate::outbox::{self, NewRequest, Outcome, State};
use crate::schedule::Purpose;
use pgrx::pg_sys;
use serde_json::{Value as Json, json};

/// Failed attempts after which the fallback is tried as well.
const FALLBACK_AFTER: i32 = 3;
const TIMEOUT_MS: i32 = 5_000;

thread_local! {
    static OPEN_ALERTS: Statement = const { Statement::new(
        include_str!("../../sql/monitoring/open_alerts.sql"), &[pg_sys::TEXTOID]) };
    static INSERT: Statement = const { Statement::new(
        "insert into raw_ops.alerts (id, check_name, condition, state, severity, channel, title, fields)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
          pg_sys::TEXTOID, pg_sys::JSONBOID]) };
    static SEEN_AGAIN: Statement = const { Statement::new(
        "update raw_ops.alerts
            set occurrences = occurrences + 1, last_seen_at = clock_timestamp(), severity = $2, channel = $3, title = $4,
                fields = $5, last_notified_at = case when $6 then clock_timestamp() else last_notified_at end
          where id = $1",
        &[pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::JSONBOID, pg_sys::BOOLOID]) };
    static RESOLVE: Statement = const { Statement::new(
        "update raw_ops.alerts set state = 'resolved', resolved_at = clock_timestamp(), last_notified_at = clock_timestamp()
          where id = $1", &[pg_sys::UUIDOID]) };
    static SUPERSEDE: Statement = const { Statement::new(
        include_str!("../../sql/monitoring/supersede_messages.sql"), &[pg_sys::UUIDOID]) };
    static INSERT_MESSAGE: Statement = const { Statement::new(
        "insert into raw_ops.alert_messages (id, alert_id, kind, severity, channel, title, body)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &[pg_sys::UUIDOID, pg_sys::UUIDOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID, pg_sys::TEXTOID,
          pg_sys::JSONBOID]) };
    static DELIVERED: Statement = const { Statement::new(
        "update raw_ops.alert_messages
            set delivery = 'delivered', delivered_at = clock_timestamp(),
                reached = case when $2 then 'fallback' else channel end
          where id = $1 and delivery <> 'delivered'", &[pg_sys::UUIDOID, pg_sys::BOOLOID]) };
    static NOT_DELIVERED: Statement = const { Statement::new(
        "update raw_ops.alert_messages as message
            set last_error = $2,
                delivery = case when message.delivery = 'pending' and not exists
                                    (select from raw_ops.http_requests as request
                                      where request.subject_id = message.id and request.state in ('queued', 'sending'))
                                then 'undelivered' else message.delivery end
          where message.id = $1 and message.delivery <> 'delivered'", &[pg_sys::UUIDOID, pg_sys::TEXTOID]) };
    static DISCARD: Statement = const { Statement::new(
        "update raw_ops.alert_messages set delivery = 'discarded', last_error = $2
          where id = any ($1) and delivery in ('pending', 'undelivered')", &[pg_sys::UUIDARRAYOID, pg_sys::TEXTOID]) };
    static MESSAGE: Statement = const { Statement::new(
        "select title, severity, channel, body from raw_ops.alert_messages where id = $1 and delivery = 'pending'",
        &[pg_sys::UUIDOID]) };
    pub(super) static TO_RESEND: Statement = const { Statement::new(
        include_str!("../../sql/monitoring/undelivered_to_resend.sql"), &[]) };
    pub(super) static PENDING_AGAIN: Statement = const { Statement::new(
        "update raw_ops.alert_messages set delivery = 'pending', last_error = null where id = $1", &[pg_sys::UUIDOID]) };
}

/// An alert that is open.
struct Open {
    id: [u8; 16],
    condition: String,
    severity: Severity,
    channel: String,
    title: String,
    fields: Vec<(String, String)>,
    occurrences: i32,
    opened_at: i64,
    last_notified_at: i64,
    has_pending_message: bool,
}

/// Opens, escalates, repeats and closes alerts as a run found things. Returns the kinds of the messages it sent.
pub fn apply(session: &Session, report: &Report) -> Result<Vec<&'static str>> {
    let open = open_alerts(session, report.check)?;
    let mut sent = Vec::new();
    for finding in &report.findings {
        match open.iter().find(|alert| alert.condition == finding.condition) {
            Some(alert) => sent.extend(seen_again(session, alert, finding)?),
            None => sent.push(first_seen(session, report.check, finding)?),
        }
    }
    let is_over = |alert: &&Open| {
        !report
            .findings
            .iter()
            .any(|finding| finding.condition == alert.condition)
            && !report.lasting.contains(&alert.condition)
    };
    for alert in open.iter().filter(is_over) {
        resolve(session, alert)?;
        sent.push("resolved");
    }
    Ok(sent)
}

fn open_alerts(session: &Session, check: &str) -> Result<Vec<Open>> {
    let rows = session.execute(&OPEN_ALERTS, vec![Value::Text(check)])?;
    Ok(rows.map(|row| Open {
        id: row.uuid(1).unwrap_or_default(),
        condition: row.text(2).unwrap_or_default(),
        severity: Severity::of(&row.text(3).unwrap_or_default()),
        channel: row.text(4).unwrap_or_default(),
        title: row.text(5).unwrap_or_default(),
        fields: fields_of(&row.json(6).unwrap_or_default()),
        occurrences: row.int4(7).unwrap_or(1),
        opened_at: row.timestamp(8).unwrap_or(0),
        last_notified_at: row.timestamp(9).unwrap_or(0),
        has_pending_message: row.boolean(10).unwrap_or(false),
    }))
}

fn fields_of(json: &Json) -> Vec<(String, String)> {
    let text = |field: &Json, member: &str| field[member].as_str().unwrap_or_default().to_owned();
    let fields = json.as_array().map(Vec::as_slice).unwrap_or_default();
    fields
        .iter()
        .map(|field| (text(field, "title"), text(field, "value")))
        .collect()
}

fn first_seen(session: &Session, check: &str, finding: &Finding) -> Result<&'static str> {
    let is_info = finding.severity == Severity::Info;
    let (state, kind) = if is_info {
        ("info", "info")
    } else {
        ("open", "opened")
    };
    let id = ids::uuid_v7();
    let fields = fields_json(&finding.fields);
    let values = vec![
        Value::Uuid(id),
        Value::Text(check),
        Value::Text(&finding.condition),
        Value::Text(state),
        Value::Text(finding.severity.as_str()),
        Value::Text(&finding.channel),
        Value::Text(&finding.title),
        Value::Json(&fields),
    ];
    session.execute(&INSERT, values)?;
    let now = moment(db::clock());
    let context = if is_info {
        format!("As of {now}")
    } else {
        format!("Since {now} · {check}")
    };
    tell(session, id, kind, finding, &context)?;
    Ok(kind)
}

/// Opens an alert that something else than a run has found, unless one about the same is open: that one is the monitor's
/// to follow.
pub fn open_unless_open(session: &Session, check: &str, finding: &Finding) -> Result<()> {
    let open = open_alerts(session, check)?;
    if open.iter().all(|alert| alert.condition != finding.condition) {
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
    let fields = fields_json(&finding.fields);
    let values = vec![
        Value::Uuid(alert.id),
        Value::Text(severity.as_str()),
        Value::Text(channel),
        Value::Text(&finding.title),
        Value::Json(&fields),
        Value::Boolean(kind.is_some()),
    ];
    session.execute(&SEEN_AGAIN, values)?;
    if let Some(kind) = kind {
        let context = format!(
            "Since {} · found {} times",
            moment(alert.opened_at),
            alert.occurrences + 1
        );
        tell(session, alert.id, kind, finding, &context)?;
    }
    Ok(kind)
}

fn resolve(session: &Session, alert: &Open) -> Result<()> {
    session.execute(&RESOLVE, vec![Value::Uuid(alert.id)])?;
    let title = format!("Resolved: {}", alert.title);
    let context = format!(
        "Open from {} to {} · {}, last as above",
        moment(alert.opened_at),
        moment(db::clock()),
        runs(alert.occurrences)
    );
    let message = AlertMessage {
        severity: alert.severity.as_str(),
        title: &title,
        fields: &alert.fields,
        context: &context,
        next_step: None,
        is_resolved: true,
    };
    post(session, alert.id, "resolved", &alert.channel, &message)
}

fn tell(
    session: &Session,
    alert: [u8; 16],
    kind: &'static str,
    finding: &Finding,
    context: &str,
) -> Result<()> {
    let message = AlertMessage {
        severity: finding.severity.as_str(),
        title: &finding.title,
        fields: &finding.fields,
        context,
        next_step: Some(finding.next_step.as_str()).filter(|step| !step.is_empty()),
        is_resolved: false,
    };
    post(session, alert, kind, &finding.channel, &message)
}

/// Writes a message and queues it; an earlier one about the same alert that is still on its way is not sent any more.
fn post(
    session: &Session,
    alert: [u8; 16],
    kind: &str,
    channel: &str,
    message: &AlertMessage<'_>,
) -> Result<()> {
    session.execute(&SUPERSEDE, vec![Value::Uuid(alert)])?;
    let (id, body) = (ids::uuid_v7(), slack::message_body(message));
    let values = vec![
        Value::Uuid(id),
        Value::Uuid(alert),
        Value::Text(kind),
        Value::Text(message.severity),
        Value::Text(channel),
        Value::Text(message.title),
        Value::Json(&body),
    ];
    session.execute(&INSERT_MESSAGE, values)?;
    queue(session, id, channel, &body)
}

/// Queues a message for its channel under a key of its own.
pub(super) fn queue(session: &Session, message: [u8; 16], channel: &str, body: &Json) -> Result<()> {
    let key = format!("alert-{}", pgrx::Uuid::from_bytes(ids::uuid_v7()));
    outbox::enqueue_requests(
        session,
        &[request(message, slack::destination(channel), None, body, &key)],
    )
}

fn request<'a>(
    message: [u8; 16],
    destination: &'a str,
    path: Option<&'a str>,
    body: &'a Json,
    key: &'a str,
) -> NewRequest<'a> {
    NewRequest {
        purpose: Purpose::Alert,
        subject: message,
        destination,
        url: None,
        path,
        headers: json!({}),
        body,
        idempotency_key: key,
        attempt: 1,
        timeout_ms: TIMEOUT_MS,
    }
}

/// Hears what became of attempts.
pub fn settle(session: &Session, settled: &[&Outcome]) -> Result<()> {
    for attempt in settled {
        match attempt.state {
            State::Succeeded => delivered(session, attempt)?,
            State::Failed | State::Abandoned => not_delivered(session, attempt)?,
        }
    }
    Ok(())
}

/// Messages whose requests somebody has taken back reach nobody, and are not to.
pub fn discard(session: &Session, messages: Vec<[u8; 16]>, why: &str) -> Result<()> {
    if !messages.is_empty() {
        session.execute(&DISCARD, vec![Value::UuidArray(messages), Value::Text(why)])?;
    }
    Ok(())
}

fn is_fallback(destination: &str) -> bool {
    matches!(destination, slack::FALLBACK | customerio::DESTINATION)
}

fn delivered(session: &Session, attempt: &Outcome) -> Result<()> {
    let by_fallback = Value::Boolean(is_fallback(&attempt.destination));
    session.execute(&DELIVERED, vec![Value::Uuid(attempt.subject), by_fallback])?;
    outbox::cancel_requests(
        session,
        attempt.subject,
        "not needed: the message has been delivered",
    )
}

fn not_delivered(session: &Session, attempt: &Outcome) -> Result<()> {
    let is_over = attempt.state == State::Abandoned;
    if !is_fallback(&attempt.destination) && (is_over || attempt.attempt >= FALLBACK_AFTER) {
        try_fallback(session, attempt.subject)?;
    }
    let error = attempt.error.as_deref().unwrap_or("no reason recorded");
    let shown = format!("{}: {error}", attempt.destination);
    session.execute(
        &NOT_DELIVERED,
        vec![Value::Uuid(attempt.subject), Value::Text(&shown)],
    )?;
    Ok(())
}

/// The second URL, else Customer.io, where either is set up. Asked again it does nothing: the key is the message's own.
fn try_fallback(session: &Session, message: [u8; 16]) -> Result<()> {
    let found = session
        .execute(&MESSAGE, vec![Value::Uuid(message)])?
        .first(|row| {
            let text = |column| row.text(column).unwrap_or_default();
            (text(1), text(2), text(3), row.json(4).unwrap_or_default())
        });
    let Some((title, severity, channel, body)) = found else {
        return Ok(());
    };
    let key = format!("alert-fallback-{}", pgrx::Uuid::from_bytes(message));
    if secrets::is_set(session, slack::FALLBACK)? {
        return outbox::enqueue_requests(session, &[request(message, slack::FALLBACK, None, &body, &key)]);
    }
    let Some(address) = config::alert_email() else {
        return Ok(());
    };
    let data = json!({"title": title, "severity": severity, "channel": channel, "text": body["text"]});
    let event = customerio::event("ops_alert", message, &data);
    let path = customerio::events_path(&address);
    outbox::enqueue_requests(
        session,
        &[request(
            message,
            customerio::DESTINATION,
            Some(&path),
            &event,
            &key,
        )],
    )
}

fn runs(count: i32) -> String {
    format!("found in {count} {}", if count == 1 { "run" } else { "runs" })
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
    use crate::monitoring::report::tests::row;

    const HOUR: i64 = 3_600_000_000;

    fn finding(severity: Severity) -> Finding {
        Finding::new("c", &row("c", severity, "#ops-alerts", 1.0), "T")
    }

    fn open(severity: Severity, has_pending_message: bool) -> Open {
        Open {
            id: [0; 16],
            condition: "c".into(),
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
    fn times_are_written_for_people() {
        assert_eq!(moment(0), "2000-01-01 00:00 UTC");
    }
}
