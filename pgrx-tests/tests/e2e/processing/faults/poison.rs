//! One webhook needs more than the server has: it is to blame, and the others go on. When all fail so, nobody is.

use super::*;
use raw_ops_e2e::{StackOptions, wait_until};

/// A server whose statements may hardly use memory or temporary files: three thousand line items are too many for it.
fn tight(options: StackOptions) -> StackOptions {
    options
        .without_shim()
        .setting("work_mem", "64kB")
        .setting("temp_file_limit", "100kB")
}

/// Stores orders in a session without those limits.
async fn receive_unlimited(stack: &Stack, orders: &[Order]) {
    let superuser = stack.connect_as_superuser().await.unwrap();
    run(&superuser, "SET temp_file_limit = -1").await;
    receive_orders(&superuser, orders).await;
}

fn with_large_one(count: u64) -> Vec<Order> {
    let mut orders: Vec<Order> = Generator::new(31).orders(0..count).collect();
    orders[0] = large_order(31, 0, 3_000);
    orders
}

#[tokio::test]
async fn a_rowset_beyond_temp_file_limit_is_an_error_and_no_crash_of_the_server() {
    let stack = Stack::start(tight(by_hand())).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let orders = with_large_one(1);
    let body = String::from_utf8(orders[0].bytes.to_vec())
        .unwrap()
        .replace('\'', "''");
    let call = format!(
        "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'large', '{{}}', convert_to('{body}', 'UTF8'))"
    );
    for _ in 0..3 {
        let refusal = refused(&client, &call).await;
        assert_eq!(refusal.sqlstate, "53400", "{refusal:?}");
    }
    receive_unlimited(&stack, &orders).await;
    for _ in 0..3 {
        let refusal = refused(&client, "SELECT raw_ops.process_pending_webhooks()").await;
        assert_eq!(refusal.sqlstate, "53400", "{refusal:?}");
    }
    assert_eq!(crashes(&stack), 0);
    assert_eq!(
        fates(&client).await,
        ["create-1001 pending 0"],
        "nothing beside it says that it is to blame"
    );
}

#[tokio::test]
async fn a_webhook_beyond_temp_file_limit_is_to_blame_and_its_neighbours_go_on() {
    let stack = Stack::start(tight(by_hand())).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let orders = with_large_one(60);
    receive_unlimited(&stack, &orders).await;
    // More than one fit into no temporary file either: halves do.
    assert_eq!(drain(&client, 100).await, [60, 59, 1, 0]);
    assert_only_failed(&client, "create-1001", 59, 1).await;

    // Alone it tells nothing, until others have gone through since.
    make_due(&client).await;
    let refusal = refused(&client, "SELECT raw_ops.retry_failed_webhooks()").await;
    assert_eq!(refusal.sqlstate, "53400", "{refusal:?}");
    let more: Vec<Order> = Generator::new(31).orders(60..64).collect();
    for (others, order) in (60..).zip(&more) {
        receive_unlimited(&stack, std::slice::from_ref(order)).await;
        assert_eq!(drain(&client, 100).await, [1, 1, 0, 0]);
        make_due(&client).await;
        let attempts = others - 58;
        let dead = i64::from(attempts == 5);
        assert_eq!(retry(&client).await, [1, 0, 1 - dead, dead], "attempt {attempts}");
    }
    assert_eq!(states(&client).await, in_states([("dlq", 1), ("success", 63)]));
}

#[tokio::test]
async fn the_worker_goes_on_past_a_webhook_beyond_temp_file_limit() {
    let stack = Stack::start(tight(StackOptions::for_tests())).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let orders = with_large_one(40);
    // First the large one alone, then the others: the worker has seen it fail before they come.
    receive_unlimited(&stack, &orders[..1]).await;
    let log = "the worker to have met it";
    wait_until(LIMIT, log, async || {
        stack.cluster.log().contains("temporary file size exceeds")
    })
    .await
    .unwrap();
    assert_eq!(fates(&client).await, ["create-1001 pending 0"]);
    receive_unlimited(&stack, &orders[1..]).await;
    let settled = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status <> 'pending'";
    wait_until(LIMIT, "all to be settled", async || {
        one::<i64>(&client, settled).await == 40
    })
    .await
    .unwrap();
    assert_only_failed(&client, "create-1001", 39, 1).await;
    assert_eq!(crashes(&stack), 0);
}

