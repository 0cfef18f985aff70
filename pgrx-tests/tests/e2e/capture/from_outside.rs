//! What payloads, headers and ids may hold: text of any length is stored, and nothing of a person's is repeated where
//! errors are read.

use crate::support::*;
use fastrand::Rng;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::{Stack, StackOptions};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// Text that no compression makes short.
fn noise(rng: &mut Rng, characters: usize) -> String {
    (0..characters).map(|_| rng.alphanumeric()).collect()
}

#[tokio::test]
async fn text_of_any_length_keeps_no_order_from_being_stored() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    let mut rng = Rng::with_seed(10);
    let long = Order::clone(&Generator::new(10).order(0));
    let email = format!("{}@example.com", noise(&mut rng, 3_000));
    let guest = |order: &Order, email: &str| {
        order.updated(
            0,
            &[
                Change::Set("customer", json!(null)),
                Change::Email(email.to_owned()),
            ],
        )
    };
    // One guest, in any case; and another whose e-mail begins the same.
    let orders = [
        guest(&long, &email),
        guest(&Generator::new(10).order(1), &email.to_uppercase()),
        guest(&Generator::new(10).order(2), &format!("{email}.org")),
    ];
    let huge = huge_order(&mut rng);
    let bodies = orders.iter().map(|order| order.bytes.to_vec()).chain([huge]);
    for body in bodies {
        let headers = json!({
            "x-shopify-shop-domain": noise(&mut rng, 20_000), "x-shopify-triggered-at": noise(&mut rng, 20_000),
        });
        let event = noise(&mut rng, 20_000);
        let sql = "SELECT raw_ops.receive_webhook('shopify', 'orders/create', $1, $2, $3)";
        client.query_one(sql, &[&event, &headers, &body]).await.unwrap();
    }
    let sql = "SELECT raw_ops.receive_webhook('shopify', $1, 'e', '{}', '{}')";
    client.query_one(sql, &[&noise(&mut rng, 20_000)]).await.unwrap();
    assert_eq!(
        drain(&client, 10).await,
        [5, 4, 1, 0],
        "but for the topic nobody knows"
    );
    let guests: Vec<i64> = column(
        &client,
        "SELECT count(*) FROM raw_ops.orders o JOIN raw_ops.customers c ON c.id = o.customer_id
          WHERE c.shopify_customer_id IS NULL GROUP BY c.id ORDER BY 1",
    )
    .await;
    assert_eq!(guests, [1, 2]);
    let kept: bool = one(
        &client,
        "SELECT bool_or(length(c.email) = 20000 AND length(o.email) = 20000) FROM raw_ops.orders o
           JOIN raw_ops.customers c ON c.id = o.customer_id WHERE c.shopify_customer_id IS NOT NULL",
    )
    .await;
    assert!(kept, "nothing is cut");
}

/// An order where everything that may be text is long.
fn huge_order(rng: &mut Rng) -> Vec<u8> {
    let mut huge = Generator::new(10)
        .orders(3..50)
        .find(|order| order.customer_id.is_some() && !order.line_items().is_empty())
        .unwrap();
    for name in [
        "name",
        "email",
        "currency",
        "financial_status",
        "fulfillment_status",
        "note",
        "tags",
        "cancel_reason",
    ] {
        huge.json[name] = json!(noise(rng, 20_000));
    }
    for name in ["email", "first_name", "last_name", "phone"] {
        huge.json["customer"][name] = json!(noise(rng, 20_000));
    }
    for name in ["address1", "city", "zip", "name"] {
        huge.json["shipping_address"][name] = json!(noise(rng, 20_000));
    }
    for name in ["sku", "title", "variant_title", "vendor"] {
        huge.json["line_items"][0][name] = json!(noise(rng, 20_000));
    }
    serde_json::to_vec(&huge.json).unwrap()
}

