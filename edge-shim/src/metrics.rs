//! What Prometheus may read. Every label has few values: routes and providers come from the registry, reasons and classes from closed
//! lists.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::connection::End;
use crate::providers::REGISTRY;
use crate::store::Condition;

/// The label of every path that is not a route.
pub const OTHER_ROUTE: &str = "other";

/// All counters, gauges and histograms of the program.
pub struct Metrics {
    registry: Registry,
    /// Requests answered, by route and status.
    pub requests: IntCounterVec,
    /// Seconds from a request's headers to its answer, by route.
    pub request_duration: HistogramVec,
    /// Requests being served now.
    pub in_flight: IntGauge,
    /// Webhooks refused, by provider and reason.
    pub rejected: IntCounterVec,
    /// Webhooks waiting to be stored.
    pub queue_depth: IntGauge,
    /// Webhooks in each call to the database.
    pub batch_size: Histogram,
    /// Seconds of each call to the database.
    pub store_duration: Histogram,
    /// Calls to the database that failed, by class.
    pub store_errors: IntCounterVec,
    /// 1 if the last call to the database was answered.
    pub database_up: IntGauge,
    /// 1 for what keeps the database from taking webhooks.
    database_condition: IntGaugeVec,
    /// Log lines dropped because the reader of stdout was too slow.
    pub log_dropped: IntCounter,
    /// Connections that are open.
    pub connections: IntGauge,
    cut: IntCounterVec,
    stored: IntCounterVec,
    duplicates: IntCounterVec,
}

impl Metrics {
    /// Registers everything. Fails only if two metrics share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let made = Maker(&registry);
        register_build_info(&registry)?;
        let metrics = Self::made(&made, registry.clone())?;
        metrics.start_at_zero();
        Ok(metrics)
    }

    fn made(made: &Maker<'_>, registry: Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: made.counters(
                "edge_shim_http_requests_total",
                "Requests answered, by route and status; 499 is a client that went away.",
                &["route", "status"],
            )?,
            request_duration: made.histograms(
                "edge_shim_http_request_duration_seconds",
                "Time from a request's headers to its answer, by route.",
                &["route"],
                SECONDS.to_vec(),
            )?,
            in_flight: made.gauge("edge_shim_http_requests_in_flight", "Requests being served now.")?,
            rejected: made.counters(
                "edge_shim_webhooks_rejected_total",
                "Webhooks that were not answered with 200, by provider and reason.",
                &["provider", "reason"],
            )?,
            stored: made.counters(
                "edge_shim_webhooks_stored_total",
                "Webhooks stored for the first time, by provider.",
                &["provider"],
            )?,
            duplicates: made.counters(
                "edge_shim_webhooks_duplicate_total",
                "Webhooks that the inbox had already, by provider.",
                &["provider"],
            )?,
            queue_depth: made.gauge("edge_shim_store_queue_depth", "Webhooks waiting to be stored.")?,
            batch_size: made.histogram(
                "edge_shim_store_batch_webhooks",
                "Webhooks in each call to the database.",
                WEBHOOKS.to_vec(),
            )?,
            store_duration: made.histogram(
                "edge_shim_store_duration_seconds",
                "Time of each call to the database, waiting for a connection included.",
                SECONDS.to_vec(),
            )?,
            store_errors: made.counters(
                "edge_shim_store_errors_total",
                "Calls to the database that failed, by class.",
                &["class"],
            )?,
            database_up: made.gauge(
                "edge_shim_database_up",
                "1 if the last call to the database was answered, 0 before the first and after a failure.",
            )?,
            database_condition: made.gauges(
                "edge_shim_database_condition",
                "1 for what keeps the database from taking webhooks, a word of /readyz; all 0 while it takes them.",
                &["condition"],
            )?,
            log_dropped: made.counter(
                "edge_shim_log_lines_dropped_total",
                "Log lines dropped because the reader of stdout was too slow.",
            )?,
            connections: made.gauge(
                "edge_shim_connections_open",
                "Connections of clients that are open.",
            )?,
            cut: made.counters(
                "edge_shim_connections_cut_total",
                "Connections that were closed on their client, by reason.",
                &["reason"],
            )?,
            registry,
        })
    }

    /// Counts one stored webhook.
    pub fn stored(&self, provider: &str, duplicate: bool) {
        let counter = if duplicate { &self.duplicates } else { &self.stored };
        counter.with_label_values(&[provider]).inc();
    }

    /// Notes whether the database takes webhooks, and if not, why.
    pub fn database(&self, hindrance: Option<Condition>) {
        self.database_up.set(i64::from(hindrance.is_none()));
        let word = hindrance.map(Condition::word);
        for condition in Condition::ALL {
            let is_it = word == Some(condition.word());
            let gauge = self.database_condition.with_label_values(&[condition.word()]);
            gauge.set(i64::from(is_it));
        }
    }

    /// Counts a connection that did not end by itself.
    pub fn connection_cut(&self, end: End) {
        if end != End::Over {
            self.cut.with_label_values(&[end.label()]).inc();
        }
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// A counter that appears only with its first event hides that event from `rate()`.
    fn start_at_zero(&self) {
        for provider in REGISTRY {
            self.stored.with_label_values(&[provider.name]);
            self.duplicates.with_label_values(&[provider.name]);
            self.rejected
                .with_label_values(&[provider.name, "signature_wrong"]);
            for route in provider.routes {
                self.requests.with_label_values(&[route.path, "200"]);
                self.request_duration.with_label_values(&[route.path]);
            }
        }
        for end in End::CUT {
            self.cut.with_label_values(&[end.label()]);
        }
        for condition in Condition::ALL {
            self.database_condition.with_label_values(&[condition.word()]);
        }
        for class in ["unavailable", "contended", "rejected"] {
            self.store_errors.with_label_values(&[class]);
        }
    }
}

/// Bounds of the buckets for times.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds of the buckets for sizes of batches.
const WEBHOOKS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The version, as a label of a figure that never changes.
fn register_build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let build_info = IntGaugeVec::new(
        Opts::new("edge_shim_build_info", "Always 1; the version is in the label."),
        &["version"],
    )?;
    registry.register(Box::new(build_info.clone()))?;
    build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let metric = IntCounter::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let metric = IntGauge::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> Result<Histogram, prometheus::Error> {
        let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: Vec<f64>,
    ) -> Result<HistogramVec, prometheus::Error> {
        let metric = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
