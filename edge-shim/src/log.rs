//! One JSON line per request on stdout, written by a thread of its own: a slow reader of stdout must not slow down the webhooks. Lines
//! that find the buffer full are dropped and counted.

use std::io::{BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::IntCounter;
use serde::Serialize;

/// Lines that may wait to be written.
const BUFFERED_LINES: usize = 8192;
/// The thread rests this long after writing, so that a busy program does not wake it for each line.
const REST: Duration = Duration::from_millis(5);
/// Characters of one field that came from outside.
const LONGEST_FIELD: usize = 300;

/// The handle that writes lines. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Message>,
    dropped: IntCounter,
}

enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

/// One request, as the log shows it. It holds no body, no secret and no signature.
#[derive(Debug, Default, Serialize)]
pub struct RequestLine {
    /// Time of the request, RFC 3339 in UTC.
    pub ts: String,
    /// `info`, or `error` for answers from 500.
    pub level: &'static str,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The answer's status; 499 is a client that went away.
    pub status: u16,
    /// Milliseconds until the answer.
    pub duration_ms: f64,
    /// The client's address.
    pub client_ip: Option<String>,
    /// What is known of the webhook.
    #[serde(flatten)]
    pub note: Note,
}

/// What handling a webhook found out about it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Note {
    /// The provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'static str>,
    /// The kind of event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The provider's id of the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The shop that it is proved to be of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_domain: Option<String>,
    /// The body's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// The id of the inbox row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<String>,
    /// True for a repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the operator can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Log {
    /// Starts the writing thread. Fails if no thread can be started.
    pub fn start(output: impl Write + Send + 'static, dropped: IntCounter) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(BUFFERED_LINES);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&waiting, output))?;
        Ok(Self { lines, dropped })
    }

    /// Writes one line; never waits.
    pub fn line(&self, line: &impl Serialize) {
        let Ok(text) = serde_json::to_string(line) else {
            self.dropped.inc();
            return;
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(text))
        {
            self.dropped.inc();
        }
    }

    /// Writes a line about the program itself.
    pub fn event(&self, event: &str, detail: serde_json::Value) {
        self.line(&serde_json::json!({
            "ts": timestamp(SystemTime::now()), "level": "info", "event": event, "detail": detail,
        }));
    }

    /// Waits, at most `limit`, until everything written so far is out. Blocks the thread.
    pub fn flush(&self, limit: Duration) {
        let (done, finished) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // Out of time or the writer is gone: there is nothing more to do for these lines.
            let _ = finished.recv_timeout(limit);
        }
    }
}

/// Shortens text that came from outside: a log line stays readable whatever a client sends.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_FIELD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(time: SystemTime) -> String {
    const DAY: u64 = 86_400;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil_date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since.subsec_millis()
    )
}

/// Days since 1970-01-01 as year, month, day. <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil_date(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn write_lines(waiting: &Receiver<Message>, output: impl Write) {
    let mut output = BufWriter::with_capacity(1 << 16, output);
    while let Ok(first) = waiting.recv() {
        write_message(&mut output, first);
        while let Ok(next) = waiting.try_recv() {
            write_message(&mut output, next);
        }
        // stdout may be closed; webhooks are taken in all the same.
        let _ = output.flush();
        thread::sleep(REST);
    }
}

fn write_message(output: &mut impl Write, message: Message) {
    match message {
        Message::Line(line) => {
            let _ = writeln!(output, "{line}");
        }
        Message::Flush(done) => {
            let _ = output.flush();
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_rfc_3339() {
        let at = |millis| timestamp(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_735_689_599_001), "2024-12-31T23:59:59.001Z");
    }

    #[test]
    fn long_fields_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(400)).chars().count(), LONGEST_FIELD + 1);
    }
}
