//! Processing: webhooks become orders, once and in any order; what fails is tried again.

mod concurrency;
mod convergence;
mod faults;
mod lost_races;
mod no_shop_yet;
mod ord_statements;
mod permutations;
mod redelivery;
mod retry;
mod shops;
mod worker;
