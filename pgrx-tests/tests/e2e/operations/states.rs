//! The diagrams of `docs/states.md` say what the tables and the trigger say, and what happens is drawn there.

use std::collections::BTreeSet;

use raw_ops_e2e::orders::Generator;
use raw_ops_e2e::{Reply, wait_until};
use tokio_postgres::Client;

use crate::courier::{Courier, notification_of};
use crate::support::*;

const DIAGRAMS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/states.md"));
const TABLES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/schema.sql"));
const TRIGGERS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/setup/attach.sql"));

/// The column that a section is about, as it begins.
const COLUMNS: [&str; 5] = [
    "webhook_inbox.processing_status",
    "http_requests.state",
    "alerts.state",
    "alert_messages.delivery",
    "ops_events.notification_status",
];

/// What comes before the first state and after the last.
const OUTSIDE: &str = "[*]";

type Changes<'a> = BTreeSet<(&'a str, &'a str)>;

/// The changes that the diagram of this column draws, from and to outside included.
fn drawn(column: &str) -> Changes<'static> {
    let section = DIAGRAMS
        .split("\n## ")
        .find(|section| section.contains(&format!("\n\n`{column}`")))
        .unwrap_or_else(|| panic!("no section about {column}"));
    let diagram = section.split("```").nth(1).unwrap();
    let mut lines = diagram.lines();
    assert_eq!(lines.next(), Some("mermaid"), "{column}");
    assert_eq!(lines.next(), Some("stateDiagram-v2"), "{column}");
    let changes = lines.filter(|line| !line.trim().is_empty()).map(|line| {
        let (from, rest) = line.trim().split_once(" --> ").expect(line);
        (from, rest.split(':').next().unwrap())
    });
    changes.collect()
}

/// What stands in quotes, in its order.
fn quoted(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// The values that the CHECK of this column allows.
fn allowed(column: &str) -> BTreeSet<&'static str> {
    let (table, column) = column.split_once('.').unwrap();
    let begin = format!("CONSTRAINT {table}_{column}_check CHECK ((");
    let check = TABLES.split(&begin).nth(1).unwrap_or_else(|| panic!("{begin}"));
    assert!(check.starts_with(&format!("{column} = ANY (")), "{begin}");
    quoted(check.lines().next().unwrap()).into_iter().collect()
}

#[test]
fn every_state_that_a_table_allows_is_drawn_and_no_other() {
    for column in COLUMNS {
        let changes = drawn(column);
        let ends = changes.iter().flat_map(|(from, to)| [*from, *to]);
        let states: BTreeSet<&str> = ends.filter(|state| *state != OUTSIDE).collect();
        assert_eq!(states, allowed(column), "{column}");
        // Nothing is a dead end but what is drawn as the end.
        for state in states {
            assert!(
                changes.iter().any(|(from, _)| *from == state),
                "{column}: after {state}?"
            );
        }
    }
}

#[test]
fn the_changes_of_a_webhook_are_those_that_the_trigger_lets_pass() {
    let condition = TRIGGERS
        .split("(old.processing_status, new.processing_status) not in")
        .nth(1)
        .and_then(|rest| rest.split("execute function").next())
        .unwrap();
    let states = quoted(condition);
    let mut passing: Changes = states.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    assert!(passing.len() > 5, "{passing:?}");
    // The one that guard_webhook_status() lets pass, for the function that settles a dead letter.
    passing.insert(("dlq", "resolved_manual"));
    let changes: Changes = drawn(COLUMNS[0])
        .into_iter()
        .filter(|(from, to)| *from != OUTSIDE && *to != OUTSIDE)
        .collect();
    assert_eq!(changes, passing);
}

