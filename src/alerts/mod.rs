//! Alerts: something is wrong, and people must know. Any room above may raise one; which are open, told, escalated and closed
//! is decided here.
//!
//! - [`finding`]: what is wrong, how bad ([`severity`]), whom to tell; [`threshold`]: from where on, as
//!   `monitor_thresholds` says
//! - [`shops`]: of which shop it is, where there are several
//! - [`lifecycle`]: one open alert per check, condition and shop, opened, repeated, escalated, closed
//! - [`message`]: what is posted about it; [`delivery`]: whether it reached anybody, and the fallback
//! - [`resend`]: the door that sends again what reached nobody

mod delivery;
mod finding;
mod lifecycle;
mod message;
mod resend;
mod severity;
pub mod shops;
mod threshold;

pub use delivery::REQUESTER;
pub use finding::{Condition, Finding};
pub use lifecycle::{Told, follow_findings, open_unless_open};
pub use severity::Severity;
pub use shops::Shops;
pub use threshold::{AllThresholds, Threshold, Thresholds};

type Id = [u8; 16];
