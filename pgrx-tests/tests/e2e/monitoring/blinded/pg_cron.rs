//! pg_cron stands still, and the worker says so: pg_cron itself starts the monitors.

use std::time::Duration;

use super::*;
use crate::drills::incidents::report;
use raw_ops_e2e::wait_for;

/// pg_cron knows minutes only.
const MINUTES: Duration = Duration::from_secs(420);

/// Late is late, without the minutes of grace.
const NO_GRACE: &str =
    "UPDATE raw_ops.monitor_thresholds SET threshold = 0 WHERE condition = 'pg_cron_stopped'";

async fn alert(client: &Client, state: &str) -> Value {
    let sql = format!(
        "SELECT to_jsonb(a) FROM raw_ops.alerts a WHERE condition = 'pg_cron_stopped' AND state = '{state}'"
    );
    wait_for(
        MINUTES,
        &format!("the alert about pg_cron to be {state}"),
        async || column::<Value>(client, &sql).await.pop(),
    )
    .await
    .unwrap()
}

/// Once the drain has been started, schedules a job that runs for long; waits until it has.
async fn nightly_report(superuser: &Client) {
    let started = "SELECT count(*) > 0 FROM cron.job_run_details JOIN cron.job USING (jobid)
                    WHERE jobname = 'raw-ops-drain' AND start_time IS NOT NULL";
    wait_until(MINUTES, "the drain to be started", async || {
        one::<bool>(superuser, started).await
    })
    .await
    .unwrap();
    run(
        superuser,
        "SELECT cron.schedule('nightly report', '* * * * *', 'SELECT pg_sleep(900)')",
    )
    .await;
    let runs = "SELECT count(*) > 0 FROM cron.job_run_details JOIN cron.job USING (jobid)
                 WHERE jobname = 'nightly report' AND end_time IS NULL
                   AND job_pid IN (SELECT pid FROM pg_stat_activity WHERE backend_start < clock_timestamp() - interval '1 minute')";
    wait_until(MINUTES, "the nightly report to have run for long", async || {
        one::<bool>(superuser, runs).await
    })
    .await
    .unwrap();
}

/// As Debian's pg_cron 1.4.2 runs jobs in background workers: one at a time.
#[tokio::test]
async fn one_slow_job_that_holds_up_all_others_is_told_by_the_worker_and_ended_by_what_is_pasted() {
    let options = StackOptions {
        schedule_jobs: true,
        ..StackOptions::for_tests()
    };
    let stack = Stack::start(
        options
            .without_shim()
            .setting("cron.use_background_workers", "on"),
    )
    .await
    .unwrap();
    let (client, superuser) = (
        stack.connect().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    nightly_report(&superuser).await;
    run(&client, NO_GRACE).await;

    let opened = alert(&client, "open").await;
    let told = opened["fields"].to_string();
    assert!(told.contains("the job nightly report of role"), "{told}");
    assert!(told.contains("raw-ops-drain"), "{told}");
    let pid: i32 = one(
        &superuser,
        "SELECT job_pid FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE jobname = 'nightly report' AND end_time IS NULL",
    )
    .await;
    assert!(told.contains(&format!("process {pid}")), "{pid}: {told}");
    let body: Value = one(
        &client,
        "SELECT body FROM raw_ops.alert_messages WHERE kind = 'opened' AND title LIKE 'pg_cron%'",
    )
    .await;
    assert!(body.to_string().contains("pg_terminate_backend"), "{body}");

    // Whoever made it takes it away; what runs is ended by what health prints.
    run(&superuser, "SELECT cron.unschedule('nightly report')").await;
    let found = health(&client).await;
    let fault = found["faults"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fault| fault["what"] == "pg_cron_stopped");
    let fault = fault.unwrap_or_else(|| panic!("{found}"));
    let mut pasted = Vec::new();
    for statement in fault["next"].as_array().unwrap() {
        run(&superuser, statement.as_str().unwrap()).await;
        pasted.push(statement.as_str().unwrap().to_owned());
    }
    report(3, &pasted);
    let closed = alert(&client, "resolved").await;
    assert_eq!(closed["id"], opened["id"]);
    assert_eq!(problems(&health(&client).await, "pg_cron_stopped"), "");
}
