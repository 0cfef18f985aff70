//! Monitors, customers, processes, copies.

use super::*;
use raw_ops_e2e::Reply;
use raw_ops_e2e::courier::tell_customers_through;
use raw_ops_e2e::receiver::customerio::{Account, CUSTOMERS, refused};

/// pg_cron knows the jobs and starts none.
fn scheduled() -> StackOptions {
    let options = StackOptions {
        schedule_jobs: true,
        ..StackOptions::for_tests()
    };
    options.without_shim().setting("cron.max_running_jobs", 0)
}

#[tokio::test]
async fn a_monitor_has_been_silent_for_two_hours() {
    let mut drill = Drill::begin(14, scheduled()).await;
    run(
        &drill.owner().await,
        "SELECT raw_ops.fn_invoke_monitor(check_name) FROM raw_ops.monitors
          WHERE heartbeat_every IS NOT NULL AND check_name NOT IN ('health', 'health_indicators');
         UPDATE raw_ops.monitors SET scheduled_at = now() - interval '3 hours';
         UPDATE raw_ops.monitoring_runs SET run_at = now() - interval '2 hours' WHERE check_name = 'webhook_health'",
    )
    .await;
    let posted = drill.alarmed("monitoring_heartbeat", "Monitors Do Not Run").await;
    assert!(posted.contains("monitor-webhook-health"), "the one job: {posted}");
    let named = drill.named().await;
    assert!(named.problem().contains("webhook_health"), "{named:?}");
    drill.paste(&named, nobody).await;
    drill.mended().await;
}

#[tokio::test]
async fn a_check_is_cut_off_by_a_statement_timeout() {
    let mut drill = Drill::begin(16, StackOptions::for_tests().without_shim()).await;
    let owner = drill.owner().await;
    run(
        &owner,
        "SELECT raw_ops.fn_schedule_jobs_v1(); ALTER VIEW raw_ops.undelivered_alerts RENAME TO undelivered_kept;
         CREATE VIEW raw_ops.undelivered_alerts AS SELECT u.* FROM pg_sleep(600) s LEFT JOIN raw_ops.undelivered_kept u ON true;
         UPDATE raw_ops.monitors SET heartbeat_every = '1 hour' WHERE check_name = 'monitoring_heartbeat';
         SET statement_timeout = '300ms'",
    )
    .await;
    let cut = owner
        .batch_execute("SELECT raw_ops.fn_invoke_monitor('monitoring_heartbeat')")
        .await;
    assert!(cut.is_err());
    run(
        &owner,
        "RESET statement_timeout; DROP VIEW raw_ops.undelivered_alerts; ALTER VIEW raw_ops.undelivered_kept RENAME TO undelivered_alerts",
    )
    .await;
    let named = drill.named().await;
    assert!(
        named.problem().contains("statement timeout"),
        "the row is there: {named:?}"
    );
    drill.paste(&named, nobody).await;
    drill.mended().await;
}

const SITE_ID: &str = "site-7f3a";
const API_KEY: &str = "key-91be2c";

/// A stack that tells customers, one of them about an exception.
async fn courier(number: u8, answer: Reply) -> Drill {
    let world = Receiver::start().unwrap();
    let options = StackOptions::for_tests()
        .without_shim()
        .setting("raw_ops.customerio_base_url", world.url(""));
    let drill = Drill::begin_in(number, world, options).await;
    tell_customers_through(&drill.stack, &drill.world, &Account::new(SITE_ID, API_KEY))
        .await
        .unwrap();
    let every = format!("{CUSTOMERS}*");
    drill.world.always(&every, answer);
    let owner = drill.owner().await;
    run(
        &owner,
        "WITH buyer AS (
             INSERT INTO raw_ops.customers (shopify_customer_id, email) VALUES (1, 'a@example.com') RETURNING id
         ), sold AS (
             INSERT INTO raw_ops.orders (shopify_order_id, customer_id) SELECT 1, id FROM buyer RETURNING id
         )
         INSERT INTO raw_ops.shipments (order_id, courier_name, tracking_no) SELECT id, 'DPD', '15501234567890' FROM sold",
    )
    .await;
    let report = "SELECT raw_ops.process_courier_event(id, 'DPD', '01', 'Customer not home', now(), '{\"raw\": true}') FROM raw_ops.shipments";
    run(&owner, report).await;
    drill
}

