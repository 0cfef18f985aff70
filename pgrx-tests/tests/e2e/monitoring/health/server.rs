//! Drills of the server: connections used up by one role, a full disk, too few worker slots, pg_net that cannot send, row security that
//! today's owner passes.

use super::drills::{assert_stores, drill};
use super::*;
use crate::drills::incidents::report;
use raw_ops_e2e::{Stop, pg_net};
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test]
async fn who_holds_the_connections_is_named_and_its_idle_ones_are_ended() {
    let options = by_hand()
        .setting("max_connections", 20)
        .setting("superuser_reserved_connections", 5);
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    run(&superuser, "CREATE ROLE greedy LOGIN").await;
    assert_eq!(fault(&health(&superuser).await, "connections"), None);
    let mut held = Vec::new();
    while let Ok(client) = stack.connect_as("greedy").await {
        held.push(client);
    }
    assert!(held.len() > 10, "{}", held.len());
    run(&held[0], "BEGIN; SELECT 1").await;
    let found = health(&superuser).await;
    let told = fault(&found, "connections").unwrap_or_else(|| panic!("{found}"));
    assert_eq!(told["severity"], "critical", "{told}");
    let problem = told["problem"].as_str().unwrap();
    for part in [
        format!("role greedy holds {}", held.len()),
        format!("{} of its are idle, 1 idle in a transaction", held.len() - 1),
    ] {
        assert!(problem.contains(&part), "{part}: {problem}");
    }
    report(39, &paste(&superuser, &[told]).await);
    wait_until(LIMIT, "room for others", async || {
        fault(&health(&superuser).await, "connections").is_none()
    })
    .await
    .unwrap();
    run(&held[0], "COMMIT").await;
    assert_stores(&stack, "after the greedy one").await;
}

#[tokio::test]
async fn a_role_that_has_used_up_its_own_limit_is_named() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let shim = stack.connect_as(SHIM_ROLE).await.unwrap();
    let told = &["raw_ops_shim has as many connections as its own limit"][..];
    drill(
        &stack,
        ("connections", told, "ALTER ROLE raw_ops_shim CONNECTION LIMIT 1"),
    )
    .await;
    drop(shim);
    assert_stores(&stack, "after the limit").await;
}

/// A file system in memory that is full; unmounted when dropped.
struct FullDisk(PathBuf);

impl FullDisk {
    fn mount(stack: &Stack) -> Self {
        let path = stack.cluster.dir().join("full");
        stack.cluster.postgres().make_private_dir(&path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"])
            .arg(&path)
            .status();
        assert!(mount.unwrap().success(), "mounting a file system takes root");
        stack.cluster.postgres().give(&path).unwrap();
        Self(path)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0_u8; 4096]).is_ok() {}
    }

    fn sql_path(&self) -> &str {
        Path::to_str(&self.0).unwrap()
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        // Lazily: the server that has files open on it is stopped only after this.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_with_what_takes_the_room_and_what_may_go() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let disk = FullDisk::mount(&stack);
    let superuser = stack.connect_as_superuser().await.unwrap();
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", disk.sql_path());
    run(&superuser, &tablespace).await;
    run(
        &superuser,
        "ALTER TABLE raw_ops.orders SET TABLESPACE small; UPDATE raw_ops.monitor_thresholds SET threshold = 0.001 WHERE condition = 'disk_free'",
    )
    .await;
    assert_eq!(
        fault(&health(&superuser).await, "disk"),
        None,
        "nothing of it is used yet"
    );
    disk.fill();
    let found = health(&superuser).await;
    let told = fault(&found, "disk").unwrap_or_else(|| panic!("{found}"));
    assert_eq!(told["severity"], "critical", "{told}");
    assert_eq!(
        told["problem"], "the disk of the tablespace small is full: nothing can be stored there",
        "{told}"
    );
    let shows = told["next"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    report(38, &paste(&superuser, &[told]).await);
    assert_eq!(superuser.query(&shows, &[]).await.unwrap().len(), 1);
    std::fs::remove_file(disk.filler()).unwrap();
    assert_eq!(superuser.query(&shows, &[]).await.unwrap().len(), 0);
    assert_eq!(fault(&health(&superuser).await, "disk"), None);
}

#[tokio::test]
async fn row_security_that_todays_owner_passes_is_told_too() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let force = "ALTER TABLE raw_ops.orders FORCE ROW LEVEL SECURITY";
    as_superuser(&stack, &format!("ALTER ROLE shop_owner BYPASSRLS; {force}")).await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    stack.cluster.create_database("of_superuser").await.unwrap();
    let other = stack.cluster.connect("of_superuser").await.unwrap();
    run(&other, "CREATE EXTENSION raw_ops; SELECT raw_ops.setup()").await;
    run(&other, force).await;
    for client in [&superuser, &other] {
        let found = health(client).await;
        let told = fault(&found, "row_security").unwrap_or_else(|| panic!("{found}"));
        assert_eq!(told["severity"], "info", "{told}");
        assert!(
            told["problem"].as_str().unwrap().contains("raw_ops.orders"),
            "{told}"
        );
        paste(client, &[told]).await;
        assert_eq!(fault(&health(client).await, "row_security"), None);
    }
}

