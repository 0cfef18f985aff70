//! Somebody holds a whole table (LOCK, ALTER TABLE, VACUUM FULL): waiting for it costs no webhook an attempt.

use super::*;
use raw_ops_e2e::{StackOptions, wait_until};

/// As ALTER TABLE and VACUUM FULL take it; held until [`release`].
async fn lock(client: &Client, table: &str) {
    run(
        client,
        &format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
    )
    .await;
}

async fn release(client: &Client) {
    run(client, "COMMIT").await;
}

#[tokio::test]
async fn no_drain_or_retry_charges_a_webhook_for_a_table_somebody_has_locked() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (client, holder) = (
        stack.connect_as_superuser().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    let orders: Vec<Order> = Generator::new(37).orders(0..8).collect();
    receive_orders(&client, &orders).await;
    // One has failed four times already: the next failure would be its last.
    let nearly_dead = Generator::new(37).order(20);
    receive(&client, "orders/create", "nearly dead", &nearly_dead.bytes).await;
    run(
        &client,
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'failed', processing_attempts = 4, next_retry_at = now()
          WHERE event_id = 'nearly dead';
         SET lock_timeout = '100ms'",
    )
    .await;
    let before = fates(&client).await;
    let id: String = one(
        &client,
        "SELECT id::text FROM raw_ops.webhook_inbox WHERE event_id = 'create-1001'",
    )
    .await;
    for table in ["raw_ops.orders", "raw_ops.order_items", "raw_ops.customers"] {
        lock(&holder, table).await;
        for call in [
            "SELECT raw_ops.process_pending_webhooks(100)".to_owned(),
            "SELECT raw_ops.retry_failed_webhooks()".to_owned(),
            format!("SELECT raw_ops.process_webhook('{id}')"),
            "CALL raw_ops.drain_inbox()".to_owned(),
        ] {
            let refusal = refused(&client, &call).await;
            assert_eq!(refusal.sqlstate, "55P03", "{table}, {call}: {refusal:?}");
            assert!(refusal.message.contains(table), "{refusal:?}");
            let holders: i64 = column::<i32>(&client, hinted_statement(&refusal.hint))
                .await
                .len() as i64;
            assert_eq!(holders, 1, "the hint shows who holds it: {refusal:?}");
        }
        assert_eq!(fates(&client).await, before, "{table}");
        release(&holder).await;
    }
    assert_eq!(drain(&client, 100).await, [8, 8, 0, 0]);
    assert_eq!(retry(&client).await, [1, 1, 0, 0]);
    assert_tables_hold(&client, &[orders, vec![nearly_dead]].concat()).await;
}

/// The statement within "Who holds it: SELECT …;".
fn hinted_statement(hint: &str) -> &str {
    hint.strip_prefix("Who holds it: ")
        .unwrap_or_else(|| panic!("{hint}"))
}

#[tokio::test]
async fn of_two_drains_neither_charges_webhooks_for_rows_the_other_holds_while_it_waits_for_a_table() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (client, holder) = (
        stack.connect().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    let orders: Vec<Order> = Generator::new(38).orders(0..3).collect();
    receive_orders(&client, &orders).await;
    assert_eq!(drain(&client, 100).await, [3, 3, 0, 0]);
    lock(&holder, "raw_ops.order_items").await;
    // All of the same few orders, with items to write: each drain holds rows the other needs.
    for minute in 0..40 {
        for order in &orders {
            let mut edited: Value = serde_json::from_slice(&order.bytes).unwrap();
            edited["updated_at"] = format!("2027-01-01T00:{minute:02}:00Z").into();
            edited["line_items"][0]["quantity"] = (minute + 10).into();
            let event_id = format!("{} at {minute}", order.id);
            receive(
                &client,
                "orders/updated",
                &event_id,
                edited.to_string().as_bytes(),
            )
            .await;
        }
    }
    let before = fates(&client).await;
    let mut drains = tokio::task::JoinSet::new();
    for timeout in ["150ms", "400ms", "250ms"] {
        let drain = stack.connect().await.unwrap();
        drains.spawn(async move {
            run(&drain, &format!("SET lock_timeout = '{timeout}'")).await;
            for _ in 0..6 {
                // Refused as a whole, or nothing done.
                let _ = drain
                    .batch_execute("SELECT raw_ops.process_pending_webhooks(20)")
                    .await;
            }
        });
    }
    drains.join_all().await;
    assert_eq!(fates(&client).await, before);
    release(&holder).await;
    while drain(&client, 100).await[0] > 0 {}
    assert_eq!(states(&client).await, in_states([("success", 123)]));
}

#[tokio::test]
async fn the_worker_waits_for_a_locked_table_says_so_and_goes_on() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let (client, holder) = (
        stack.connect_as_superuser().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    lock(&holder, "raw_ops.order_items").await;
    let orders: Vec<Order> = Generator::new(38).orders(0..20).collect();
    receive_orders(&client, &orders).await;
    // Another role's query is not for everybody to read.
    let superuser = stack.connect_as_superuser().await.unwrap();
    let told = "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'raw_ops worker' AND query LIKE '%locked the table raw_ops.order_items%'";
    wait_until(LIMIT, "the worker to say what it waits for", async || {
        one::<i64>(&superuser, told).await == 1
    })
    .await
    .unwrap();
    assert_eq!(states(&client).await, in_states([("pending", 20)]));
    release(&holder).await;
    stack.wait_drained(LIMIT).await.unwrap();
    let attempts: Vec<i32> = column(&client, "SELECT DISTINCT attempts FROM raw_ops.webhook_inbox").await;
    assert_eq!(attempts, [1]);
    assert_tables_hold(&client, &orders).await;
}

#[tokio::test]
async fn a_locked_table_that_a_trigger_of_the_owners_needs_holds_up_only_those_that_need_it() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let (client, holder) = (
        stack.connect_as_superuser().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    as_superuser(
        &stack,
        "CREATE TABLE public.ledger (number bigint);
         GRANT ALL ON public.ledger TO PUBLIC;
         CREATE FUNCTION public.book() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF NEW.note = 'poison' THEN INSERT INTO public.ledger VALUES (NEW.shopify_order_id); END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER book BEFORE INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION public.book()",
    )
    .await;
    let orders = orders_with_poison(39, 30, 5);
    receive_orders(&client, &orders).await;
    lock(&holder, "public.ledger").await;
    run(&client, "SET lock_timeout = '100ms'").await;
    assert_eq!(drain(&client, 100).await, [30, 29, 0, 0]);
    for _ in 0..6 {
        let refusal = refused(&client, "SELECT raw_ops.process_pending_webhooks()").await;
        assert_eq!(refusal.sqlstate, "55P03", "{refusal:?}");
    }
    let waiting: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', event_id, processing_status, attempts) FROM raw_ops.webhook_inbox
          WHERE processing_status <> 'success'",
    )
    .await;
    assert_eq!(waiting, ["create-1006 pending 0"]);
    release(&holder).await;
    assert_eq!(drain(&client, 100).await, [1, 1, 0, 0]);
    assert_tables_hold(&client, &orders).await;
}
