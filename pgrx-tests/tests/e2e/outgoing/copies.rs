//! A database that was restored or copied sends nothing before somebody says so: staging never writes to customers.

use raw_ops_e2e::stack::OWNER_ROLE;
use raw_ops_e2e::{Cluster, Machine, Reply, Stop, wait_until};

use super::*;

/// Where nobody has named a host: on this machine with its machine-id, nowhere else.
pub(super) fn on(machine: Machine, options: StackOptions) -> StackOptions {
    options.on(machine).setting("raw_ops.delivery_hosts", "")
}

fn original() -> StackOptions {
    on(Machine::named("original"), StackOptions::for_tests())
}

/// Queues what waits for an hour, so that it is in every copy, and one that is in the air when the copy is made.
pub(super) async fn waiting_requests(sending: &Sending) -> Vec<Request> {
    sending.world.always("/held", Reply::never());
    sending.world.always("/*", Reply::ok());
    let in_the_air = Request::endpoint(&sending.world.url("/held")).timeout(60_000);
    sending.enqueue(&in_the_air).await;
    sending.world.wait_for_requests(LIMIT, 1).await.unwrap();
    let requests = vec![
        Request::endpoint(&sending.world.url("/hook")).after("1 hour"),
        Request::slack().after("1 hour"),
        Request::customerio("7").after("1 hour"),
    ];
    for request in &requests {
        sending.enqueue(request).await;
    }
    requests
}

/// Everything becomes due, and something new is queued; still nothing leaves. Returns what is new. A superuser's client
/// sees what the sender does.
pub(super) async fn assert_silent(client: &Client, sending: &Sending) -> Request {
    let sent =
        "SELECT count(*) FROM raw_ops.http_requests WHERE state NOT IN ('queued', 'sending') OR attempt > 1";
    let before: i64 = one(client, sent).await;
    run(
        client,
        "CREATE TEMP TABLE IF NOT EXISTS due (at timestamptz); TRUNCATE due; INSERT INTO due VALUES (clock_timestamp());
         UPDATE raw_ops.http_requests SET send_after = now() WHERE state = 'queued';
         UPDATE raw_ops.http_requests SET lease_until = now() WHERE state = 'sending'",
    )
    .await;
    let new = Request::endpoint(&sending.world.url("/new"));
    new.insert(client).await;
    run(client, "CALL raw_ops.deliver_outbox(1)").await;
    let looked = "SELECT count(*) FROM pg_stat_activity, due WHERE backend_type = 'raw_ops sender' AND state = 'idle' AND state_change > at";
    sending
        .world
        .nothing_until(LIMIT, "the sender to have looked", async || {
            one::<i64>(client, looked).await == 1
        })
        .await
        .unwrap();
    assert_eq!(one::<i64>(client, sent).await, before);
    new
}

pub(super) async fn assert_sent(client: &Client, requests: impl IntoIterator<Item = &Request>) {
    for request in requests {
        let succeeded = format!(
            "SELECT count(*) FROM raw_ops.http_requests WHERE state = 'succeeded' AND idempotency_key = '{}'",
            request.key
        );
        wait_until(LONG, "it to be sent after all", async || {
            one::<i64>(client, &succeeded).await == 1
        })
        .await
        .unwrap();
    }
}

async fn assert_silent_until_resumed(cluster: &Cluster, db: &str, sending: &Sending, requests: &[Request]) {
    let client = cluster.connect_as(db, OWNER_ROLE).await.unwrap();
    let new = assert_silent(&cluster.connect(db).await.unwrap(), sending).await;
    let health: Value = one(&client, "SELECT raw_ops.fn_health_v1()").await;
    assert!(
        health.to_string().contains("fn_resume_delivery_v1"),
        "the operator is told: {health}"
    );

    run(&client, "SELECT raw_ops.fn_resume_delivery_v1()").await;
    assert_sent(&client, requests.iter().chain([&new])).await;
    let resumed = "SELECT count(*) FROM raw_ops.ops_events WHERE message = 'delivery.resumed'";
    assert_eq!(one::<i64>(&client, resumed).await, 1);
}

#[tokio::test]
async fn a_restored_dump_sends_nothing_until_it_is_resumed() {
    let sending = Sending::start_with(Carrier::Builtin, original()).await;
    let requests = waiting_requests(&sending).await;
    let dump = sending.stack.cluster.pg_dump("shop", &[]).await.unwrap();
    let files = files_of_the_server();
    // Even on the very same machine.
    let mut staging = Cluster::builder()
        .for_raw_ops("shop")
        .fast()
        .on(Machine::named("original"));
    for (name, value) in sends_to(&sending.world, original(), &files).settings {
        staging = staging.setting(&name, value);
    }
    let staging = staging.start().await.unwrap();
    // Whom the dump grants something; roles are not in it.
    let admin = staging.connect("postgres").await.unwrap();
    run(&admin, "CREATE ROLE raw_ops_shim; CREATE ROLE shop_owner LOGIN").await;
    staging.pg_restore("shop", &dump, &[]).await.unwrap();
    assert_silent_until_resumed(&staging, "shop", &sending, &requests).await;
    // The original was never in doubt.
    assert_eq!(sending.send("/original").await, ["1 succeeded 200"]);
}

#[tokio::test]
async fn a_copied_volume_sends_nothing_until_it_is_resumed() {
    let options = on(Machine::named("original"), durable());
    let mut sending = Sending::start_with(Carrier::Builtin, options).await;
    let requests = waiting_requests(&sending).await;
    sending.stack.cluster.stop(Stop::Immediate).await.unwrap();
    let files = files_of_the_server();
    let mut copy = Cluster::builder()
        .for_raw_ops("shop")
        .on(Machine::named("original"))
        .copy_of(&sending.stack.cluster);
    for (name, value) in sends_to(&sending.world, original(), &files).settings {
        copy = copy.setting(&name, value);
    }
    let copy = copy.start().await.unwrap();
    assert_silent_until_resumed(&copy, "shop", &sending, &requests).await;
    drop(copy);

    // The original goes on as if nothing had been.
    let arrived = sending.world.count();
    sending.stack.cluster.start().await.unwrap();
    sending.client = sending.stack.connect().await.unwrap();
    assert_eq!(sending.send("/original").await, ["1 succeeded 200"]);
    assert!(sending.world.count() > arrived);
}

#[tokio::test]
async fn a_database_made_from_it_as_a_template_may_not_send() {
    let sending = Sending::start_with(Carrier::Builtin, original()).await;
    let made = "CREATE DATABASE copy TEMPLATE shop";
    let admin = sending.stack.cluster.connect("postgres").await.unwrap();
    wait_until(LIMIT, "nobody to use the original", async || {
        run(
            &admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'",
        )
        .await;
        admin.batch_execute(made).await.is_ok()
    })
    .await
    .unwrap();
    let copy = sending.stack.cluster.connect("copy").await.unwrap();
    let said: Value = one(&copy, "SELECT raw_ops.fn_deliver_outbox_v1()").await;
    assert_eq!(said["carrier"], "held");
}
