//! A pooler in transaction mode hands every transaction to whichever session is free.

use super::{answered, get};
use crate::support::*;
use raw_ops_e2e::orders::{Generator, Order};
use raw_ops_e2e::shopify::{Delivery, Sender};
use raw_ops_e2e::stack::SHIM_ROLE;
use raw_ops_e2e::{PgBouncer, Shim, Stack, StackOptions, wait_until};

const SECRET: &str = "behind a pooler";

/// A stack whose shim goes through a pooler with fewer sessions than the shim has connections.
async fn pooled(options: StackOptions, more: &[(&str, &str)]) -> (Stack, PgBouncer, Shim) {
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let settings: Vec<_> = [("default_pool_size", "2")].iter().chain(more).copied().collect();
    let pooler = PgBouncer::start(&stack.cluster, &settings).await.unwrap();
    // As hosters write it.
    let url = pooler.url(&stack.db, SHIM_ROLE) + "?pgbouncer=true&connection_limit=1";
    let shim = Shim::builder(&url)
        .env("SHOPIFY_WEBHOOK_SECRET", SECRET)
        .env("STORE_TIMEOUT_MS", 2_000)
        .start()
        .await
        .unwrap();
    shim.wait_ready().await.unwrap();
    (stack, pooler, shim)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_pooler_swaps_the_sessions_every_webhook_is_200_and_readyz_is_stable() {
    // A session is closed after every transaction.
    let (stack, _pooler, shim) = pooled(durable(), &[("server_lifetime", "0")]).await;
    let load = Load::start(&Sender::to(&shim, SECRET));
    let target = load.count() + 600;
    wait_until(LIMIT, "600 webhooks to be accepted", async || {
        let ready = get(&shim, "/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
        load.count() >= target
    })
    .await
    .unwrap();
    let sent = load.finish().await;
    assert_eq!(answered(&shim, "5").await, 0, "{:?}", shim.log_lines().last());
    sent.assert_ingested(&stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_a_pooler_is_restarted_under_load_nothing_is_lost_and_nothing_is_500() {
    let (stack, mut pooler, shim) = pooled(durable(), &[("server_lifetime", "1")]).await;
    let load = Load::start(&Sender::to(&shim, SECRET));
    for _ in 0..4 {
        load.wait_for_more(150).await;
        pooler.restart().await.unwrap();
        load.wait_for_more(50).await;
        shim.wait_ready().await.unwrap();
    }
    let sent = load.finish().await;
    assert_eq!(answered(&shim, "500").await, 0, "{}", shim.log_lines().join("\n"));
    assert!(answered(&shim, "200").await >= 800);
    sent.assert_ingested(&stack).await;
}

/// Sessions of the shim's role that wait for something.
const SESSIONS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'raw_ops_shim' AND state = 'active'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_for_long_leaves_no_sessions_behind_and_says_locked() {
    let stack = Stack::start(by_hand().shim_env("STORE_TIMEOUT_MS", 600))
        .await
        .unwrap();
    let pooler = PgBouncer::start(&stack.cluster, &[("default_pool_size", "20")])
        .await
        .unwrap();
    let behind = Shim::builder(&pooler.url(&stack.db, SHIM_ROLE))
        .env("SHOPIFY_WEBHOOK_SECRET", SECRET)
        .env("STORE_TIMEOUT_MS", 600)
        .start()
        .await
        .unwrap();
    behind.wait_ready().await.unwrap();
    // To see other roles' sessions.
    let client = stack.connect_as_superuser().await.unwrap();
    let orders: Vec<Order> = Generator::new(14).orders(0..40).collect();
    let deliveries: Vec<Delivery> = orders
        .iter()
        .map(|order| order.delivery("orders/create"))
        .collect();
    for (shim, sender) in [
        (stack.shim().unwrap(), stack.sender().unwrap()),
        (&behind, Sender::to(&behind, SECRET)),
    ] {
        run(&client, "BEGIN; LOCK TABLE raw_ops.webhook_inbox").await;
        for _ in 0..6 {
            let outcomes = sender.send_all(deliveries.clone(), 40).await;
            assert!(
                outcomes.iter().all(|outcome| outcome.status == Some(503)),
                "{outcomes:?}"
            );
            let sessions: i64 = one(&client, SESSIONS).await;
            assert!(sessions <= 5, "{sessions} sessions wait for the lock");
        }
        let said = wait_until(LIMIT, "an answer that says why", async || {
            sender.send(&deliveries[0]).await.body.contains("too busy")
        });
        if let Err(error) = said.await {
            panic!("{error}; PgBouncer said\n{}", pooler.log());
        }
        shim.wait_for_log("pg_blocking_pids").await.unwrap();
        run(&client, "ROLLBACK").await;
        wait_until(LIMIT, "the sessions to end", async || {
            one::<i64>(&client, SESSIONS).await == 0
        })
        .await
        .unwrap();
        for delivery in &deliveries {
            wait_until(LIMIT, "the webhook to be accepted", async || {
                sender.send(delivery).await.accepted()
            })
            .await
            .unwrap();
        }
    }
    let stored: i64 = one(&client, "SELECT count(*) FROM raw_ops.webhook_inbox").await;
    assert_eq!(stored, 40);
}
