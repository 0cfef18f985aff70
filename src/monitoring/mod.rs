//! Monitoring: the system watches itself and tells people.
//!
//! - [`checks`]: what is looked at, one file each; [`report`]: thresholds and what a check answers. Pure where it judges
//! - [`invoke`]: a run, written down; its findings become alerts
//! - [`integrity`]: what is wrong with the tables themselves, by the catalogs; [`fault`]: what a fault is, [`fold`]:
//!   its statements as few
//! - [`server`]: what is wrong with the server beneath: disks, connections
//! - [`metrics`]: the figures for Prometheus; [`shop_labels`]: which shops they tell apart

pub mod checks;
mod fault;
mod fold;
pub mod integrity;
mod invoke;
mod metrics;
mod report;
pub mod server;
mod shop_labels;

pub use fault::{Fault, FaultRow};
pub use fold::MOST_STATEMENTS;
