//! A webhook that takes the server down, as one does that the operating system kills a process for: not for ever, and not
//! at the cost of the others.

use super::*;
use raw_ops_e2e::{StackOptions, wait_until};

/// For an order with the note the process is killed outright: every session of the server ends.
const KILLER: &str = "CREATE FUNCTION public.kill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
     BEGIN
         IF NEW.note = 'poison' THEN
             EXECUTE format('COPY (SELECT) TO PROGRAM %L', 'cat; kill -9 ' || pg_backend_pid());
         END IF;
         RETURN NEW;
     END $$;
     CREATE TRIGGER kill BEFORE INSERT ON raw_ops.orders FOR EACH ROW EXECUTE FUNCTION public.kill()";

async fn fate_of_the_killer(client: &Client) -> String {
    one(
        client,
        "SELECT concat_ws(' ', processing_status, attempts, error_category, last_error)
           FROM raw_ops.webhook_inbox WHERE event_id = 'create-1006'",
    )
    .await
}

const NOT_TOUCHED: &str = "internal the server died 3 times while it worked on this webhook alone; it is only processed again by hand";

#[tokio::test]
async fn the_worker_survives_a_webhook_that_kills_the_server_and_processes_all_others() {
    let mut stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect().await.unwrap();
    as_superuser(&stack, KILLER).await;
    let orders = orders_with_poison(50, 60, 5);
    receive_orders(&client, &orders).await;
    let settled = "SELECT count(*) FROM raw_ops.webhook_inbox WHERE processing_status <> 'pending'";
    wait_until(LIMIT, "all to be settled", async || {
        let Ok(client) = stack.connect_as_superuser().await else {
            return false;
        };
        client
            .query_one(settled, &[])
            .await
            .is_ok_and(|row| row.get::<_, i64>(0) == 60)
    })
    .await
    .unwrap();
    stack.cluster.wait_ready().await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    assert_eq!(
        fate_of_the_killer(&client).await,
        format!("failed 1 {NOT_TOUCHED}")
    );
    assert_eq!(states(&client).await, in_states([("failed", 1), ("success", 59)]));
    assert_eq!(crashes(&stack), 4, "once among others, three times alone");

    // Its retries cost no crash either. Once it is mended, a person processes it.
    make_due(&client).await;
    assert_eq!(retry(&client).await, [1, 0, 1, 0]);
    assert_eq!(
        fate_of_the_killer(&client).await,
        format!("failed 2 {NOT_TOUCHED}")
    );
    as_superuser(&stack, "DROP FUNCTION public.kill() CASCADE").await;
    let by_hand = "SELECT raw_ops.process_webhook(id)->>'status' FROM raw_ops.webhook_inbox WHERE event_id = 'create-1006'";
    assert_eq!(one::<String>(&client, by_hand).await, "success");
    assert_tables_hold(&client, &orders).await;
    assert_eq!(crashes(&stack), 4);
}

#[tokio::test]
async fn the_minutely_job_survives_it_too_and_it_ends_as_a_dead_letter() {
    let mut stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    as_superuser(&stack, KILLER).await;
    receive_orders(&client, &orders_with_poison(51, 60, 5)).await;
    let mut died = 0;
    while stack
        .connect_as_superuser()
        .await
        .unwrap()
        .batch_execute("CALL raw_ops.drain_inbox()")
        .await
        .is_err()
    {
        died += 1;
        assert!(died < 10, "{}", stack.cluster.log_tail());
        let recovered = format!("{died} recoveries");
        wait_until(LIMIT, &recovered, async || crashes(&stack) == died)
            .await
            .unwrap();
        stack.cluster.wait_ready().await.unwrap();
    }
    assert_eq!(died, 4, "once among others, three times alone");
    let client = stack.connect_as_superuser().await.unwrap();
    for left in [1, 1, 1, 0] {
        make_due(&client).await;
        assert_eq!(retry(&client).await, [1, 0, left, 1 - left]);
    }
    assert_eq!(fate_of_the_killer(&client).await, format!("dlq 5 {NOT_TOUCHED}"));
    assert_eq!(states(&client).await, in_states([("dlq", 1), ("success", 59)]));
}

#[tokio::test]
async fn a_crash_that_no_webhook_is_to_blame_for_costs_none_of_them_anything() {
    let mut stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for _ in 0..4 {
        let client = stack.connect_as_superuser().await.unwrap();
        let known: i64 = one(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await;
        let number = known as u64;
        receive_orders(
            &client,
            &Generator::new(52).orders(number..number + 20).collect::<Vec<_>>(),
        )
        .await;
        // Killed in the middle: claimed, worked on, not committed.
        run(&client, "BEGIN; SELECT raw_ops.process_pending_webhooks(1000)").await;
        let pid: i32 = one(&client, "SELECT pg_backend_pid()").await;
        stack.cluster.kill_backend(pid).await.unwrap();
        stack.cluster.wait_ready().await.unwrap();
    }
    let client = stack.connect_as_superuser().await.unwrap();
    run(&client, "CALL raw_ops.drain_inbox()").await;
    let attempts: Vec<i32> = column(&client, "SELECT DISTINCT attempts FROM raw_ops.webhook_inbox").await;
    assert_eq!(attempts, [1]);
    assert_eq!(states(&client).await, in_states([("success", 80)]));
    assert_tables_hold(&client, &Generator::new(52).orders(0..80).collect::<Vec<_>>()).await;
}