/// An index entry has a greatest length. Columns here whose text is not ours, and what bounds it.
const BOUNDED: &[(&str, &str, &str)] = &[
    ("webhook_inbox", "provider", "a CHECK lists them"),
    ("webhook_inbox", "processing_status", "a CHECK lists them"),
    ("webhook_inbox", "event_id", "longer ones are hashed on receipt"),
    ("webhook_inbox", "shop_domain", "a CHECK of 253 characters"),
    ("webhook_elements", "shop_domain", "a CHECK of 253 characters"),
    ("shops", "shop_domain", "a CHECK of 253 characters"),
    ("alerts", "shop_domain", "a CHECK of 253 characters"),
    ("customers", "shop_domain", "a CHECK of 253 characters"),
    ("orders", "shop_domain", "a CHECK of 253 characters"),
    ("fulfillments", "shop_domain", "a CHECK of 253 characters"),
    ("customers", "idx_customers_email bytea", "a hash"),
    ("customers", "customers_guest_email_key bytea", "a hash"),
    ("webhook_elements", "provider", "ours"),
    ("webhook_elements", "reference", "a CHECK of 100 characters"),
    ("customer_former_emails", "email_key", "a hash"),
    ("orders", "export_state", "ours"),
    ("ops_events", "kind", "ours"),
    ("ops_events", "entity_type", "ours"),
    ("monitoring_runs", "check_name", "ours"),
    ("alerts", "check_name", "ours"),
    ("alerts", "condition", "ours"),
    ("monitors", "check_name", "ours"),
    ("http_request_totals", "purpose", "ours"),
    ("http_request_totals", "shop_domain", "a CHECK of 253 characters"),
    ("http_requests", "shop_domain", "a CHECK of 253 characters"),
    ("http_requests", "purpose", "a CHECK lists them"),
    ("http_requests", "state", "a CHECK lists them"),
    ("http_requests", "idempotency_key", "ours"),
    ("http_requests", "destination", "ours"),
];

#[tokio::test]
async fn every_indexed_text_is_bounded() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    // Of an expression: the index's name and type, since its columns' names say nothing.
    let indexed: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws('.', c.relname, coalesce(a.attname, concat_ws(' ', x.relname, t.typname)))
           FROM pg_index i
           JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'raw_ops'::regnamespace AND NOT c.relispartition
           JOIN pg_class x ON x.oid = i.indexrelid
           JOIN unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, position) ON true
           JOIN pg_attribute key ON key.attrelid = i.indexrelid AND key.attnum = k.position
           JOIN pg_type t ON t.oid = key.atttypid
           LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0
          WHERE t.typlen < 0 AND t.typname <> 'numeric'
            AND c.relname NOT LIKE 'webhook_inbox_archive%' AND c.relname NOT LIKE 'courier%' AND c.relname <> 'shipments'
            -- What operators and setup() fill.
            AND c.relname NOT IN ('secrets', 'monitor_thresholds', 'log_retention', 'retry_schedule', 'webhook_totals',
                                  'schema_objects')
          ORDER BY 1",
    )
    .await;
    let unbounded: Vec<&String> = indexed
        .iter()
        .filter(|column| {
            let bounded = |(table, name, _): &&(&str, &str, &str)| **column == format!("{table}.{name}");
            !BOUNDED.iter().any(|known| bounded(&known))
        })
        .collect();
    assert_eq!(unbounded, Vec::<&String>::new(), "what bounds them?");
    assert!(indexed.iter().any(|column| column == "webhook_inbox.event_id"));
}

/// Names, addresses and numbers of one person, and payloads in which something is wrong beside or with them.
fn mistakes(order: &Order, person: &[(&str, &str)]) -> Vec<(String, Value)> {
    let mut good = order.json.clone();
    for (name, value) in person {
        match *name {
            "email" => good["email"] = json!(value),
            "note" => good["note"] = json!(value),
            _ => {}
        }
    }
    let value = |name: &str| person.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut payloads = Vec::new();
    let mut with = |path: &str, wrong: Value| {
        let mut payload = good.clone();
        *payload.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = wrong;
        payloads.push((path.to_owned(), payload));
    };
    with("/email", json!([value("email")]));
    with("/email", json!({"address": value("email")}));
    with("/note", json!([value("note")]));
    with("/shipping_address", json!(value("address")));
    with("/billing_address", json!([value("address")]));
    with("/customer", json!(value("name")));
    with("/customer/id", json!(value("email")));
    with("/customer/id", json!(value("name")));
    with("/customer/phone", json!(4_915_112_345_678_i64));
    with("/customer/first_name", json!({"first": value("name")}));
    with("/line_items", json!(value("address")));
    with("/total_price", json!(value("email")));
    with("/id", json!(value("email")));
    payloads
}

