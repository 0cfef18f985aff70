//! The page, the metrics and the monitors: each figure apart, and none of what could not be read shown as zero.

use std::collections::BTreeSet;

use super::*;

const SLO: &str = "SELECT raw_ops.fn_invoke_monitor('order_ingestion_slo')";

#[tokio::test]
async fn whatever_table_is_locked_page_metrics_and_monitors_answer_and_name_who_holds_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    let tables: Vec<String> = column(
        &superuser,
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname IN ('raw_ops', 'cron') AND c.relkind IN ('r', 'p') ORDER BY 1",
    )
    .await;
    let warm = [asker(&stack).await, asker(&stack).await, asker(&stack).await];
    page(&warm[0]).await;
    metrics(&warm[1]).await;
    one::<Value>(&warm[2], SLO).await;
    let mut told = BTreeSet::new();
    // Each alone, then all at once.
    for locked in tables.iter().map(std::slice::from_ref).chain([tables.as_slice()]) {
        let (holder, pid) = forgotten(&stack).await;
        run(&holder, &format!("LOCK TABLE ONLY {}", locked.join(", ONLY "))).await;
        let of_warm = look(&warm[0], &warm[1], &warm[2]);
        let cold = [asker(&stack).await, asker(&stack).await, asker(&stack).await];
        let of_cold = look(&cold[0], &cold[1], &cold[2]);
        let (of_warm, of_cold) = tokio::join!(of_warm, of_cold);
        for seen in [of_warm, of_cold] {
            told.extend(seen.check(locked, pid));
        }
        run(&holder, "COMMIT").await;
    }
    for surface in ["page", "metrics", "monitor"] {
        for table in ["raw_ops.webhook_inbox", "raw_ops.monitor_thresholds"] {
            let expected = format!("{surface} {table}");
            assert!(told.contains(&expected), "{expected}: {told:?}");
        }
    }
    for more in [
        "monitor raw_ops.orders",
        "page raw_ops.courier_events",
        "page raw_ops.shops",
        "metrics raw_ops.shops",
    ] {
        assert!(told.contains(more), "{more}: {told:?}");
    }
    assert_eq!(unread(&metrics(&warm[1]).await), [] as [&str; 0]);
    assert!(!page(&warm[0]).await.contains("not read:"));
}

/// What three who asked at once were answered.
struct Seen {
    page: String,
    metrics: String,
    monitor: Result<Value, tokio_postgres::Error>,
}

async fn look(for_page: &Client, for_metrics: &Client, for_monitor: &Client) -> Seen {
    let (page, metrics, monitor) = tokio::join!(
        page(for_page),
        metrics(for_metrics),
        for_monitor.query_one(SLO, &[])
    );
    Seen {
        page,
        metrics,
        monitor: monitor.map(|row| row.get(0)),
    }
}

impl Seen {
    /// Returns who of them was in trouble.
    fn check(self, locked: &[String], pid: i32) -> Vec<String> {
        let mut told = Vec::new();
        let who = format!("rocess {pid} ");
        let is_named = |said: &str| {
            said.contains(&who) && said.contains("forgotten") && said.contains("pg_terminate_backend")
        };
        assert!(self.page.contains("Webhook Operations") && self.page.contains("</html>"));
        if self.page.contains("not read: ") {
            assert!(is_named(&self.page), "{locked:?}: {}", self.page);
            told.push("page");
        }
        let unread = unread(&self.metrics);
        if !unread.is_empty() {
            assert!(is_named(&self.metrics), "{locked:?}: {}", self.metrics);
            told.push("metrics");
        }
        let depth = self.metrics.contains("\nraw_ops_webhook_queue_depth{");
        assert_eq!(depth, !unread.contains(&"queue_depth"), "{}", self.metrics);
        match &self.monitor {
            Ok(answer) if answer["status"] == "error" => {
                let error = answer["error"].as_str().unwrap();
                assert!(is_named(error), "{locked:?}: {error}");
                assert!(
                    locked.iter().any(|table| error.contains(table.as_str())),
                    "{locked:?}: {error}"
                );
                told.push("monitor");
            }
            Ok(answer) => assert_eq!(answer["status"], "ok", "{locked:?}: {answer}"),
            // There is nowhere to write that it failed.
            Err(error) => {
                assert_eq!(error.code().unwrap().code(), "55P03", "{locked:?}: {error:?}");
                assert!(
                    locked.contains(&"raw_ops.monitoring_runs".to_owned()),
                    "{locked:?}: {error:?}"
                );
            }
        }
        let of_table = |surface: &&str| {
            locked
                .iter()
                .map(|table| format!("{surface} {table}"))
                .collect::<Vec<_>>()
        };
        let alone = locked.len() == 1;
        told.iter().filter(|_| alone).flat_map(of_table).collect()
    }
}

