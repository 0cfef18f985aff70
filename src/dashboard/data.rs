//! What the page shows, as plain data.

use crate::alerts::{AllThresholds, Severity};
use crate::db::result_row;
use crate::monitoring::Fault;
use crate::monitoring::sight::Unread;

/// Of an indicator, an alert, a thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There is nothing to judge by.
    Unknown,
    Healthy,
    Warning,
    Critical,
}

impl From<Severity> for State {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Healthy,
        }
    }
}

/// Everything on the page, as of one moment.
pub struct Data {
    /// From where on something is wrong.
    pub limits: AllThresholds,
    pub moment: Moment,
    /// Microseconds since 2000-01-01 UTC.
    pub now: i64,
    /// Its name, for people.
    pub server: String,
    /// The worst of health's faults; `Unknown` where there are none and nothing has come yet.
    pub overall: State,
    /// As `fn_health_v1()` has them, without what only informs.
    pub faults: Vec<Fault>,
    pub indicators: Vec<Indicator>,
    pub trends: Trends,
    /// Each full hour of the last 7 days, and now.
    pub queue_depth: Vec<QueueDepth>,
    pub error_categories: Vec<ErrorCategory>,
    pub retries: Retries,
    pub oldest: Oldest,
    /// Those that are shown one by one; none where there are not several.
    pub shops: Vec<Shop>,
    pub alerts: Vec<Alert>,
    pub undelivered: Vec<Undelivered>,
    pub outbox: Vec<Outbox>,
    pub courier: Courier,
    /// What of all this could not be read: it is nothing or zero here, and must not be shown as such.
    pub unread: Vec<Unread>,
}

/// When the page was made, and what is told beside the charts.
pub struct Moment {
    /// In UTC.
    pub made_at: String,
    pub database: String,
    pub is_replica: bool,
    /// Order webhooks received in the last 30 days that a person has settled and whose order is not here.
    pub settled_without_order: i64,
    pub open_alerts: i64,
    pub undelivered_alerts: i64,
    /// Since any monitor has run.
    pub seconds_since_monitor: Option<i64>,
}

/// A row of the view `health_indicators`.
pub struct Indicator {
    pub name: String,
    pub value: Option<f64>,
    pub state: State,
    pub healthy: String,
    pub warning: String,
    pub critical: String,
}

/// Day by day, the oldest first: of all webhooks, or of one shop's.
#[derive(Default)]
pub struct Trends {
    pub success_rate: Vec<SuccessDay>,
    pub dead_letters: Vec<DeadLetterDay>,
    pub latency: Vec<LatencyDay>,
    pub volume: Vec<VolumeDay>,
}

impl Trends {
    /// Whether any webhook came within the time the charts show.
    pub fn has_webhooks(&self) -> bool {
        self.volume.iter().any(|day| day.received > 0)
    }
}

/// A shop that the page shows by itself.
pub struct Shop {
    pub figures: ShopFigures,
    pub trends: Trends,
}

result_row! {
    pub struct ShopFigures {
        /// Empty: webhooks that name no shop.
        pub shop_domain: String,
        /// Empty: it has none.
        pub name: String,
        /// Of the last 24 hours.
        pub received: i64,
        pub success_rate: Option<f64>,
        pub new_dead_letters: i64,
        /// Now.
        pub waiting: i64,
        pub oldest_seconds: i64,
        /// How many shops there are to show, this one included.
        pub shops: i64,
    }
}

result_row! {
    pub struct SuccessDay {
        pub day: String,
        pub rate: Option<f64>,
        pub rolling_rate: Option<f64>,
    }
}

result_row! {
    pub struct QueueDepth {
        pub at: String,
        pub depth: i64,
    }
}

result_row! {
    pub struct DeadLetterDay {
        pub day: String,
        pub open: i64,
        pub settled: i64,
    }
}

result_row! {
    pub struct LatencyDay {
        pub day: String,
        pub p95_ms: Option<f64>,
    }
}

pub struct ErrorCategory {
    pub name: String,
    pub webhooks: i64,
    pub share: f64,
}

/// Webhooks whose first attempt failed, by what became of them.
#[derive(Default)]
pub struct Retries {
    pub succeeded: i64,
    pub dead: i64,
    pub waiting: i64,
}

#[derive(Default)]
pub struct Oldest {
    pub seconds: i64,
    pub webhooks_waiting: i64,
    pub topic: Option<String>,
    pub status: Option<String>,
    /// Above this the monitor warns; none when an operator switched the threshold off.
    pub threshold_minutes: Option<f64>,
}

result_row! {
    pub struct VolumeDay {
        pub day: String,
        pub received: i64,
    }
}

result_row! {
    pub struct Alert {
        pub severity: String,
        pub title: String,
        /// The fields of its message, in one line.
        pub details: String,
        pub check: String,
        pub condition: String,
        pub channel: String,
        pub occurrences: i64,
        pub seconds_open: i64,
    }
}

result_row! {
    pub struct Undelivered {
        pub severity: String,
        pub title: String,
        pub channel: String,
        pub error: String,
        pub attempts: i64,
        pub seconds_old: i64,
        /// None: no attempt is left.
        pub seconds_to_next: Option<i64>,
    }
}

result_row! {
    /// Outgoing requests of one purpose.
    pub struct Outbox {
        pub purpose: String,
        pub queued: i64,
        pub sending: i64,
        pub succeeded: i64,
        pub failed: i64,
        pub abandoned: i64,
        /// How long the oldest queued request has been due.
        pub seconds_overdue: Option<i64>,
    }
}

/// Notifications to customers of the last 30 days, and tasks.
#[derive(Default)]
pub struct Courier {
    pub notifications: i64,
    pub sent: i64,
    pub failed: i64,
    pub skipped: i64,
    pub waiting: i64,
    pub success_percent: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub open_tasks: i64,
    /// Those due first.
    pub tasks: Vec<CourierTask>,
    pub types: Vec<CourierType>,
}

result_row! {
    pub struct CourierTask {
        pub event_type: String,
        pub code: String,
        pub action: String,
        pub tracking_no: String,
        pub order_name: String,
        /// Below zero: overdue.
        pub seconds_left: i64,
    }
}

result_row! {
    /// Events of one type.
    pub struct CourierType {
        pub event_type: String,
        pub events: i64,
        pub told: i64,
    }
}

impl Data {
    /// Whether any webhook came within the time the charts show, or that could not be read.
    pub fn has_webhooks(&self) -> bool {
        self.trends.has_webhooks() || self.is_unread(&["volume"])
    }

    /// Whether one of these could not be read.
    pub fn is_unread(&self, names: &[&str]) -> bool {
        self.why_unread(names).is_some()
    }

    /// Why the first of these that could not be read was not.
    pub fn why_unread(&self, names: &[&str]) -> Option<String> {
        let one = self.unread.iter().find(|one| names.contains(&one.what))?;
        Some(one.why.told())
    }
}