/// Writes down every change of the five columns: a table's name, its column, before, after.
const RECORDER: &str = "
    CREATE TABLE raw_ops.seen_changes (what text, before text, after text);
    CREATE FUNCTION raw_ops.see_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN
        INSERT INTO raw_ops.seen_changes
        VALUES (tg_argv[0], to_jsonb(old) ->> split_part(tg_argv[0], '.', 2), to_jsonb(new) ->> split_part(tg_argv[0], '.', 2));
        RETURN new;
    END $$;
    DO $$ DECLARE what text; BEGIN
        FOREACH what IN ARRAY array['webhook_inbox.processing_status', 'http_requests.state', 'alerts.state',
                                    'alert_messages.delivery', 'ops_events.notification_status'] LOOP
            EXECUTE format('CREATE TRIGGER see_change AFTER INSERT OR UPDATE ON raw_ops.%I
                            FOR EACH ROW EXECUTE FUNCTION raw_ops.see_change(%L)', split_part(what, '.', 1), what);
        END LOOP;
    END $$;
    UPDATE raw_ops.retry_schedule SET wait = '0' WHERE purpose <> 'courier'";

async fn wait_for_none(client: &Client, what: &str) {
    let left = format!("SELECT count(*) FROM raw_ops.{what}");
    wait_until(LIMIT, &format!("no {what}"), async || {
        one::<i64>(client, &left).await == 0
    })
    .await
    .unwrap();
}

async fn webhooks(client: &Client) {
    let orders: Vec<_> = Generator::new(3).orders(0..2).collect();
    receive_orders(client, &orders).await;
    let dead = receive(client, "orders/create", "dead", b"{}").await;
    run(
        client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
         VALUES ('shopify', 'orders/create', 'brought over', '{}', 'retrying')",
    )
    .await;
    drain(client, 10).await;
    for _ in 0..4 {
        run(
            client,
            "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
        )
        .await;
        retry(client).await;
    }
    let settle = format!("SELECT raw_ops.fn_resolve_webhook_manually_v1('{dead}', 'nobody ordered it')");
    run(client, &settle).await;
}

async fn alerts(courier: &Courier) {
    const INVOKE: &str = "SELECT raw_ops.fn_invoke_monitor('webhook_health')";
    const ALERTS: &str = "/slack/ops-alerts";
    let client = &courier.client;
    let on_its_way = "alert_messages WHERE delivery = 'pending'";
    // Refused for good, sent again, then all is well.
    for (_, channel) in raw_ops_e2e::stack::SLACK_PATHS {
        courier.world.next(channel, [Reply::status(404)]);
    }
    run(
        client,
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload)
         SELECT 'shopify', 'orders/create', 'deep' || n, '{}' FROM generate_series(1, 101) AS n",
    )
    .await;
    run(client, INVOKE).await;
    wait_for_none(client, on_its_way).await;
    courier.world.next(ALERTS, [Reply::status(503)]);
    run(client, "SELECT raw_ops.fn_resend_alerts_v1()").await;
    wait_for_none(client, on_its_way).await;
    run(client, "DELETE FROM raw_ops.webhook_inbox").await;
    run(client, INVOKE).await;
    run(client, "SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest')").await;
    wait_for_none(client, on_its_way).await;
}

async fn notifications(courier: &Courier) {
    let client = &courier.client;
    let silent = courier.shipment("1", None).await;
    courier.report(&silent, "01", 0).await;
    let shipment = courier.shipment("2", Some("a@example.com")).await;
    courier.world.next("/api/v1/customers/*", [Reply::status(400)]);
    let event = notification_of(&courier.report(&shipment, "01", 0).await);
    courier.notification_in(&event, "failed").await;
    run(
        client,
        "UPDATE raw_ops.ops_events SET notification_status = 'pending', notification_attempts = 0,
                notification_next_retry_at = null WHERE notification_status = 'failed'",
    )
    .await;
    courier.notification_in(&event, "sent").await;
}

#[tokio::test]
async fn whatever_happens_is_drawn() {
    let courier = Courier::start().await;
    let client = &courier.client;
    run(client, RECORDER).await;
    webhooks(client).await;
    notifications(&courier).await;
    alerts(&courier).await;
    let mut happened = 0;
    for what in COLUMNS {
        let sql = format!(
            "SELECT DISTINCT coalesce(before, '{OUTSIDE}') || ' ' || after FROM raw_ops.seen_changes
              WHERE what = '{what}' AND after IS DISTINCT FROM before AND after IS NOT NULL"
        );
        let seen: Vec<String> = column(client, &sql).await;
        let seen: Changes = seen.iter().filter_map(|change| change.split_once(' ')).collect();
        let drawn = drawn(what);
        let undrawn: Vec<_> = seen
            .difference(&drawn)
            // What a test brings over from elsewhere.
            .filter(|change| **change != (OUTSIDE, "retrying"))
            .collect();
        assert!(undrawn.is_empty(), "{what}: {undrawn:?}");
        assert!(seen.len() >= 3, "{what}: only {seen:?} happened");
        happened += seen.len();
    }
    assert!(happened >= 20, "only {happened} changes happened");
}
