//! Which host may send: the one that is named. A block copy elsewhere does not, a standby that was named ahead of time
//! does, and where nobody is named a container says what to do.

use raw_ops_e2e::{Machine, Reply, Stop, wait_until};

use super::copies::{assert_sent, assert_silent, on, waiting_requests};
use super::*;

const HELD: &str = "SELECT raw_ops.fn_metrics_v1() ~ '(?n)^raw_ops_delivery_held 1$'";
const NOT_HELD: &str = "SELECT raw_ops.fn_metrics_v1() ~ '(?n)^raw_ops_delivery_held 0$'";

/// A machine that its files cannot tell from another: a container.
fn container(host: &str) -> Machine {
    Machine::named(host).without_id()
}

async fn started_on(machine: Machine) -> Sending {
    let sending = Sending::start_with(Carrier::Builtin, on(machine, durable())).await;
    sending.world.always("/*", Reply::ok());
    sending
}

/// The server stops, and its files go on elsewhere, block by block: same path, same inodes, same rows.
async fn copied_to(sending: &mut Sending, machine: Machine) {
    sending.stack.cluster.stop(Stop::Fast).await.unwrap();
    sending.stack.cluster.move_to(machine).unwrap();
    sending.stack.cluster.start().await.unwrap();
    sending.client = sending.stack.connect().await.unwrap();
}