#[tokio::test]
async fn a_monitor_that_met_a_locked_table_has_left_its_row_with_who_holds_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = asker(&stack).await;
    let (holder, pid) = forgotten(&stack).await;
    run(&holder, "LOCK TABLE raw_ops.orders").await;
    let said: Value = one(&client, SLO).await;
    let row: Value = one(
        &client,
        "SELECT to_jsonb(r) FROM raw_ops.monitoring_runs r WHERE check_name = 'order_ingestion_slo'",
    )
    .await;
    assert_eq!(
        (&row["status"], &row["error"], &row["id"]),
        (&"error".into(), &said["error"], &said["run_id"])
    );
    let error = row["error"].as_str().unwrap();
    for part in [
        "raw_ops.orders",
        &format!("process {pid} "),
        "pg_terminate_backend",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let looked = refused(&client, "SELECT raw_ops.fn_check_order_ingestion_slo_v2()").await;
    assert_eq!(looked.sqlstate, "55P03");
    assert!(looked.message.contains("raw_ops.orders"), "{looked:?}");
    // A limit of the caller's own, longer than anybody waits, changes nothing.
    run(&client, "SET lock_timeout = '1h'").await;
    assert_eq!(one::<Value>(&client, SLO).await["status"], "error");
    run(&holder, "COMMIT").await;
    assert_eq!(one::<Value>(&client, SLO).await["status"], "ok");
}

#[tokio::test]
async fn a_view_that_sleeps_costs_its_own_figure_and_no_other() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = asker(&stack).await;
    for view in ["undelivered_alerts", "dashboard_success_rate"] {
        put_to_sleep(&client, view).await;
    }
    let found = health(&client).await;
    assert_eq!(
        (&found["undelivered_alerts"], &found["queue_depth"]),
        (&Value::Null, &0.into())
    );
    let told = problems(&found, "not_visible");
    assert!(told.contains("took too long and was cut off: alerts"), "{found}");

    let said = metrics(&client).await;
    assert_eq!(unread(&said), ["outbox"]);
    assert!(!said.contains("raw_ops_alerts_undelivered"), "{said}");
    assert!(said.contains("# not read: outbox: it took too long"), "{said}");

    let page = page(&client).await;
    assert_eq!(
        page.matches("not read: it took too long and was cut off").count(),
        2,
        "{page}"
    );
    assert!(
        page.contains("Took too long") || page.contains("took too long and was cut off: alerts"),
        "{page}"
    );
    assert!(!page.contains("Nothing to do."), "{page}");
    // Nobody's later statement is cut off.
    run(&client, "SELECT pg_sleep(6)").await;
}

#[tokio::test]
async fn others_who_cancel_end_the_whole_call() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    put_to_sleep(&client, "undelivered_alerts").await;
    run(&client, "SET statement_timeout = '300ms'").await;
    for call in ["fn_health_v1", "fn_metrics_v1", "fn_dashboard_html_v1"] {
        let refusal = refused(&client, &format!("SELECT raw_ops.{call}()")).await;
        assert_eq!(refusal.sqlstate, "57014", "{call}: {refusal:?}");
        assert!(
            refusal.message.contains("statement timeout"),
            "{call}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn thresholds_that_are_gone_and_a_view_that_is_dropped_are_told_and_the_rest_is_there() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = asker(&stack).await;
    run(
        &client,
        "ALTER TABLE raw_ops.monitor_thresholds RENAME TO limits; DROP VIEW raw_ops.dashboard_queue_depth",
    )
    .await;
    let found = health(&client).await;
    assert!(
        problems(&found, "not_visible").contains("the thresholds could not be looked at"),
        "{found}"
    );
    let page = page(&client).await;
    assert!(page.contains("monitor_thresholds"), "{page}");
    assert_eq!(page.matches("not read: relation").count(), 1, "{page}");
    assert!(page.contains("Daily volume"), "{page}");
    assert_eq!(unread(&metrics(&client).await), [] as [&str; 0]);
}

#[tokio::test]
async fn on_a_replica_whoever_asks_is_answered_and_sent_to_the_primary_for_the_lock() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let replica = stack.cluster.replica().await.unwrap();
    let there = replica.connect(&stack.db).await.unwrap();
    run(&there, PATIENCE).await;
    assert_eq!(unread(&metrics(&there).await), [] as [&str; 0]);
    let (holder, _) = forgotten(&stack).await;
    run(&holder, "LOCK TABLE raw_ops.webhook_inbox").await;
    wait_until(LIMIT, "the lock to be replayed", async || {
        unread(&metrics(&there).await).contains(&"inbox")
    })
    .await
    .unwrap();
    let advice = "It replays what the primary does: look for the lock there.";
    assert!(metrics(&there).await.contains(advice));
    let page = page(&there).await;
    assert!(page.contains("not read: ") && page.contains(advice), "{page}");
    let found = health(&there).await;
    assert_eq!(found["queue_depth"], Value::Null);
    assert!(found["faults"].to_string().contains(advice), "{found}");
    run(&holder, "COMMIT").await;
}