#[tokio::test]
async fn too_few_worker_slots_are_named_and_there_are_enough_after_a_restart() {
    // pg_cron's launcher, that of logical replication, and one of ours.
    let options = StackOptions::for_tests().setting("max_worker_processes", 3);
    let mut stack = Stack::start(options.without_shim()).await.unwrap();
    let found = wait_for(LIMIT, "health to name the slots", async || {
        let found = health(&stack.connect_as_superuser().await.ok()?).await;
        fault(&found, "worker_slots").is_some().then_some(found)
    })
    .await
    .unwrap();
    let told = fault(&found, "worker_slots").unwrap();
    assert!(
        told["problem"].as_str().unwrap().contains("all 3 slots"),
        "{told}"
    );
    let superuser = stack.connect_as_superuser().await.unwrap();
    report(34, &paste(&superuser, &[told]).await);
    stack.cluster.restart(Stop::Fast).await.unwrap();
    wait_until(LIMIT, "the workers", async || {
        let Ok(client) = stack.connect_as_superuser().await else {
            return false;
        };
        let found = health(&client).await;
        fault(&found, "worker_slots").is_none() && found["sender"] == true && found["workers"]["running"] == 1
    })
    .await
    .unwrap();
}

/// Where pg_net is installed and cannot send, `auto` does not wait for it; what is printed mends it.
#[tokio::test]
async fn pg_net_that_cannot_send_is_named_and_the_built_in_sender_sends_meanwhile() {
    let cases: [(Option<&str>, &str, &str); 3] = [
        (None, "SELECT 1", "not preloaded"),
        (Some("other"), "SELECT 1", "serves the database other, not shop"),
        (
            Some("shop"),
            "REVOKE ALL ON SCHEMA net FROM PUBLIC; REVOKE ALL ON ALL TABLES IN SCHEMA net FROM PUBLIC",
            "shop_owner may not use pg_net",
        ),
    ];
    for (serves, damage, told) in cases {
        let mut options = by_hand().without_shim();
        if let Some(database) = serves {
            options = options.setting("pg_net.database_name", database);
        }
        let stack = Stack::start(options).await.unwrap();
        let superuser = stack.connect_as_superuser().await.unwrap();
        pg_net::create_extension(&superuser).await.unwrap();
        run(&superuser, damage).await;
        let found = health(&superuser).await;
        assert_eq!(found["carrier"], "builtin", "{told}: {found}");
        let is_it = |fault: &&Value| fault["problem"].as_str().unwrap().contains(told);
        let named = all_faults(&found, "pg_net");
        let named = named
            .into_iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{told}: {found}"));
        assert_eq!(named["severity"], "warning", "{named}");
        let pasted = paste(&superuser, &[named]).await;
        if serves.is_none() {
            report(44, &pasted);
        }
        wait_until(LIMIT, &format!("it to be mended: {told}"), async || {
            let found = health(&stack.connect_as_superuser().await.unwrap()).await;
            !all_faults(&found, "pg_net").iter().any(is_it)
        })
        .await
        .unwrap();
    }
}
