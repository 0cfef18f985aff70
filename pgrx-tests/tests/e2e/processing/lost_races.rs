//! Two transactions that make the same order, customer or guest at once, on a server that speaks German: the one that
//! loses looks again, whatever language the error is in.

use crate::support::*;
use raw_ops_e2e::orders::{Change, Generator, Order};
use raw_ops_e2e::stack::OWNER_ROLE;
use raw_ops_e2e::{Stack, wait_until};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use tokio_postgres::Client;

/// A German locale in a directory of its own, since few machines have one.
fn german_locale() -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("raw_ops-locale-")
        .tempdir_in("/tmp")
        .unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let made = std::process::Command::new("localedef")
        .args(["--inputfile=de_DE", "--charmap=UTF-8"])
        .arg(dir.path().join("de_DE.UTF-8"))
        .output()
        .expect("localedef is part of the C library");
    assert!(
        dir.path().join("de_DE.UTF-8/LC_MESSAGES").exists(),
        "no German locale (package locales): {}",
        String::from_utf8_lossy(&made.stderr)
    );
    dir
}

async fn german_stack(locales: &tempfile::TempDir) -> (Stack, Client) {
    let options = by_hand()
        .without_shim()
        .env("LOCPATH", locales.path().display())
        .setting("lc_messages", "de_DE.UTF-8")
        .setting("lock_timeout", "60s");
    let stack = Stack::start(options).await.unwrap();
    let client = stack.connect().await.unwrap();
    assert_eq!(
        refused(&client, "SELECT 1 / 0").await.message,
        "Division durch Null"
    );
    (stack, client)
}

/// Drains `second` while `first` is written and not yet committed; both succeed.
async fn race(stack: &Stack, client: &Client, first: &Order, second: &Order) {
    let winner = stack.connect().await.unwrap();
    run(&winner, "BEGIN").await;
    winner
        .query_one("SELECT raw_ops.process_order_webhook_txn($1)", &[&first.json])
        .await
        .unwrap();
    let event = format!("of {} after {}", second.id, first.id);
    receive(client, "orders/updated", &event, &second.bytes).await;
    let loser = stack.connect().await.unwrap();
    let pid: i32 = one(&loser, "SELECT pg_backend_pid()").await;
    let drained = tokio::spawn(async move { drain(&loser, 10).await });
    let waits = format!("SELECT count(*) FROM pg_locks WHERE pid = {pid} AND NOT granted");
    wait_until(LIMIT, "the drain to wait for the other transaction", async || {
        one::<i64>(client, &waits).await > 0
    })
    .await
    .unwrap();
    run(&winner, "COMMIT").await;
    assert_eq!(drained.await.unwrap(), [1, 1, 0, 0]);
    let errors: Vec<String> = column(
        client,
        "SELECT concat_ws(': ', error_category, last_error) FROM raw_ops.webhook_inbox WHERE last_error IS NOT NULL",
    )
    .await;
    assert_eq!(errors, Vec::<String>::new(), "nothing is wrong with it");
}

#[tokio::test]
async fn a_lost_race_is_recognised_on_a_german_server() {
    let locales = german_locale();
    let (stack, client) = german_stack(&locales).await;
    let orders: Vec<Order> = Generator::new(12).orders(0..60).collect();
    let of_customer = |order: &&Order| order.customer_id.is_some() && order.email.is_some();
    let mut customers = orders.iter().filter(of_customer);
    let (first, other) = (customers.next().unwrap(), customers.next().unwrap());

    // The same order.
    race(
        &stack,
        &client,
        first,
        &first.updated(60, &[Change::FinancialStatus("refunded")]),
    )
    .await;
    assert_eq!(
        one::<String>(&client, "SELECT financial_status FROM raw_ops.orders").await,
        "refunded"
    );
    // Two orders of one new customer.
    let buyer = json!({"id": 4_711, "email": "new@example.com", "first_name": "Ada"});
    let by = |order: &Order| order.updated(0, &[Change::Set("customer", buyer.clone())]);
    let (one_order, another) = (customers.next().unwrap(), customers.next().unwrap());
    race(&stack, &client, &by(one_order), &by(another)).await;
    // Two orders of one new guest.
    let as_guest = |order: &Order| {
        let email = Change::Email("guest@example.com".to_owned());
        order.updated(0, &[Change::Set("customer", json!(null)), email])
    };
    race(
        &stack,
        &client,
        &as_guest(other),
        &as_guest(customers.next().unwrap()),
    )
    .await;
    let shared: Vec<i64> = column(
        &client,
        "SELECT count(*) FROM raw_ops.orders o JOIN raw_ops.customers c ON c.id = o.customer_id
          WHERE c.email IN ('new@example.com', 'guest@example.com') GROUP BY c.id",
    )
    .await;
    assert_eq!(shared, [2, 2], "each was made once");
}

#[tokio::test]
async fn a_constraint_of_the_owners_is_no_lost_race_whatever_it_is_called() {
    let locales = german_locale();
    let (stack, client) = german_stack(&locales).await;
    run(
        &stack.connect_as_superuser().await.unwrap(),
        &format!("CREATE SCHEMA own AUTHORIZATION {OWNER_ROLE}"),
    )
    .await;
    run(
        &client,
        "CREATE TABLE own.orders (name text, CONSTRAINT idx_orders_shopify_order_id UNIQUE (name));
         INSERT INTO own.orders VALUES ('\"idx_orders_shopify_order_id\"');
         CREATE FUNCTION own.copy() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO own.orders VALUES ('\"idx_orders_shopify_order_id\"'); RETURN NEW; END $$;
         CREATE TRIGGER copy AFTER INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION own.copy()",
    )
    .await;
    receive(&client, "orders/create", "e", &Generator::new(12).order(0).bytes).await;
    assert_eq!(drain(&client, 10).await, [1, 0, 1, 0]);
    let category: String = one(&client, "SELECT error_category FROM raw_ops.webhook_inbox").await;
    assert_eq!(category, "constraint_violation");
}
