//! Drills of pg_cron's jobs: deleted, switched off, moved, altered. Health names each, and one statement brings all back.

use super::drills::drill;
use super::*;
use crate::drills::incidents::report;
use serde_json::json;

fn scheduled() -> StackOptions {
    StackOptions {
        schedule_jobs: true,
        ..by_hand()
    }
}

#[tokio::test]
async fn a_job_that_is_gone_off_moved_or_altered_is_named_and_brought_back() {
    let stack = Stack::start(scheduled().without_shim()).await.unwrap();
    let schedule = "SELECT raw_ops.fn_schedule_jobs_v1();";
    for (told, provoke) in [
        (
            &["not scheduled: raw-ops-drain", schedule][..],
            "DELETE FROM cron.job WHERE jobname = 'raw-ops-drain'",
        ),
        (
            &["raw-ops-deliver is not active"],
            "UPDATE cron.job SET active = false WHERE jobname = 'raw-ops-deliver'",
        ),
        (
            &["monitor-heartbeat is in the database postgres"],
            "UPDATE cron.job SET database = 'postgres' WHERE jobname = 'monitor-heartbeat'",
        ),
        (
            &["retry-failed-webhooks has another command"],
            "UPDATE cron.job SET command = 'SELECT 1' WHERE jobname = 'retry-failed-webhooks'",
        ),
        (
            &["raw-ops-archive has the schedule 0 0 30 2 *"],
            "UPDATE cron.job SET schedule = '0 0 30 2 *' WHERE jobname = 'raw-ops-archive'",
        ),
        (
            &["not scheduled", "is not active", "has another command"],
            "DELETE FROM cron.job WHERE jobname = 'raw-ops-drain';
             UPDATE cron.job SET active = false WHERE jobname LIKE 'monitor%';
             UPDATE cron.job SET command = 'SELECT 1', active = false WHERE jobname = 'raw-ops-housekeeping'",
        ),
    ] {
        let pasted = drill(&stack, ("jobs", told, provoke)).await;
        match told[0] {
            "not scheduled: raw-ops-drain" => report(10, &pasted),
            "raw-ops-deliver is not active" => report(11, &pasted),
            "monitor-heartbeat is in the database postgres" => report(12, &pasted),
            "retry-failed-webhooks has another command" => report(13, &pasted),
            _ => {}
        }
    }
}

/// pg_cron 1.4 keeps `database` and `active` when a job is scheduled again under its name.
#[tokio::test]
async fn scheduling_says_what_it_did_and_leaves_what_is_right_with_its_history() {
    let stack = Stack::start(scheduled().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let ids = "SELECT jsonb_object_agg(jobname, jobid) FROM cron.job WHERE jobname NOT IN ('raw-ops-drain', 'raw-ops-deliver')";
    let before: Value = one(&superuser, ids).await;
    run(
        &superuser,
        "UPDATE cron.job SET active = false, database = 'postgres' WHERE jobname = 'raw-ops-drain';
         DELETE FROM cron.job WHERE jobname = 'raw-ops-deliver';
         UPDATE cron.job SET command = E'\\n  ' || command || E'  \\n' WHERE jobname = 'raw-ops-archive'",
    )
    .await;
    let owner = stack.connect().await.unwrap();
    let said: Value = one(&owner, "SELECT raw_ops.fn_schedule_jobs_v1()").await;
    let of = |name: &str| {
        let mut jobs = said["scheduled"].as_array().unwrap().iter();
        let job = jobs.find(|job| job["jobname"] == name).unwrap();
        json!([job["done"], job["mended"]])
    };
    let moved = "it was not active and was in the database postgres";
    assert_eq!(of("raw-ops-drain"), json!(["mended", moved]), "{said}");
    assert_eq!(of("raw-ops-deliver"), json!(["created", null]), "{said}");
    assert_eq!(of("raw-ops-archive"), json!(["unchanged", null]), "{said}");
    assert_eq!(one::<Value>(&superuser, ids).await, before, "the same jobs");
    let wrong: i64 = one(
        &superuser,
        "SELECT count(*) FROM cron.job WHERE NOT active OR database <> 'shop' OR username <> 'shop_owner'",
    )
    .await;
    assert_eq!(wrong, 0);
}
