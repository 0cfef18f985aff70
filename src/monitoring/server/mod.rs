//! What is wrong with the server that the tables stand on, by figures that any check may ask for: [`disk`], [`connections`]. Each
//! is told with the limits of `monitor_thresholds` that it is given.

/// What these compare with, in `monitor_thresholds`.
pub const LIMITS: &str = "health";

pub mod connections;
pub mod disk;
