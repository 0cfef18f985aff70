//! What an operator sees of the shim: ready or not, counters, logs, a clean stop, a database that is stuck.

use std::time::Duration;

use crate::support::*;
use raw_ops_e2e::http::{Answer, HttpClient};
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::shopify::{Delivery, Sender};
use raw_ops_e2e::{Cluster, Shim, Stack, StackOptions, wait_until};
use serde_json::Value;

async fn get(shim: &Shim, path: &str) -> Answer {
    HttpClient::new(Duration::from_secs(10))
        .get(&shim.url(path))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_shim_before_its_database_says_what_to_run_until_it_is_ready() {
    let cluster = Cluster::builder()
        .for_raw_ops("shop")
        .fast()
        .start()
        .await
        .unwrap();
    let client = cluster.connect("shop").await.unwrap();
    let url = cluster.url("shop", "postgres");
    let shim = Shim::builder(&url)
        .env("SHOPIFY_WEBHOOK_SECRET", "secret")
        .start()
        .await
        .unwrap();
    let sender = Sender::to(&shim, "secret");
    let order = Generator::new(13).order(0);
    for (step, hints) in [
        (
            "CREATE EXTENSION raw_ops",
            &["CREATE EXTENSION raw_ops", "raw_ops.setup()"][..],
        ),
        ("SELECT raw_ops.setup()", &["SELECT raw_ops.setup();"]),
    ] {
        // An answer is kept for a moment: the one from before the last step may still be there.
        wait_until(LIMIT, "/readyz to notification", async || {
            let ready = get(&shim, "/readyz").await;
            assert_eq!(ready.status, 503, "before {step}: {}", ready.text());
            assert_eq!(ready.text(), "{\"status\":\"not_set_up\"}");
            let log = shim.log_lines().into_iter().rev();
            let said = log
                .into_iter()
                .find(|line| line.contains("/readyz"))
                .unwrap_or_default();
            let next = serde_json::from_str::<Value>(&said).unwrap_or_default()["next"].to_string();
            hints.iter().all(|hint| next.contains(hint))
        })
        .await
        .unwrap();
        let outcome = sender.send(&order.delivery("orders/create")).await;
        assert!(
            outcome.status.is_some_and(|status| status >= 500),
            "before {step}: {outcome:?}"
        );
        run(&client, step).await;
    }
    shim.wait_ready().await.unwrap();
    assert!(sender.send(&order.delivery("orders/create")).await.accepted());
    assert_eq!(
        one::<i64>(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await,
        1
    );
}

/// The value of a metric with these labels.
fn metric(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn metrics_count_what_was_stored_repeated_and_refused() {
    let stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();
    let deliveries: Vec<Delivery> = Generator::new(13)
        .orders(0..7)
        .map(|order| order.delivery("orders/create"))
        .collect();
    for delivery in deliveries.iter().chain(&deliveries[..2]) {
        assert!(sender.send(delivery).await.accepted());
    }
    for _ in 0..3 {
        assert_eq!(
            sender.send(&deliveries[0].clone().forged()).await.status,
            Some(401)
        );
    }
    let answer = get(stack.shim().unwrap(), "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let text = answer.text();
    let handler = "/functions/v1/shopify-webhook-handler";
    for (name, expected) in [
        (
            "edge_shim_webhooks_stored_total{provider=\"shopify\"}".to_owned(),
            7.0,
        ),
        (
            "edge_shim_webhooks_duplicate_total{provider=\"shopify\"}".to_owned(),
            2.0,
        ),
        (
            "edge_shim_webhooks_rejected_total{provider=\"shopify\",reason=\"signature_wrong\"}".to_owned(),
            3.0,
        ),
        (
            format!("edge_shim_http_requests_total{{route=\"{handler}\",status=\"200\"}}"),
            9.0,
        ),
        (
            format!("edge_shim_http_requests_total{{route=\"{handler}\",status=\"401\"}}"),
            3.0,
        ),
        ("edge_shim_database_up".to_owned(), 1.0),
        ("edge_shim_store_queue_depth".to_owned(), 0.0),
        ("edge_shim_log_lines_dropped_total".to_owned(), 0.0),
    ] {
        assert_eq!(metric(&text, &name), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shim_told_to_stop_under_load_finishes_what_it_accepted_and_ends_well() {
    let mut stack = Stack::start(durable()).await.unwrap();
    let load = Load::start(&stack.sender().unwrap());
    load.wait_for_more(200).await;
    let shim = stack.shim.as_mut().unwrap();
    let status = shim.stop().await.unwrap();
    assert_eq!(status.code(), Some(0));
    let log = shim.log_lines();
    assert!(
        log.last().unwrap().contains("\"event\":\"stopped\""),
        "{:?}",
        log.last()
    );
    let sent = load.finish().await;
    assert!(sent.accepted.len() >= 200);
    sent.assert_ingested(&stack).await;
}

#[tokio::test]
async fn log_lines_are_json_and_hold_neither_bodies_nor_secrets() {
    let mut stack = Stack::start(StackOptions::for_tests()).await.unwrap();
    let sender = stack.sender().unwrap();
    let order = Generator::new(13)
        .orders(0..50)
        .find(|order| order.customer_id.is_some())
        .unwrap();
    let good = order
        .delivery("orders/create")
        .header("authorization", "Bearer hidden-token");
    let lines = |stack: &Stack| stack.shim().unwrap().log_lines().len();
    let before = lines(&stack);
    assert!(sender.send(&good).await.accepted());
    assert!(sender.send(&good).await.accepted());
    assert_eq!(sender.send(&good.clone().forged()).await.status, Some(401));
    let malformed = Delivery::new("orders/create", "{\"private\": \"hidden-body");
    assert!(sender.send(&malformed).await.accepted());
    let with_query = good.clone().path("/webhooks/shopify/order?token=hidden-query");
    assert!(sender.send(&with_query).await.accepted());
    assert_eq!(
        sender.send(&good.clone().path("/elsewhere")).await.status,
        Some(404)
    );
    stack.cluster.stop(raw_ops_e2e::Stop::Fast).await.unwrap();
    assert_eq!(sender.send(&good).await.status, Some(503));
    // What it logs when it ends is flushed then.
    let shim = stack.shim.as_mut().unwrap();
    shim.stop().await.unwrap();
    let log = shim.log_lines();

    let requests: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let statuses: Vec<&Value> = requests[before..]
        .iter()
        .filter_map(|line| line.get("status"))
        .collect();
    assert_eq!(
        statuses,
        [200, 200, 401, 200, 200, 404, 503],
        "one line a request"
    );
    assert!(
        requests
            .iter()
            .all(|line| line["ts"].is_string() && line["level"].is_string())
    );

    assert_no_secrets(&log.join("\n"), &stack, &order);
}

/// Neither what was sent nor what it was signed with.
fn assert_no_secrets(log: &str, stack: &Stack, order: &Order) {
    let signature = raw_ops_e2e::shopify::sign(&stack.shopify_secret, &order.bytes);
    let mut secrets = vec![stack.shopify_secret.clone(), signature];
    secrets.extend(
        [
            "hidden-token",
            "hidden-body",
            "hidden-query",
            "private",
            "line_items",
        ]
        .map(str::to_owned),
    );
    secrets.extend(order.email.clone());
    secrets.push(order.json["customer"]["last_name"].as_str().unwrap().to_owned());
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in\n{log}");
    }
}

#[tokio::test]
async fn a_stuck_database_means_503_in_time_and_nothing_half_stored() {
    let stack = Stack::start(StackOptions::for_tests().shim_env("STORE_TIMEOUT_MS", 400))
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let orders: Vec<Order> = Generator::new(13).orders(0..20).collect();
    let deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    run(&client, "BEGIN; LOCK TABLE raw_ops.webhook_inbox").await;
    let outcomes = stack.sender().unwrap().send_all(deliveries.clone(), 20).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(503)),
        "{outcomes:?}"
    );
    run(&client, "ROLLBACK").await;
    // As the shop sends them again: every one is taken, whether or not the first try got through in the end.
    for delivery in &deliveries {
        let sender = stack.sender().unwrap();
        wait_until(LIMIT, "the webhook to be accepted", async || {
            sender.send(delivery).await.accepted()
        })
        .await
        .unwrap();
    }
    stack.wait_drained(LIMIT).await.unwrap();
    assert_eq!(states(&client).await, in_states([("success", 20)]));
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn what_http_refuses_is_refused_with_its_own_code_and_stores_nothing() {
    let stack = Stack::start(StackOptions::for_tests().shim_env("MAX_BODY_BYTES", 20_000))
        .await
        .unwrap();
    let (sender, client) = (stack.sender().unwrap(), stack.connect().await.unwrap());
    let big = Delivery::new("orders/create", vec![b' '; 20_001]);
    let mut form = Generator::new(13).order(1).delivery("orders/create");
    form.content_type = "application/x-www-form-urlencoded".to_owned();
    let zipped = Generator::new(13)
        .order(1)
        .delivery("orders/create")
        .header("content-encoding", "gzip");
    for (delivery, status) in [(big, 413), (form, 415), (zipped, 415)] {
        assert_eq!(sender.send(&delivery).await.status, Some(status));
    }
    let shim = stack.shim().unwrap();
    let answer = get(shim, "/webhooks/shopify/order").await;
    assert_eq!(
        (answer.status, answer.headers["allow"].to_str().unwrap()),
        (405, "POST")
    );
    assert_eq!(get(shim, "/").await.status, 404);
    assert_eq!(
        one::<i64>(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await,
        0
    );
}
