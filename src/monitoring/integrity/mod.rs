//! What is wrong with the tables themselves, by the catalogs: webhooks may be refused while every monitor runs well.
//!
//! - [`definitions`]: what is defined otherwise than `setup()` has defined it
//! - [`structure`]: who may not or may too much, what is forced or read-only, what was dropped or switched off

pub mod definitions;
mod functions;
pub mod structure;
