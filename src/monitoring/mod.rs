//! Monitoring: the system watches itself and tells people.

mod dashboard;
mod metrics;
