//! Monitoring: the system watches itself and tells people.
//!
//! - [`checks`]: what is looked at, one file each; [`report`]: thresholds and what a check answers. Pure where it judges
//! - [`advice`]: what to do about what is found, statement by statement
//! - [`invoke`]: a run, written down; its findings become alerts. [`cut_off`]: one that could not write itself down
//! - [`integrity`]: what is wrong with the tables themselves, by the catalogs; [`fault`]: what a fault is, [`fold`]:
//!   its statements as few
//! - [`sight`]: asking one question after the other, whatever is locked or slow; [`locks`]: who holds what
//! - [`server`]: what is wrong with the server beneath: disks, connections
//! - [`metrics`]: the figures for Prometheus; [`shop_labels`]: which shops they tell apart

pub mod advice;
pub mod checks;
pub mod cut_off;
mod fault;
mod fold;
pub mod integrity;
mod invoke;
pub mod locks;
mod metrics;
mod report;
pub mod server;
mod shop_labels;
pub mod sight;

pub use fault::{Fault, FaultRow};
pub use fold::MOST_STATEMENTS;
#[cfg(test)]
pub use report::Reading;
pub use report::Report;
pub use sight::Sight;