/// The statements that health prints for the fault "delivery", as they stand.
async fn next_of_health(client: &Client) -> Vec<String> {
    let health: Value = one(client, "SELECT raw_ops.fn_health_v1()").await;
    assert_eq!(health["delivery_held"], true);
    assert_eq!(health["status"], "critical");
    let faults = health["faults"].as_array().unwrap();
    let fault = faults.iter().find(|fault| fault["what"] == "delivery");
    let next = &fault.unwrap_or_else(|| panic!("{health}"))["next"];
    let lines = next.as_array().map_or_else(
        || next.as_str().unwrap().lines().map(str::to_owned).collect(),
        |lines| {
            lines
                .iter()
                .map(|line| line.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        },
    );
    assert!(!lines.is_empty());
    lines
}

async fn superuser(sending: &Sending) -> Client {
    sending.stack.connect_as_superuser().await.unwrap()
}

/// Pastes what is printed, the notes as well: this one is to send.
async fn paste(client: &Client, steps: &[String]) {
    let acts = ["superuser: ", "and: ", "If this one is to send: "];
    for step in steps {
        let in_a_note = acts.iter().find_map(|act| step.split_once(act));
        match in_a_note {
            Some((_, statement)) => run(client, statement).await,
            None if step.starts_with("--") => {}
            None => run(client, step).await,
        }
    }
}

#[tokio::test]
async fn a_block_copy_on_a_host_without_a_machine_id_sends_nothing() {
    let mut sending = started_on(container("shop-db")).await;
    sending.set("raw_ops.delivery_hosts", "shop-db").await;
    let requests = waiting_requests(&sending).await;
    let arrived = sending.world.count();

    copied_to(&mut sending, container("staging")).await;
    let new = assert_silent(&superuser(&sending).await, &sending).await;
    assert!(one::<bool>(&sending.client, HELD).await);
    let refusal = refused(&sending.client, "SELECT raw_ops.fn_resume_delivery_v1()").await;
    assert!(
        refusal.message.contains("shop-db") && refusal.message.contains("staging"),
        "{refusal:?}"
    );
    assert!(
        refusal
            .hint
            .contains("ALTER SYSTEM SET raw_ops.delivery_hosts = 'shop-db, staging';"),
        "{refusal:?}"
    );
    assert_eq!(sending.world.count(), arrived);

    // Should it be a move after all, what is printed is all there is to do.
    let next = next_of_health(&sending.client).await;
    paste(&superuser(&sending).await, &next).await;
    assert_sent(&sending.client, requests.iter().chain([&new])).await;
    assert!(one::<bool>(&sending.client, NOT_HELD).await);
}

#[tokio::test]
async fn without_a_machine_id_nothing_is_sent_until_this_host_is_named() {
    let mut sending = started_on(container("c0ffee")).await;
    let guarded: bool = one(
        &sending.client,
        "SELECT fingerprint IS NULL FROM raw_ops.clone_guard",
    )
    .await;
    assert!(guarded, "there is nothing to tell it by");
    let new = assert_silent(&superuser(&sending).await, &sending).await;
    let refusal = refused(&sending.client, "SELECT raw_ops.fn_resume_delivery_v1()").await;
    assert!(refusal.message.contains("machine-id"), "{refusal:?}");

    let next = next_of_health(&sending.client).await;
    assert!(
        next[0].ends_with("ALTER SYSTEM SET raw_ops.delivery_hosts = 'c0ffee';"),
        "{next:?}"
    );
    paste(&superuser(&sending).await, &next).await;
    assert_sent(&sending.client, [&new]).await;
    // The next start of the same container is no copy.
    copied_to(&mut sending, container("c0ffee")).await;
    assert_eq!(sending.send("/again").await, ["1 succeeded 200"]);
    // Taken away again, it is held at once.
    sending.set("raw_ops.delivery_hosts", "").await;
    assert!(one::<bool>(&sending.client, HELD).await);
}

#[tokio::test]
async fn what_was_queued_can_be_discarded_before_the_host_is_named() {
    let mut sending = started_on(container("shop-db")).await;
    sending.set("raw_ops.delivery_hosts", "shop-db").await;
    waiting_requests(&sending).await;
    copied_to(&mut sending, container("staging")).await;
    let arrived = sending.world.count();
    let done: Value = one(&sending.client, "SELECT raw_ops.fn_resume_delivery_v1(true)").await;
    assert_eq!(
        [&done["discarded"], &done["is_held"], &done["queued"]],
        [&json!(4), &json!(true), &json!(0)],
        "{done}"
    );
    let next: Vec<String> = serde_json::from_value(done["next"].clone()).unwrap();
    assert_eq!(next, next_of_health(&sending.client).await);
    paste(&superuser(&sending).await, &next).await;
    assert_eq!(sending.send("/first").await, ["1 succeeded 200"]);
    assert_eq!(sending.world.count(), arrived + 1, "of the rest nothing");
}

#[tokio::test]
async fn a_restart_a_reboot_or_a_remount_of_the_original_never_holds_it() {
    let original = || Machine::named("original");
    let mut sending = started_on(original()).await;
    assert_eq!(sending.send("/first").await, ["1 succeeded 200"]);
    for how in [Stop::Fast, Stop::Immediate] {
        sending.stack.cluster.restart(how).await.unwrap();
        sending.client = sending.stack.connect().await.unwrap();
        assert_eq!(sending.send("/restarted").await, ["1 succeeded 200"]);
    }
    // The same volume, mounted anew at the same place.
    let cluster = &mut sending.stack.cluster;
    cluster.stop(Stop::Fast).await.unwrap();
    let (data, volume) = (cluster.data_dir(), cluster.dir().join("volume"));
    std::fs::rename(&data, &volume).unwrap();
    std::fs::create_dir(&data).unwrap();
    for _ in 0..2 {
        copied_to(&mut sending, original().with_volume(&volume)).await;
        assert_eq!(sending.send("/mounted").await, ["1 succeeded 200"]);
    }
    // Under another name it is the same machine.
    sending.stack.cluster.stop(Stop::Fast).await.unwrap();
    let id = sending.stack.cluster.dir().join("etc-of-original/machine-id");
    let renamed = Machine::named("renamed").with_id(&std::fs::read_to_string(id).unwrap());
    copied_to(&mut sending, renamed.with_volume(&volume)).await;
    assert_eq!(sending.send("/renamed").await, ["1 succeeded 200"]);
    // Another machine is not.
    copied_to(&mut sending, Machine::named("other").with_volume(&volume)).await;
    assert_silent(&superuser(&sending).await, &sending).await;
}

#[tokio::test]
async fn a_standby_promoted_on_a_named_host_sends_at_once() {
    let mut sending = started_on(Machine::named("db1.example.com")).await;
    sending
        .set("raw_ops.delivery_hosts", "DB1, db2.example.com")
        .await;
    assert_eq!(sending.send("/first").await, ["1 succeeded 200"]);
    let waits = Request::endpoint(&sending.world.url("/hook")).after("1 hour");
    sending.enqueue(&waits).await;

    for (host, sends) in [("staging.example.com", false), ("db2.example.com", true)] {
        let machine = Some(Machine::named(host));
        let standby = sending.stack.cluster.replica_on(machine).await.unwrap();
        let client = standby.connect("shop").await.unwrap();
        assert!(
            one::<bool>(&client, NOT_HELD).await,
            "a standby is silent because it is one"
        );
        let health: Value = one(&client, "SELECT raw_ops.fn_health_v1()").await;
        assert_eq!(health["delivery_held"], !sends, "what it would be once promoted");
        if sends {
            sending.stack.cluster.stop(Stop::Immediate).await.unwrap();
        }
        run(&client, "SELECT pg_promote()").await;
        if sends {
            run(
                &client,
                "UPDATE raw_ops.http_requests SET send_after = now() WHERE state = 'queued'",
            )
            .await;
            assert_sent(&client, [&waits]).await;
            assert!(one::<bool>(&client, NOT_HELD).await);
        } else {
            assert_silent(&client, &sending).await;
        }
    }
}

#[tokio::test]
async fn a_promoted_standby_that_nobody_named_is_heard_of() {
    let sending = started_on(Machine::named("db1")).await;
    let standby = sending
        .stack
        .cluster
        .replica_on(Some(Machine::named("db2")))
        .await;
    let standby = standby.unwrap();
    let client = standby.connect("shop").await.unwrap();
    run(&client, "SELECT pg_promote()").await;
    wait_until(LIMIT, "the metric to say so", async || {
        one::<bool>(&client, HELD).await
    })
    .await
    .unwrap();
    let new = assert_silent(&client, &sending).await;
    let next = next_of_health(&client).await;
    assert!(next[0].contains("fn_resume_delivery_v1"), "{next:?}");
    paste(&client, &next).await;
    assert_sent(&client, [&new]).await;
    assert!(one::<bool>(&client, NOT_HELD).await);
}

#[tokio::test]
async fn the_setting_is_the_servers_and_no_sessions() {
    let sending = Sending::start(Carrier::Builtin).await;
    let described: bool = one(
        &sending.client,
        "SELECT context = 'sighup' AND short_desc <> '' AND extra_desc <> '' AND boot_val = ''
           FROM pg_settings WHERE name = 'raw_ops.delivery_hosts'",
    )
    .await;
    assert!(described);
    let refusal = refused(&sending.client, "SET raw_ops.delivery_hosts = '*'").await;
    assert_eq!(refusal.sqlstate, "55P02");
}
