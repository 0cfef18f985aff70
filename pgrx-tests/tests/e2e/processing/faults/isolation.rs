//! A server whose transactions are serializable by default: everything works, and what lost a race is done again at once.

use super::*;
use raw_ops_e2e::{StackOptions, wait_until};

fn serializable(options: StackOptions) -> StackOptions {
    options.setting("default_transaction_isolation", "serializable")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_and_the_minutely_job_ingest_under_load_where_serializable_is_the_default() {
    let options = serializable(StackOptions::for_tests()).setting("raw_ops.workers", 2);
    let stack = Stack::start(options).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    let load = Load::start(&stack.sender().unwrap());
    for _ in 0..5 {
        load.wait_for_more(60).await;
        run(&client, "CALL raw_ops.drain_inbox()").await;
    }
    load.finish().await.assert_ingested(&stack).await;
    let errors: Vec<String> = column(
        &client,
        "SELECT DISTINCT last_error FROM raw_ops.webhook_inbox WHERE last_error IS NOT NULL",
    )
    .await;
    assert_eq!(errors, Vec::<String>::new());
    let log = stack.cluster.log();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("raw_ops worker:"))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new(), "no worker has rested");
}

#[tokio::test]
async fn a_drain_that_lost_a_race_in_a_serializable_transaction_charges_no_webhook() {
    let stack = Stack::start(serializable(by_hand()).without_shim())
        .await
        .unwrap();
    let (client, other) = (
        stack.connect_as_superuser().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    let order = Generator::new(42).order(0);
    receive_orders(&client, std::slice::from_ref(&order)).await;
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
    let later = order.updated(60, &[Change::Note("later".into())]);
    receive(&client, "orders/updated", "later", &later.bytes).await;
    run(&client, "BEGIN; SELECT count(*) FROM raw_ops.orders").await;
    run(&other, "UPDATE raw_ops.orders SET tags = 'changed meanwhile'").await;
    let refusal = refused(&client, "SELECT raw_ops.process_pending_webhooks()").await;
    assert_eq!(refusal.sqlstate, "40001", "{refusal:?}");
    run(&client, "ROLLBACK").await;
    assert_eq!(fates(&client).await, ["create-1001 success 1", "later pending 0"]);
    assert_eq!(drain(&client, 10).await, [1, 1, 0, 0]);
}

#[tokio::test]
async fn a_worker_that_lost_a_race_tries_again_at_once() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    // The first four times that the outcome is recorded somebody else was faster; a sequence remembers over rollbacks.
    as_superuser(
        &stack,
        "CREATE SEQUENCE public.tries;
         GRANT ALL ON SEQUENCE public.tries TO PUBLIC;
         CREATE FUNCTION public.race() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF nextval('public.tries') < 5 THEN
                 RAISE 'could not serialize access' USING errcode = 'serialization_failure';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER race BEFORE UPDATE ON raw_ops.webhook_inbox FOR EACH ROW EXECUTE FUNCTION public.race()",
    )
    .await;
    receive_orders(&client, &[Generator::new(43).order(0)]).await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let tried = "SELECT last_value >= 5 FROM public.tries";
    wait_until(LIMIT, "it to have been tried five times", async || {
        one::<bool>(&superuser, tried).await
    })
    .await
    .unwrap();
    stack.wait_drained(LIMIT).await.unwrap();
    let log = stack.cluster.log();
    assert!(!log.contains("raw_ops worker:"), "it has not rested: {log}");
}