#[tokio::test]
async fn no_error_repeats_what_a_person_told_the_shop() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    let person = [
        ("email", "ada.lovelace@example.com"),
        ("name", "Ada Lovelace"),
        ("address", "12 St James's Square"),
        ("note", "ring at Byron's"),
    ];
    let orders = Generator::new(13);
    let order = orders
        .orders(0..50)
        .find(|order| order.customer_id.is_some())
        .unwrap();
    let mistakes = mistakes(&order, &person);
    for (n, (path, payload)) in mistakes.iter().enumerate() {
        let body = serde_json::to_vec(payload).unwrap();
        receive(&client, "orders/create", &format!("{n} {path}"), &body).await;
    }
    receive_refused_rows(&stack, &client, &orders).await;
    let all = mistakes.len() as i64 + 4;
    raw_ops_e2e::wait_until(LIMIT, "every webhook to be tried", async || {
        let tried =
            "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status IN ('failed', 'success')";
        one::<i64>(&client, tried).await == all
    })
    .await
    .unwrap();
    assert_eq!(
        states(&client).await,
        in_states([("failed", all - 1), ("success", 1)])
    );
    // Until they are dead letters, whose events repeat the error.
    for _ in 0..4 {
        run(
            &client,
            "UPDATE raw_ops.webhook_inbox SET next_retry_at = now() WHERE processing_status = 'failed'",
        )
        .await;
        retry(&client).await;
    }
    let errors: Vec<String> = column(
        &client,
        "SELECT event_id || ' => ' || last_error FROM raw_ops.webhook_inbox WHERE last_error IS NOT NULL
         UNION ALL SELECT sample_error FROM raw_ops.error_summary
         UNION ALL SELECT event_payload::text FROM raw_ops.ops_events WHERE kind = 'ERROR'",
    )
    .await;
    assert!(errors.len() as i64 > 2 * (all - 1), "{errors:?}");
    let log = stack.cluster.log();
    for (name, value) in person.iter().chain(&[("phone", "4915112345678")]) {
        for text in errors.iter().chain([&log]) {
            assert!(!text.contains(value), "{name}: {text}");
        }
    }
    assert_errors_are_named(&errors);
}

/// What is wrong is said all the same.
fn assert_errors_are_named(errors: &[String]) {
    let named = |path: &str, problem: &str| {
        let found = errors
            .iter()
            .any(|error| error.contains(path) && error.contains(problem));
        assert!(found, "{path} … {problem}: {errors:#?}");
    };
    named("order.email", "not text: an array");
    named("order.customer.id", "not a 64-bit integer: text");
    named("order.shipping_address", "not an object: text");
    named(
        "a uuid",
        "PostgreSQL cannot take a value: invalid text representation",
    );
    named("refused", "own_notes");
    named("once", "own_emails");
}

/// Errors of PostgreSQL's own: of a type, of a constraint with the row in its detail.
async fn receive_refused_rows(stack: &Stack, client: &Client, orders: &Generator) {
    let superuser = stack.connect_as_superuser().await.unwrap();
    run(
        &superuser,
        &format!(
            "CREATE SCHEMA own AUTHORIZATION {}",
            raw_ops_e2e::stack::OWNER_ROLE
        ),
    )
    .await;
    run(
        client,
        "CREATE FUNCTION own.check_order() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM NEW.email::uuid; RETURN NEW; END $$;
         CREATE TRIGGER own AFTER INSERT ON raw_ops.orders FOR EACH ROW WHEN (NEW.note = 'a uuid') EXECUTE FUNCTION own.check_order();
         ALTER TABLE raw_ops.orders ADD CONSTRAINT own_notes CHECK (note <> 'refused');
         CREATE UNIQUE INDEX own_emails ON raw_ops.orders (email) WHERE note = 'once'",
    )
    .await;
    for (n, note) in ["a uuid", "refused", "once", "once"].into_iter().enumerate() {
        let changes = [
            Change::Note(note.to_owned()),
            Change::Email("ada.lovelace@example.com".to_owned()),
        ];
        let order = orders.order(60 + n as u64).updated(0, &changes);
        receive(client, "orders/create", &format!("{note} {n}"), &order.bytes).await;
    }
}
