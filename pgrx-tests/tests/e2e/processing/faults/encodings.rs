//! A client whose encoding cannot hold what customers write still reads the page, the metrics and the health.

use super::*;

/// Text that no LATIN1 can hold, wherever text from outside ends up.
async fn fill(client: &Client) {
    let order = Generator::new(44).order(0);
    let odd = order.updated(0, &[Change::Set("total_price", json!("\u{1f64f} \u{6d88}"))]);
    receive(client, "orders/create", "\u{1f64f}", &odd.bytes).await;
    run(
        client,
        "SELECT raw_ops.process_pending_webhooks();
         UPDATE raw_ops.webhook_inbox SET processing_status = 'dlq', last_error = 'Hauptstra\u{df}e \u{1f64f}';
         INSERT INTO raw_ops.alerts (id, check_name, condition, severity, channel, title, fields)
         VALUES (raw_ops.fn_uuid_v7(), 'webhook_silence', '\u{1f64f}', 'critical', '#ops-alerts', 'Zo\u{eb} \u{1f64f}',
                 '[{\"title\": \"\u{6d88}\", \"value\": \"\u{1f64f}\"}]')",
    )
    .await;
}

const CALLS: [&str; 8] = [
    "raw_ops.fn_dashboard_html_v1()",
    "raw_ops.fn_metrics_v1()",
    "raw_ops.fn_health_v1()::text",
    "raw_ops.fn_check_webhook_health_v2()::text",
    "raw_ops.fn_check_webhook_daily_digest_v2()::text",
    "raw_ops.fn_invoke_monitor('webhook_health')::text",
    "raw_ops.process_webhook((SELECT id FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'))::text",
    "raw_ops.process_pending_webhooks()::text",
];

#[tokio::test]
async fn a_latin1_client_reads_everything_our_functions_say() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    fill(&client).await;
    for encoding in ["LATIN1", "SQL_ASCII", "WIN1252", "UTF8"] {
        let order = Generator::new(44).order(1);
        let odd = order.updated(0, &[Change::Set("total_price", json!("\u{1f64f} \u{6d88}"))]);
        receive(&client, "orders/create", encoding, &odd.bytes).await;
        run(&client, &format!("SET client_encoding = '{encoding}'")).await;
        for call in CALLS {
            let said = match call.contains("html") || encoding == "UTF8" {
                true => one::<String>(&client, &format!("SELECT {call}")).await,
                // It comes in that encoding, which this client cannot read but need not.
                false => {
                    run(&client, &format!("SELECT {call}")).await;
                    continue;
                }
            };
            assert!(!said.is_empty(), "{encoding}, {call}");
            if call.contains("html") {
                assert!(said.is_ascii(), "{encoding}");
                assert!(said.contains("&#x1f64f;"), "as a reference, for every encoding");
            }
        }
        run(&client, "SET client_encoding = 'UTF8'").await;
        let processed: i64 = one(
            &client,
            "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status = 'pending'",
        )
        .await;
        assert_eq!(
            processed, 0,
            "{encoding}: an answer that cannot be sent would have undone it"
        );
    }
}

#[tokio::test]
async fn the_page_comes_through_psql_in_latin1() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    fill(&stack.connect().await.unwrap()).await;
    let mut psql = stack.cluster.command("psql");
    psql.env("PGCLIENTENCODING", "LATIN1")
        .args(["--no-psqlrc", "-At", "--set=ON_ERROR_STOP=1", "-d", &stack.db])
        .args(["-c", "SELECT raw_ops.fn_dashboard_html_v1()"]);
    let output = psql.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout.is_ascii());
}
