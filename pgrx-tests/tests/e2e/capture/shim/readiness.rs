//! `/readyz` says whether a webhook could be stored, by storing one and taking it back; one word, whatever the reason.

use std::time::{Duration, Instant};

use super::get;
use crate::support::*;
use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::shopify::{Outcome, Sender};
use raw_ops_e2e::stack::SHIM_ROLE;
use raw_ops_e2e::{Shim, SlowNetwork, Stack, Stop, wait_until};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// Waits until an answer that was kept is old; asserts that the whole answer is this word, in time.
async fn says(shim: &Shim, word: &str) {
    let mut last = String::new();
    let waited = wait_until(LIMIT, &format!("/readyz to say {word}"), async || {
        let asked = Instant::now();
        let answer = get(shim, "/readyz").await;
        // Two seconds, and what a busy machine adds.
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        assert_eq!(
            answer.status,
            if word_of(&answer.body) == "ready" {
                200
            } else {
                503
            }
        );
        last = answer.text();
        serde_json::from_slice::<Value>(&answer.body).unwrap() == json!({"status": word})
    })
    .await;
    waited.unwrap_or_else(|error| panic!("{error}; it said {last}"));
}

fn word_of(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap();
    said["status"].as_str().unwrap().to_owned()
}

/// Sends a webhook that must not be stored.
async fn refused_webhook(stack: &Stack) -> Outcome {
    let delivery = Generator::new(3).order(0).delivery("orders/create");
    let outcome = stack.sender().unwrap().send(&delivery).await;
    assert_eq!(outcome.status, Some(503), "{outcome:?}");
    outcome
}

/// A statement over each function of this name, whatever its arguments.
fn rights(statement: &str, name: &str) -> String {
    format!(
        "DO $$ DECLARE f regprocedure; BEGIN
            FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'raw_ops'::regnamespace AND proname = '{name}'
            LOOP EXECUTE format('{statement}', f); END LOOP;
         END $$"
    )
}

const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'raw_ops_shim'";

/// Breaks it, asserts what is said of it to whom, mends it.
async fn broken(stack: &Stack, client: &Client, breaks: &str, mends: &str, word: &str, said: &str) {
    run(client, breaks).await;
    says(stack.shim().unwrap(), word).await;
    let outcome = refused_webhook(stack).await;
    assert!(outcome.body.contains(said), "{breaks}: {outcome:?}");
    for hidden in ["raw_ops_shim", "shop_owner", "webhook_inbox"] {
        assert!(!outcome.body.contains(hidden), "{outcome:?}");
    }
    if word != "unreachable" {
        assert!(!outcome.body.contains("out of reach"), "{outcome:?}");
    }
    run(client, mends).await;
    says(stack.shim().unwrap(), "ready").await;
}

#[tokio::test]
async fn forced_row_level_security_is_not_ready() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    for table in [
        "webhook_inbox",
        "ops_events",
        "webhook_tallies",
        "schema_migrations",
    ] {
        let forced = format!("ALTER TABLE raw_ops.{table} FORCE ROW LEVEL SECURITY");
        let mended = format!("ALTER TABLE raw_ops.{table} NO FORCE ROW LEVEL SECURITY");
        run(&client, &forced).await;
        if table == "schema_migrations" {
            // Read once a session.
            run(&client, END_SESSIONS).await;
        }
        says(stack.shim().unwrap(), "row_security").await;
        // The others are needed for a repeat only, or while a session is new.
        if matches!(table, "webhook_inbox" | "ops_events") {
            let outcome = refused_webhook(&stack).await;
            assert!(outcome.body.contains("row-level security"), "{outcome:?}");
        }
        run(&client, &mended).await;
        says(stack.shim().unwrap(), "ready").await;
    }
}

/// Every connection that the role may have is taken: by its own limit here, by others where the server's are.
#[tokio::test]
async fn without_a_connection_left_it_is_not_ready_and_a_metric_says_why() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let metric = "edge_shim_database_condition{condition=\"no_slots\"}";
    let shim = stack.shim().unwrap();
    let shows = async |expected: &str| {
        let line = format!("{metric} {expected}");
        wait_until(LIMIT, &line, async || {
            get(shim, "/metrics")
                .await
                .text()
                .lines()
                .any(|found| found == line)
        })
        .await
        .unwrap();
    };
    shows("0").await;
    let breaks = format!("ALTER ROLE raw_ops_shim CONNECTION LIMIT 0; {END_SESSIONS}");
    run(&client, &breaks).await;
    // Nobody sends, nobody asks /readyz.
    shows("1").await;
    let mends = "ALTER ROLE raw_ops_shim CONNECTION LIMIT -1";
    broken(&stack, &client, &breaks, mends, "no_slots", "no connection left").await;
    shows("0").await;
}

