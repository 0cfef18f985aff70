//! Every view of SPEC §7, the page made of them and the metrics, at a million rows in the inbox.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use raw_ops_e2e::Cluster;
use raw_ops_e2e::table::Table;
use tokio_postgres::Client;

use super::show;

const WEBHOOKS: i64 = 1_000_000;
const TARGET: Duration = Duration::from_millis(100);
const ROUNDS: usize = 5;

/// $1 webhooks spread evenly over the last $2, as they are after processing: one in 70 was retried, one in 2,000 is a dead
/// letter, the newest hundred wait. Bodies are tiny; no view reads them.
const FILL: &str = include_str!("fill_inbox.sql");

pub struct Timing {
    name: String,
    over_90_days: Duration,
    within_7_days: Duration,
}

/// Times each view on rows spread over 90 days, and on as many that all came within 7 days: the worst for views that look
/// back a week.
pub async fn measure(cluster: &Cluster) -> Result<Vec<Timing>> {
    cluster.create_database("views").await?;
    let client = cluster.connect("views").await?;
    client
        .batch_execute("create extension raw_ops; select raw_ops.setup()")
        .await?;
    let names = client
        .query(
            "select 'select * from raw_ops.' || relname from pg_class
              where relnamespace = 'raw_ops'::regnamespace and relkind = 'v'
              order by relname",
            &[],
        )
        .await?;
    let mut statements: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    ensure!(statements.len() >= 16, "views are missing: {statements:?}");
    statements.push("select raw_ops.fn_metrics_v1()".to_owned());
    statements.push("select raw_ops.fn_dashboard_html_v1()".to_owned());

    let mut times = Vec::new();
    for days in ["90 days", "7 days"] {
        eprintln!("  views: filling the inbox with {WEBHOOKS} webhooks of the last {days}");
        client.batch_execute("truncate raw_ops.webhook_inbox").await?;
        client.execute(FILL, &[&WEBHOOKS, &days]).await?;
        client
            .batch_execute("vacuum analyze raw_ops.webhook_inbox")
            .await?;
        // As a reader meets it: a session of its own, and compiling (jit) as PostgreSQL ships.
        let reader = cluster.connect("views").await?;
        reader.batch_execute("set jit = on").await?;
        for statement in &statements {
            times.push(time(&reader, statement).await?);
        }
    }
    let (over_90_days, within_7_days) = times.split_at(statements.len());
    Ok(statements
        .iter()
        .zip(over_90_days.iter().zip(within_7_days))
        .map(|(statement, (over_90_days, within_7_days))| Timing {
            name: statement.rsplit('.').next().unwrap_or_default().to_owned(),
            over_90_days: *over_90_days,
            within_7_days: *within_7_days,
        })
        .collect())
}

/// The median; the first run, which reads from disk and fills caches, is not counted.
async fn time(client: &Client, statement: &str) -> Result<Duration> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let start = Instant::now();
        client.batch_execute(statement).await?;
        if round > 0 {
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2])
}

pub fn report(timings: &[Timing]) {
    println!("\nViews, {WEBHOOKS} webhooks in the inbox, milliseconds");
    let mut table = Table::new(&["", "", ">over 90 days", ">all in 7 days", ""]);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    for timing in timings {
        // The page asks all the questions at once; it has no target of its own.
        let has_target = timing.name != "fn_dashboard_html_v1()";
        let sign = match (has_target, timing.over_90_days <= TARGET) {
            (false, _) => ' ',
            (true, true) => '✓',
            (true, false) => '✗',
        };
        let target = if has_target {
            format!("target < {} ms", TARGET.as_millis())
        } else {
            String::new()
        };
        table.row([
            sign.to_string(),
            timing.name.to_string(),
            format!("{:.1}", ms(timing.over_90_days)),
            format!("{:.1}", ms(timing.within_7_days)),
            target,
        ]);
    }
    show(&table);
}
