//! Monitoring: the system watches itself and tells people.
//!
//! - [`checks`]: what is looked at, one file each; [`report`]: thresholds and what a check answers. Pure where it judges
//! - [`invoke`]: a run, written down; its findings become alerts
//! - [`health`], [`dashboard`], [`metrics`]: one look at the whole, for a person, for a wall, for Prometheus

pub mod checks;
mod dashboard;
pub mod health;
mod invoke;
mod metrics;
mod report;