#[tokio::test]
async fn missing_rights_are_not_ready_whichever_they_are() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    for name in ["receive_webhook", "receive_webhooks"] {
        let revoke = rights("REVOKE EXECUTE ON FUNCTION %s FROM raw_ops_shim", name);
        run(&client, &revoke).await;
        says(stack.shim().unwrap(), "no_rights").await;
        run(
            &client,
            &rights("GRANT EXECUTE ON FUNCTION %s TO raw_ops_shim", name),
        )
        .await;
        says(stack.shim().unwrap(), "ready").await;
    }
    for (breaks, mends) in [
        (
            "REVOKE USAGE ON SCHEMA raw_ops FROM raw_ops_shim",
            "GRANT USAGE ON SCHEMA raw_ops TO raw_ops_shim",
        ),
        (
            "REVOKE INSERT ON raw_ops.webhook_inbox FROM shop_owner",
            "GRANT INSERT ON raw_ops.webhook_inbox TO shop_owner",
        ),
        (
            "REVOKE CONNECT ON DATABASE shop FROM PUBLIC",
            "GRANT CONNECT ON DATABASE shop TO PUBLIC",
        ),
        ("ALTER ROLE raw_ops_shim NOLOGIN", "ALTER ROLE raw_ops_shim LOGIN"),
    ] {
        // Rights to come in are looked at when a session begins.
        let breaks = format!("{breaks}; {END_SESSIONS}");
        broken(&stack, &client, &breaks, mends, "no_rights", "lacks rights").await;
    }
    for known_to_the_operator in [
        "permission denied for function",
        "receive_webhook",
        "USAGE on schema",
    ] {
        let shim = stack.shim().unwrap();
        shim.wait_for_log(known_to_the_operator).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_does_not_write_is_not_ready_and_says_why() {
    let mut stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    run(&client, "SET default_transaction_read_only = off").await;
    run(&client, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    let reset = "ALTER SYSTEM RESET default_transaction_read_only";
    run(&client, "SELECT pg_reload_conf()").await;
    says(stack.shim().unwrap(), "read_only").await;
    assert!(refused_webhook(&stack).await.body.contains("read-only"));
    run(&client, reset).await;
    run(&client, "SELECT pg_reload_conf()").await;
    says(stack.shim().unwrap(), "ready").await;

    // As a full disk says it.
    let full = "CREATE FUNCTION public.no_space() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$;
                CREATE TRIGGER no_space BEFORE INSERT ON raw_ops.webhook_inbox EXECUTE FUNCTION public.no_space()";
    let room = "DROP TRIGGER no_space ON raw_ops.webhook_inbox";
    broken(&stack, &client, full, room, "disk_full", "disk is full").await;

    let lock = "BEGIN; LOCK TABLE raw_ops.webhook_inbox";
    broken(&stack, &client, lock, "ROLLBACK", "locked", "too busy").await;

    let gone = "ALTER SCHEMA raw_ops RENAME TO elsewhere";
    let back = "ALTER SCHEMA elsewhere RENAME TO raw_ops";
    broken(&stack, &client, gone, back, "not_set_up", "not set up").await;

    let owns = "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN RAISE EXCEPTION 'not on Sundays'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON raw_ops.webhook_inbox EXECUTE FUNCTION public.refuse()";
    run(&client, owns).await;
    says(stack.shim().unwrap(), "refused").await;
    run(&client, "DROP TRIGGER refuse ON raw_ops.webhook_inbox").await;
    says(stack.shim().unwrap(), "ready").await;

    stack.cluster.stop(Stop::Fast).await.unwrap();
    says(stack.shim().unwrap(), "unreachable").await;
    assert!(refused_webhook(&stack).await.body.contains("out of reach"));
    stack.cluster.start().await.unwrap();
    says(stack.shim().unwrap(), "ready").await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_at_all_is_unreachable_in_time() {
    // It takes the connection and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let shim = Shim::builder(&format!("postgresql://nobody@127.0.0.1:{port}/none"))
        .start()
        .await
        .unwrap();
    says(&shim, "unreachable").await;
}

#[tokio::test]
async fn where_connecting_takes_a_while_a_lock_is_still_heard_of_before_the_time_is_up() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let network = SlowNetwork::before(stack.cluster.port(), Duration::from_millis(400))
        .await
        .unwrap();
    let url = format!(
        "postgresql://{SHIM_ROLE}@127.0.0.1:{}/{}",
        network.port(),
        stack.db
    );
    let shim = Shim::builder(&url)
        .env("SHOPIFY_WEBHOOK_SECRET", "far away")
        .env("STORE_TIMEOUT_MS", 1_500)
        .start()
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, "BEGIN; LOCK TABLE raw_ops.webhook_inbox").await;
    // Every connection is new: the lock is met by the first.
    let order = Generator::new(3).orders(0..1).next().unwrap();
    let outcome = Sender::to(&shim, "far away")
        .send(&order.delivery("orders/create"))
        .await;
    assert_eq!(outcome.status, Some(503));
    assert!(outcome.body.contains("too busy"), "{}", outcome.body);
}

#[tokio::test]
async fn asking_whether_it_is_ready_leaves_nothing_behind() {
    let stack = Stack::start(by_hand()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let attempts = "SELECT n_tup_ins > $1 FROM pg_stat_user_tables WHERE relname = 'webhook_inbox'";
    // Each probe inserts, and takes it back.
    wait_until(LIMIT, "three probes", async || {
        assert_eq!(get(stack.shim().unwrap(), "/readyz").await.status, 200);
        let row = client.query_one(attempts, &[&4_i64]).await.unwrap();
        row.get(0)
    })
    .await
    .unwrap();
    let left: i64 = one(
        &client,
        "SELECT (SELECT count(*) FROM raw_ops.webhook_inbox) + (SELECT count(*) FROM raw_ops.ops_events)
              + (SELECT count(*) FROM raw_ops.webhook_tallies) + (SELECT count(*) FROM raw_ops.http_requests)",
    )
    .await;
    assert_eq!(left, 0);
    let metrics = get(stack.shim().unwrap(), "/metrics").await.text();
    assert!(
        metrics.contains("edge_shim_webhooks_stored_total{provider=\"shopify\"} 0"),
        "{metrics}"
    );
}
