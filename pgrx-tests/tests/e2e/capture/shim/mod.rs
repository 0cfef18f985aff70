//! The shim against a hostile world: poolers, databases that take nothing, clients that hold what they can.

mod crowding;
mod large;
mod operations;
mod pooler;
mod readiness;

use std::time::Duration;

use raw_ops_e2e::Shim;
use raw_ops_e2e::http::{Answer, HttpClient};

async fn get(shim: &Shim, path: &str) -> Answer {
    HttpClient::new(Duration::from_secs(10))
        .get(&shim.url(path))
        .await
        .unwrap()
}

/// How many requests have been answered with a status that begins so, over all routes.
async fn answered(shim: &Shim, status: &str) -> u64 {
    let text = get(shim, "/metrics").await.text();
    let counted = text
        .lines()
        .filter(|line| line.starts_with("edge_shim_http_requests_total{"))
        .filter(|line| line.contains(&format!("status=\"{status}")));
    counted
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}
