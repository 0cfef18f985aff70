//! The state that handlers share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::body::BodyLimits;
use crate::config::Config;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::places::Places;
use crate::store::Store;

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where webhooks go.
    pub store: Store,
    /// What Prometheus reads.
    pub metrics: Arc<Metrics>,
    /// Where request lines go.
    pub log: Log,
    /// Limits for bodies.
    pub bodies: Arc<BodyLimits>,
    /// One for each webhook request that may be served at once.
    pub requests: Arc<Places>,
}

impl App {
    /// Puts the parts together.
    pub fn new(config: Arc<Config>, store: Store, metrics: Arc<Metrics>, log: Log) -> Self {
        let bodies = Arc::new(BodyLimits {
            max_bytes: config.max_body_bytes,
            max_time: config.body_time,
            min_rate: config.min_body_rate,
            budget: Arc::new(Semaphore::new(
                config.max_buffered_bytes.min(Semaphore::MAX_PERMITS),
            )),
        });
        let share = config.share_of(config.max_in_flight);
        let requests = Places::new(config.max_in_flight, share);
        Self {
            config,
            store,
            metrics,
            log,
            bodies,
            requests,
        }
    }
}
