//! A real Prometheus reads both outputs, as docs/monitoring.md sets it up; promtool has nothing to say.

use std::process::Command;
use std::time::Duration;

use super::{fill, nobody_sends, text};
use crate::support::*;
use raw_ops_e2e::http::HttpClient;
use raw_ops_e2e::inetd::Inetd;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::prometheus::{Prometheus, promtool};
use raw_ops_e2e::shopify::Delivery;
use raw_ops_e2e::workspace::workspace_root;
use raw_ops_e2e::{Stack, StackOptions, Stop, wait_until};

async fn shims_text(stack: &Stack) -> String {
    let http = HttpClient::new(Duration::from_secs(5));
    http.get(&stack.shim().unwrap().url("/metrics"))
        .await
        .unwrap()
        .text()
}

fn docs(name: &str) -> String {
    let path = workspace_root().join("docs/prometheus").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_either_output() {
    let stack = Stack::start(nobody_sends(by_hand())).await.unwrap();
    let (client, sender) = (stack.connect().await.unwrap(), stack.sender().unwrap());
    for round in ["empty", "busy"] {
        for (whose, metrics) in [
            ("raw_ops", text(&client).await),
            ("edge-shim", shims_text(&stack).await),
        ] {
            let said = promtool(&["check", "metrics"], &metrics).await;
            assert_eq!(
                said.as_deref().unwrap_or("error"),
                "",
                "{whose}, {round}: {said:?}"
            );
        }
        let orders: Vec<Order> = Generator::new(41).orders(0..20).collect();
        if round == "empty" {
            fill(&client, &orders).await;
            let mut deliveries: Vec<Delivery> = orders
                .iter()
                .map(|order| order.delivery("orders/updated"))
                .collect();
            deliveries.extend(deliveries.clone());
            sender.send_all(deliveries, 4).await;
            sender.send(&orders[0].delivery("orders/create").forged()).await;
        }
    }
}

#[tokio::test]
async fn the_rules_in_the_docs_are_right_and_fire_when_they_say() {
    let file = |path: &str| workspace_root().join(path).display().to_string();
    promtool(
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            &file("docs/prometheus/raw_ops.rules.yml"),
        ],
        "",
    )
    .await
    .unwrap();
    promtool(
        &[
            "check",
            "config",
            "--lint=all",
            "--lint-fatal",
            &file("docs/prometheus/prometheus.yml"),
        ],
        "",
    )
    .await
    .unwrap();
    promtool(
        &[
            "test",
            "rules",
            &file("pgrx-tests/prometheus/raw_ops.rules.test.yml"),
        ],
        "",
    )
    .await
    .unwrap();
}

/// `docs/prometheus/prometheus.yml` and its rules, for these ports and an impatient test.
fn configuration(raw_ops: u16, shim: u16) -> [(&'static str, String); 2] {
    let yaml = docs("prometheus.yml")
        .replace("127.0.0.1:9188", &format!("127.0.0.1:{raw_ops}"))
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{shim}"))
        .replace(": 15s", ": 1s");
    assert!(!yaml.contains("15s") && !yaml.contains("8080") && !yaml.contains("9188"));
    [
        ("prometheus.yml", yaml),
        ("raw_ops.rules.yml", docs("raw_ops.rules.yml")),
    ]
}

/// What Prometheus has read.
const READ: &[(&str, f64)] = &[
    ("up{job=\"raw_ops\"}", 1.0),
    ("up{job=\"edge-shim\"}", 1.0),
    ("webhook_events_processed_total{provider=\"shopify\"}", 25.0),
    ("webhook_events_duplicate_total{provider=\"shopify\"}", 5.0),
    ("webhook_events_failed_total{provider=\"shopify\"}", 0.0),
    // Five providers, and the one made up for the tests.
    ("count(webhook_events_processed_total)", 6.0),
    ("raw_ops_webhook_queue_depth{status=\"pending\"}", 0.0),
    ("raw_ops_webhook_dead_letters", 0.0),
    ("raw_ops_webhook_processing_seconds_count", 25.0),
    (
        "count(raw_ops_monitor_last_run_age_seconds{check=\"webhook_health\"})",
        1.0,
    ),
    ("edge_shim_webhooks_stored_total{provider=\"shopify\"}", 25.0),
    ("edge_shim_webhooks_duplicate_total{provider=\"shopify\"}", 5.0),
    ("count(edge_shim_build_info)", 1.0),
];

#[tokio::test]
async fn a_real_prometheus_reads_the_shim_and_the_database_as_the_docs_set_it_up() {
    let mut stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let client = stack.connect().await.unwrap();
    as_superuser(
        &stack,
        "CREATE ROLE raw_ops_metrics LOGIN; GRANT USAGE ON SCHEMA raw_ops TO raw_ops_metrics;
         GRANT EXECUTE ON FUNCTION raw_ops.fn_metrics_v1() TO raw_ops_metrics",
    )
    .await;
    run(&client, "SELECT raw_ops.fn_invoke_monitor('webhook_health')").await;
    let orders: Vec<Order> = Generator::new(43).orders(0..25).collect();
    let mut deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    deliveries.extend(deliveries[..5].to_vec());
    let sender = stack.sender().unwrap();
    for delivery in &deliveries {
        assert!(sender.send(delivery).await.accepted());
    }
    stack.wait_drained(LIMIT).await.unwrap();

    let door = metrics_door(&stack);
    let http = HttpClient::new(Duration::from_secs(10));
    let answer = http
        .get(&format!("http://127.0.0.1:{}/metrics", door.port()))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(promtool(&["check", "metrics"], &answer.text()).await.unwrap(), "");
    let elsewhere = http
        .get(&format!("http://127.0.0.1:{}/", door.port()))
        .await
        .unwrap();
    assert_eq!(elsewhere.status, 404);

    let files = configuration(door.port(), stack.shim().unwrap().port());
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let prometheus = Prometheus::start(&files).await.unwrap();
    let becomes = async |expression: &str, expected| becomes(&prometheus, expression, expected).await;
    for (expression, expected) in READ {
        becomes(expression, *expected).await;
    }
    assert_rules_are_read(&prometheus).await;

    // A database that is down is told, by its absence and in words; the shim says so itself.
    stack.cluster.stop(Stop::Fast).await.unwrap();
    assert_unreachable(&http, &door).await;
    assert!(!sender.send(&deliveries[0]).await.accepted());
    becomes("up{job=\"raw_ops\"}", 0.0).await;
    becomes("edge_shim_database_up", 0.0).await;
    becomes(
        "count(ALERTS{alertname=\"RawOpsDatabaseUnreachable\", alertstate=\"pending\"})",
        1.0,
    )
    .await;
    stack.cluster.start().await.unwrap();
    becomes("up{job=\"raw_ops\"}", 1.0).await;
    becomes("webhook_events_processed_total{provider=\"shopify\"}", 25.0).await;
}

/// In words.
async fn assert_unreachable(http: &HttpClient, door: &Inetd) {
    let answer = http
        .get(&format!("http://127.0.0.1:{}/metrics", door.port()))
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("connection to server"),
        "{}",
        answer.text()
    );
}