async fn notifications(owner: &Client) -> Vec<String> {
    column(
        owner,
        "SELECT notification_status FROM raw_ops.ops_events WHERE kind = 'CUSTOMER_EVENT'",
    )
    .await
}

fn customer_io_works(drill: &Drill) {
    let account = Account::new(SITE_ID, API_KEY);
    drill.world.always(&format!("{CUSTOMERS}*"), account.track_api());
}

async fn customer_is_told(owner: &Client) {
    wait_until(LIMIT, "the customer to be told", async || {
        notifications(owner).await == ["sent"]
    })
    .await
    .unwrap();
}

/// What the comments ask a person to do, with the right credentials.
async fn with_credentials(stack: &Stack, note: &str) {
    let statement = match note.split_once("send them again: ") {
        Some((_, statement)) => statement.to_owned(),
        None => note
            .trim_start_matches("-- ")
            .replace("<site ID>", SITE_ID)
            .replace("<API key>", API_KEY),
    };
    run(&stack.connect().await.unwrap(), &statement).await;
}

#[tokio::test]
async fn customer_io_refuses_the_credentials() {
    let mut drill = courier(29, refused(401, "unauthorized")).await;
    let owner = drill.owner().await;
    wait_until(LIMIT, "the notification to fail", async || {
        notifications(&owner).await == ["failed"]
    })
    .await
    .unwrap();
    let named = drill.named().await;
    customer_io_works(&drill);
    drill.paste(&named, with_credentials).await;
    customer_is_told(&owner).await;
    drill.mended().await;
}

#[tokio::test]
async fn customer_io_is_down_for_an_hour() {
    let mut drill = courier(30, Reply::status(500).text("down")).await;
    let owner = drill.owner().await;
    wait_until(LIMIT, "the first attempt", async || {
        let tried =
            "SELECT count(*) FROM raw_ops.http_requests WHERE purpose = 'courier' AND status_code = 500";
        one::<i64>(&owner, tried).await == 1
    })
    .await
    .unwrap();
    run(&owner, "UPDATE raw_ops.ops_events SET created_at = now() - interval '61 minutes' WHERE kind = 'CUSTOMER_EVENT'").await;
    let named = drill.named().await;
    customer_io_works(&drill);
    let printed = drill.paste(&named, nobody).await;
    assert!(
        printed[0].contains("next_retry_at"),
        "when it is tried again: {printed:?}"
    );
    // Its time has come.
    run(
        &owner,
        "UPDATE raw_ops.http_requests SET send_after = now() WHERE state = 'queued'",
    )
    .await;
    customer_is_told(&owner).await;
    drill.mended().await;
}

#[tokio::test]
async fn worker_and_sender_are_terminated() {
    let drill = Drill::begin(31, StackOptions::for_tests().without_shim()).await;
    as_superuser(
        &drill.stack,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'raw_ops%'",
    )
    .await;
    // They start again by themselves.
    wait_until(LIMIT, "both to be there again", async || {
        let health = drill.health().await;
        health["sender"] == true && health["workers"]["running"] == 1
    })
    .await
    .unwrap();
    drill.mended().await;
}

#[tokio::test]
async fn the_workers_are_switched_off_and_forgotten() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let health: Value = one(&superuser, "SELECT raw_ops.fn_health_v1()").await;
    let note = health["faults"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fault| fault["what"] == "workers");
    let note = note.unwrap_or_else(|| panic!("{health:#}"));
    assert_eq!(note["severity"], "info", "by design, and worth a word");
    let steps = note["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step.as_str().unwrap().to_owned());
    let steps: Vec<String> = steps.collect();
    assert!(
        steps[0].starts_with("ALTER SYSTEM RESET raw_ops.workers"),
        "{steps:?}"
    );
    incidents::report(33, &steps);
}