/// For an order with the note, asks for more memory than a limited process gets.
const HUNGRY: &str = "CREATE FUNCTION public.hungry() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
         IF NEW.note = 'poison' THEN PERFORM length(repeat('x', 900000000)); END IF;
         RETURN NEW;
     END $$;
     CREATE TRIGGER hungry BEFORE INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION public.hungry()";

/// Limits the address space of this session's process to what it has and so many megabytes more.
async fn limit_memory(stack: &Stack, client: &Client, more: u64) {
    let pid: i32 = one(client, "SELECT pg_backend_pid()").await;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    let has: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let limit = has * 1024 + (more << 20);
    // By the server's own user, who may.
    as_superuser(
        stack,
        &format!("COPY (SELECT) TO PROGRAM 'cat; prlimit --pid {pid} --as={limit}'"),
    )
    .await;
}

#[tokio::test]
async fn a_webhook_that_needs_more_memory_than_there_is_costs_only_itself() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    as_superuser(&stack, HUNGRY).await;
    let orders = orders_with_poison(33, 100, 3);
    receive_orders(&client, &orders).await;
    limit_memory(&stack, &client, 200).await;
    assert_eq!(drain(&client, 200).await, [100, 99, 1, 0]);
    assert_only_failed(&client, "create-1004", 99, 1).await;
    let error: String = one(
        &client,
        "SELECT last_error FROM raw_ops.webhook_inbox WHERE last_error IS NOT NULL",
    )
    .await;
    assert_eq!(error, "out of memory");
}

#[tokio::test]
async fn when_every_webhook_fails_for_want_of_memory_none_is_to_blame() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    as_superuser(&stack, &HUNGRY.replace("NEW.note = 'poison'", "true")).await;
    receive_orders(&client, &Generator::new(34).orders(0..20).collect::<Vec<_>>()).await;
    limit_memory(&stack, &client, 200).await;
    for call in ["process_pending_webhooks()", "retry_failed_webhooks()"] {
        let refusal = refused(&client, &format!("SELECT raw_ops.{call}")).await;
        assert_eq!(refusal.sqlstate, "53200", "{call}: {refusal:?}");
    }
    let untouched: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, attempts, last_error) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(untouched, ["pending 0"]);
}

#[tokio::test]
async fn a_payload_damaged_on_disk_costs_only_itself() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let orders: Vec<Order> = Generator::new(35).orders(0..20).collect();
    receive_orders(&client, &orders).await;
    as_superuser(
        &stack,
        "SET allow_system_table_mods = on;
         DO $$
         DECLARE v_toast oid := (SELECT reltoastrelid FROM pg_class WHERE oid = 'raw_ops.webhook_inbox'::regclass);
         BEGIN
             -- Only a table's rows may be deleted.
             UPDATE pg_class SET relkind = 'r' WHERE oid = v_toast;
             EXECUTE format('DELETE FROM %1$s WHERE chunk_id = (SELECT min(chunk_id) FROM %1$s)', v_toast::regclass);
             UPDATE pg_class SET relkind = 't' WHERE oid = v_toast;
         END $$",
    )
    .await;
    assert_eq!(drain(&client, 100).await, [20, 19, 1, 0]);
    let damaged: Vec<String> = column(
        &client,
        "SELECT concat_ws(' ', attempts, error_category) FROM raw_ops.webhook_inbox WHERE processing_status = 'failed'",
    )
    .await;
    assert_eq!(damaged, ["1 internal"]);
}