/// All of docs/prometheus, without an error.
async fn assert_rules_are_read(prometheus: &Prometheus) {
    let rules = prometheus.get("/api/v1/rules").await.unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(rules.len(), docs("raw_ops.rules.yml").matches("- alert:").count());
    assert!(rules.iter().all(|rule| rule["lastError"].is_null()), "{rules:?}");
}

/// The script that docs/monitoring.md installs, started as its socket unit starts it.
fn metrics_door(stack: &Stack) -> Inetd {
    let (bin, socket, port, db) = (
        stack.cluster.postgres().bindir.clone(),
        stack.cluster.socket_dir().to_owned(),
        stack.cluster.port().to_string(),
        stack.db.clone(),
    );

    Inetd::start(move || {
        let mut command = Command::new(workspace_root().join("docs/prometheus/raw_ops-metrics"));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("PGHOST", &socket);
        command
            .env("PGPORT", &port)
            .env("PGDATABASE", &db)
            .env("PGUSER", "raw_ops_metrics");
        command
    })
    .unwrap()
}

/// The indented blocks of docs/monitoring.md that begin with one of these words.
fn blocks(begin: &[&str]) -> Vec<String> {
    let path = workspace_root().join("docs/monitoring.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut blocks, mut block) = (Vec::new(), String::new());
    for line in text.lines().chain([""]) {
        match line.strip_prefix("    ") {
            Some(code) => block = block + code + "\n",
            None => blocks.extend(Some(std::mem::take(&mut block)).filter(|block| !block.is_empty())),
        }
    }
    blocks.retain(|block| begin.iter().any(|word| block.starts_with(word)));
    blocks
}

#[tokio::test]
async fn the_docs_statements_make_their_roles_and_answer_the_eight_questions_to_them() {
    let stack = Stack::start(nobody_sends(by_hand().without_shim()))
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    fill(&client, &Generator::new(44).orders(0..30).collect::<Vec<_>>()).await;
    for statement in blocks(&["CREATE ROLE", "ALTER ROLE", "GRANT"]) {
        as_superuser(&stack, &statement).await;
    }
    let metabase = stack.connect_as("metabase").await.unwrap();
    let questions = blocks(&["SELECT"]);
    assert_eq!(
        questions.len(),
        11,
        "eight questions, the light, two by shop: {questions:?}"
    );
    for question in questions {
        let rows = metabase.query(&question, &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error:?}\nin: {question}"));
        assert!(!rows.is_empty(), "{question}");
    }
    assert_eq!(
        refused(&metabase, "SELECT * FROM raw_ops.webhook_inbox")
            .await
            .sqlstate,
        "42501"
    );
    assert_eq!(
        refused(&metabase, "SELECT raw_ops.fn_metrics_v1()")
            .await
            .sqlstate,
        "42501"
    );
    let exporter = stack.connect_as("raw_ops_metrics").await.unwrap();
    assert!(text(&exporter).await.contains("raw_ops_info"));
}

/// Waits until Prometheus says so.
async fn becomes(prometheus: &Prometheus, expression: &str, expected: f64) {
    let mut last = None;
    let waited = wait_until(LIMIT, expression, async || {
        last = prometheus.value(expression).await.unwrap();
        last == Some(expected)
    })
    .await;
    assert!(
        waited.is_ok(),
        "{expression} is {last:?}, not {expected}; log:\n{}",
        prometheus.log()
    );
}
