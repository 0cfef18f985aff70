//! What is done and old moves, whole.

use super::{archive, done, set_up};
use crate::support::*;
use serde_json::json;
use tokio_postgres::Client;

#[tokio::test]
async fn what_is_done_and_old_moves_whole_and_the_rest_stays() {
    let (_stack, client) = set_up().await;
    done(&client, "old", "success", 30, "2026-01-31 23:30+00").await;
    done(&client, "settled", "resolved_manual", 5, "2025-12-01 02:30+00").await;
    for open in ["pending", "failed", "retrying", "dlq"] {
        done(&client, open, open, 3, "2026-01-10 12:00+00").await;
    }
    run(
        &client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, raw_body, processing_status, created_at)
         VALUES ('dpd', 'not json', 'raw', '\\x7bff', 'success', '2026-01-05 00:00+00'),
                ('shopify', 'orders/create', 'json null', null, 'success', '2026-01-05 00:00+00'),
                ('shopify', 'orders/create', 'recent', '{}', 'success', now() - interval '89 days')",
    )
    .await;
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET payload = 'null' WHERE event_id = 'json null'",
    )
    .await;
    let due = "processing_status IN ('success', 'resolved_manual') AND event_id <> 'recent'";
    let before: Vec<String> = column(
        &client,
        &format!("SELECT to_jsonb(w)::text FROM raw_ops.webhook_inbox w WHERE {due} ORDER BY id"),
    )
    .await;
    assert_eq!(before.len(), 37);

    let said = archive(&client, "").await;
    assert_eq!(
        said,
        json!({"archived": 37, "remaining": false, "columns_added": [],
               "partitions_created": ["webhook_inbox_archive_y2025m11", "webhook_inbox_archive_y2025m12",
                                      "webhook_inbox_archive_y2026m01"]})
    );
    let after: Vec<String> = column(
        &client,
        "SELECT (to_jsonb(a) - 'archived_at')::text FROM raw_ops.webhook_inbox_archive a ORDER BY id",
    )
    .await;
    assert_eq!(after, before, "every column as it was");
    let null_payload: String = one(
        &client,
        "SELECT payload::text FROM raw_ops.webhook_inbox_archive WHERE event_id = 'json null'",
    )
    .await;
    assert_eq!(null_payload, "null", "JSON's null is not SQL's");
    assert_the_rest_stays(&client).await;
    assert_partitions(&client).await;
    assert_eq!(archive(&client, "").await["archived"], 0);
}

/// What is open or young, and when the others went.
async fn assert_the_rest_stays(client: &Client) {
    let left: Vec<String> = column(
        client,
        "SELECT processing_status || ' ' || count(*) FROM raw_ops.webhook_inbox GROUP BY processing_status ORDER BY 1",
    )
    .await;
    assert_eq!(
        left,
        ["dlq 3", "failed 3", "pending 3", "retrying 3", "success 1"]
    );
    let fresh: bool = one(
        client,
        "SELECT bool_and(archived_at BETWEEN now() - interval '1 minute' AND clock_timestamp()) FROM raw_ops.webhook_inbox_archive",
    )
    .await;
    assert!(fresh);
}

/// What the archive of three months is made of.
async fn assert_partitions(client: &Client) {
    // A month's rows are in its partition, and its partition is as closed as every other table.
    let places: Vec<String> = column(
        client,
        "SELECT DISTINCT concat_ws(' ', tableoid::regclass, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM'))
           FROM raw_ops.webhook_inbox_archive ORDER BY 1",
    )
    .await;
    assert_eq!(
        places,
        [
            "raw_ops.webhook_inbox_archive_y2025m11 2025-11",
            "raw_ops.webhook_inbox_archive_y2025m12 2025-12",
            "raw_ops.webhook_inbox_archive_y2026m01 2026-01"
        ]
    );
    let open: Vec<String> = column(
        client,
        "SELECT c.relname::text FROM pg_class c WHERE c.relname LIKE 'webhook_inbox_archive_y%' AND c.relkind = 'r'
            AND (NOT c.relrowsecurity OR obj_description(c.oid, 'pg_class') IS NULL OR EXISTS (
                SELECT FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE a.grantee = 0))",
    )
    .await;
    assert_eq!(open, Vec::<String>::new());
}