#[tokio::test]
async fn a_snapshot_is_held_and_a_backup_is_let_be() {
    let mut drill = Drill::begin(36, StackOptions::for_tests().without_shim()).await;
    let owner = drill.owner().await;
    run(
        &owner,
        "UPDATE raw_ops.monitor_thresholds SET threshold = 0 WHERE condition = 'held_snapshot'",
    )
    .await;
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    let backup = drill.owner().await;
    run(&backup, &format!("SET application_name = 'pg_dump'; {hold}")).await;
    let named = drill.named().await;
    assert!(named.next()[0].starts_with("-- It is a backup"), "{named:?}");
    drop(backup);
    let holder = drill.owner().await;
    run(&holder, &format!("SET application_name = 'forgotten'; {hold}")).await;
    let named = wait_for(LIMIT, "the other to be named", async || {
        let named = drill.named().await;
        named.problem().contains("forgotten").then_some(named)
    })
    .await
    .unwrap();
    assert!(named.next()[0].contains("backend_start = "), "{named:?}");
    drill.paste(&named, nobody).await;
    drill.mended().await;
}

#[tokio::test]
async fn a_copy_of_the_cluster_sends_nothing_until_it_is_told_to() {
    let mut drill = Drill::begin(40, StackOptions::for_tests().without_shim()).await;
    as_superuser(
        &drill.stack,
        "ALTER SYSTEM SET raw_ops.delivery_hosts = 'another'",
    )
    .await;
    as_superuser(&drill.stack, "SELECT pg_reload_conf()").await;
    let named = drill.named().await;
    let bare = named.next().into_iter().filter(|step| !step.starts_with("--"));
    assert!(
        bare.clone()
            .all(|step| step.starts_with("SELECT raw_ops.fn_health_v1()")),
        "nothing that sends stands bare: {named:?}"
    );
    drill
        .paste(&named, async |stack: &Stack, note: &str| {
            let (_, statement) = note
                .split_once("superuser: ")
                .or_else(|| note.split_once("and: "))
                .unwrap();
            as_superuser(stack, statement).await;
        })
        .await;
    drill.mended().await;
}

/// As the version before the courier left it.
const OLDER: &str = "
    DROP TABLE raw_ops.fulfillments, raw_ops.shipments, raw_ops.courier_event_mapping, raw_ops.courier_events, raw_ops.courier_tasks CASCADE;
    ALTER TABLE raw_ops.ops_events DROP CONSTRAINT ops_events_notification_status_check;
    DROP INDEX raw_ops.idx_ops_events_courier_unprocessed, raw_ops.idx_ops_events_courier, raw_ops.idx_ops_events_courier_failed;
    DELETE FROM raw_ops.monitor_thresholds WHERE check_name = 'courier_watchdog_health';
    DELETE FROM raw_ops.monitoring_runs WHERE check_name = 'courier_watchdog_health';
    DELETE FROM raw_ops.monitors WHERE check_name = 'courier_watchdog_health';
    DELETE FROM raw_ops.schema_migrations WHERE version = 8";

#[tokio::test]
async fn the_schema_is_older_than_the_library() {
    let mut drill = Drill::begin(41, StackOptions::for_tests().without_shim()).await;
    run(&drill.owner().await, OLDER).await;
    let health = drill.health().await;
    let faults = faults_of(&health, "setup");
    assert_eq!(
        faults[0]["next"],
        serde_json::json!(["SELECT raw_ops.setup();"]),
        "{health:#}"
    );
    // Without its tables there is no page.
    let printed = drill.paste(&Named { faults }, nobody).await;
    assert!(printed[0].contains("0008_courier"), "{printed:?}");
    drill.mended().await;
}

#[tokio::test]
async fn the_owner_is_no_superuser() {
    let drill = Drill::begin(42, StackOptions::for_tests().without_shim()).await;
    let is_super: bool = one(
        &drill.owner().await,
        "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
    )
    .await;
    assert!(!is_super);
    assert!(drill.health().await["faults"].is_array());
    incidents::report(42, &[]);
}
