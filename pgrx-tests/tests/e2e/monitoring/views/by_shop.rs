//! The views by shop, beside those of all: the same columns, the same figures, told apart.

use super::{begin, rows};
use crate::support::*;
use tokio_postgres::Client;

/// Each view that there is by shop too, what a row of it is about, and its columns that add up.
const VIEWS: &[(&str, &str, &str)] = &[
    (
        "webhook_health",
        "1",
        "received_count, pending_count, success_count, failed_count, retrying_count, dlq_count, resolved_manual_count, \
         duplicate_count, new_dlq_count",
    ),
    (
        "retry_queue_depth",
        "1",
        "queue_depth, pending_count, failed_count, retrying_count, due_count",
    ),
    ("dashboard_success_rate", "day", "success_count, outcome_count"),
    (
        "dashboard_daily_volume",
        "day",
        "received_count, success_count, waiting_count, dead_lettered_count",
    ),
    ("dashboard_p95_latency", "day", "processed_count"),
    (
        "dashboard_dlq_by_day",
        "day",
        "dlq_count, open_count, resolved_manual_count",
    ),
];

/// Three shops, one of them without a name, webhooks that name no shop, and some of everything on forty days.
const MIXED: &str = "
    insert into raw_ops.shops (shop_domain, name) values ('uk.example', 'UK'), ('eu.example', 'EU'), ('new.example', null);
    select pg_temp.put(1 + n % 3, (array['success', 'success', 'pending', 'failed', 'retrying', 'dlq', 'resolved_manual'])[1 + n % 7],
                       now() - n * interval '7 hours', ms => n, category => 'timeout')
      from generate_series(0, 140) as n;
    update raw_ops.webhook_inbox
       set shop_domain = (array['uk.example', 'eu.example', 'new.example', ''])[1 + processing_duration_ms % 4],
           duplicate_count = 2
     where processing_duration_ms is not null;";

#[tokio::test]
async fn the_views_by_shop_add_up_to_the_views_of_all() {
    let (_stack, client) = begin().await;
    run(&client, MIXED).await;
    let shops = "SELECT DISTINCT shop_domain FROM raw_ops.dashboard_daily_volume_by_shop ORDER BY 1";
    assert_eq!(
        column::<String>(&client, shops).await,
        ["", "eu.example", "new.example", "uk.example"]
    );
    for (view, key, columns) in VIEWS {
        let sums: Vec<String> = columns
            .split(", ")
            .map(|column| format!("sum({column})::bigint"))
            .collect();
        let by_shop = format!(
            "SELECT {key} AS key, {} FROM raw_ops.{view}_by_shop GROUP BY {key}",
            sums.join(", ")
        );
        let of_all = format!("SELECT {key} AS key, {columns} FROM raw_ops.{view}");
        for (one_way, other) in [(&by_shop, &of_all), (&of_all, &by_shop)] {
            let missing: Vec<String> = column(
                &client,
                &format!("SELECT to_jsonb(x)::text FROM ({one_way} EXCEPT {other}) x"),
            )
            .await;
            assert!(missing.is_empty(), "{view}: {missing:?}");
        }
        let all: i64 = one(
            &client,
            &format!(
                "SELECT sum({})::bigint FROM raw_ops.{view}",
                columns.replace(", ", " + ")
            ),
        )
        .await;
        assert!(all > 0, "{view}: nothing was compared");
    }
}

#[tokio::test]
async fn a_view_by_shop_has_the_columns_of_the_view_beside_it() {
    let (_stack, client) = begin().await;
    for (view, ..) in VIEWS {
        let columns = async |view: &str| -> Vec<String> {
            let sql = format!(
                "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
                  WHERE attrelid = 'raw_ops.{view}'::regclass AND attnum > 0 ORDER BY attnum"
            );
            column(&client, &sql).await
        };
        let by_shop = columns(&format!("{view}_by_shop")).await;
        assert_eq!(by_shop[..2], ["shop_domain text", "shop_name text"], "{view}");
        assert_eq!(by_shop[2..], columns(view).await, "{view}");
    }
}

/// Rates, percentiles and times too, which do not add up.
#[tokio::test]
async fn of_one_shop_a_view_says_by_shop_what_it_says_of_all() {
    let (_stack, client) = begin().await;
    run(&client, MIXED).await;
    run(
        &client,
        "DELETE FROM raw_ops.shops WHERE shop_domain <> 'uk.example';
         UPDATE raw_ops.webhook_inbox SET shop_domain = 'uk.example'",
    )
    .await;
    for (view, ..) in VIEWS {
        let of_all = format!("SELECT to_jsonb(v)::text FROM raw_ops.{view} v");
        let by_shop = format!(
            "SELECT (to_jsonb(v) - 'shop_domain' - 'shop_name')::text FROM raw_ops.{view}_by_shop v
              WHERE shop_domain = 'uk.example' AND shop_name = 'UK'"
        );
        assert_eq!(
            column::<String>(&client, &by_shop).await,
            column::<String>(&client, &of_all).await,
            "{view}"
        );
    }
}

/// How many rows each view has of each shop.
async fn rows_of_shops(client: &Client) -> Vec<String> {
    let mut found = Vec::new();
    for (view, ..) in VIEWS {
        let from = format!("raw_ops.{view}_by_shop GROUP BY shop_domain ORDER BY shop_domain");
        let counts = rows(client, "shop_domain, count(*)", &from).await;
        found.push(format!("{view}: {}", counts.join(", ")));
    }
    found
}

#[tokio::test]
async fn a_quiet_shop_has_its_rows_and_one_that_is_not_active_only_with_webhooks() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain, active) VALUES ('quiet', true), ('closed', false)",
    )
    .await;
    let expected = |shops: &[&str]| -> Vec<String> {
        let days = |view: &str| match view {
            "webhook_health" | "retry_queue_depth" => 1,
            "dashboard_p95_latency" => 14,
            "dashboard_dlq_by_day" => 30,
            _ => 21,
        };
        let of = |view: &str| {
            let rows = shops.iter().map(|shop| format!("{shop} {}", days(view)));
            rows.collect::<Vec<_>>().join(", ")
        };
        VIEWS
            .iter()
            .map(|(view, ..)| format!("{view}: {}", of(view)))
            .collect()
    };
    assert_eq!(rows_of_shops(&client).await, expected(&["quiet"]));
    // As the views of all on an empty day: zeros, and nulls where there is nothing to divide by.
    for (view, ..) in VIEWS {
        let of_all = format!("SELECT to_jsonb(v)::text FROM raw_ops.{view} v");
        let by_shop =
            format!("SELECT (to_jsonb(v) - 'shop_domain' - 'shop_name')::text FROM raw_ops.{view}_by_shop v");
        assert_eq!(
            column::<String>(&client, &by_shop).await,
            column::<String>(&client, &of_all).await,
            "{view}"
        );
    }
    run(
        &client,
        "SELECT pg_temp.put(1, 'failed', now()), pg_temp.put(1, 'dlq', now());
         UPDATE raw_ops.webhook_inbox SET shop_domain = 'closed'",
    )
    .await;
    assert_eq!(rows_of_shops(&client).await, expected(&["closed", "quiet"]));
}
