//! Monitoring: checks, alerts, health, metrics, the page and the views.

mod alerts;
mod blinded;
mod dashboard;
mod health;
mod metrics;
mod monitors;
mod views;
