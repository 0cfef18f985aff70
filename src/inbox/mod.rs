//! The inbox: webhooks in ([`receive`], [`store`]), processed in sets ([`drain`]), tried again ([`retry`]), settled by hand
//! ([`resolve`]). [`status`] guards the state machine, [`counters`] count for good.

mod blame;
mod capture;
mod claim;
pub mod counters;
mod crash;
pub mod drain;
mod process;
mod receive;
mod record;
mod resolve;
pub mod retry;
mod status;
mod store;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
