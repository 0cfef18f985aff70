//! Real full disks: small file systems of the test's own. Mounting them takes root, which is what these tests run as.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use raw_ops_e2e::{StackOptions, wait_until};

/// A file system in memory, unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(stack: &Stack, megabytes: u32) -> Self {
        let path = stack.cluster.dir().join("small");
        stack.cluster.postgres().make_private_dir(&path).unwrap();
        let size = format!("size={megabytes}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting a file system takes root");
        stack.cluster.postgres().give(&path).unwrap();
        Self { path }
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path.join("filler")).unwrap();
        let page = [0_u8; 4096];
        while file.write_all(&page).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }

    fn sql_path(&self) -> &str {
        Path::to_str(&self.path).unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server that has files open on it is stopped only after this.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

#[tokio::test]
async fn a_large_webhook_that_fills_the_disk_for_temporary_files_is_refused_and_the_server_lives() {
    let stack = Stack::start(by_hand().without_shim().setting("work_mem", "64kB"))
        .await
        .unwrap();
    let disk = SmallDisk::mount(&stack, 1);
    let client = stack.connect_as_superuser().await.unwrap();
    run(
        &client,
        &format!("CREATE TABLESPACE small LOCATION '{}'", disk.sql_path()),
    )
    .await;
    run(&client, "GRANT CREATE ON TABLESPACE small TO PUBLIC").await;
    let orders = [large_order(45, 0, 12_000)];
    let body = String::from_utf8(orders[0].bytes.to_vec())
        .unwrap()
        .replace('\'', "''");
    run(&client, "SET temp_tablespaces = 'small'").await;
    let call = format!(
        "SELECT raw_ops.receive_webhook('shopify', 'orders/create', 'large', '{{}}', convert_to('{body}', 'UTF8'))"
    );
    for _ in 0..3 {
        let refusal = refused(&client, &call).await;
        assert_eq!(refusal.sqlstate, "53100", "{refusal:?}");
    }
    // Stored elsewhere, then processed beside others that fit.
    run(&client, "RESET temp_tablespaces").await;
    receive_orders(&client, &orders).await;
    receive_orders(&client, &Generator::new(45).orders(1..20).collect::<Vec<_>>()).await;
    run(&client, "SET temp_tablespaces = 'small'").await;
    let small = drain(&client, 100).await;
    assert_eq!(crashes(&stack), 0);
    assert_eq!(small, [20, 19, 1, 0]);
    assert_only_failed(&client, "create-1001", 19, 1).await;
}

#[tokio::test]
async fn a_full_disk_is_held_against_no_webhook_and_the_worker_goes_on_once_there_is_room() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let disk = SmallDisk::mount(&stack, 8);
    let client = stack.connect_as_superuser().await.unwrap();
    run(
        &client,
        &format!("CREATE TABLESPACE small LOCATION '{}'", disk.sql_path()),
    )
    .await;
    run(&client, "GRANT CREATE ON TABLESPACE small TO PUBLIC").await;
    run(
        &client,
        "ALTER TABLE raw_ops.orders SET TABLESPACE small; ALTER TABLE raw_ops.order_items SET TABLESPACE small",
    )
    .await;
    disk.fill();
    let orders: Vec<Order> = Generator::new(46).orders(0..60).collect();
    receive_orders(&client, &orders).await;
    let told = "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'raw_ops worker' AND query LIKE '%tries again in some seconds%'";
    wait_until(LIMIT, "the worker to have met the full disk", async || {
        one::<i64>(&client, told).await == 1
    })
    .await
    .unwrap();
    let refusal = refused(&client, "SELECT raw_ops.process_pending_webhooks()").await;
    assert_eq!(refusal.sqlstate, "53100", "{refusal:?}");
    let untouched: Vec<String> = column(
        &client,
        "SELECT DISTINCT concat_ws(' ', processing_status, attempts, last_error) FROM raw_ops.webhook_inbox",
    )
    .await;
    assert_eq!(untouched, ["pending 0"]);
    disk.empty();
    stack.wait_drained(LIMIT).await.unwrap();
    assert_tables_hold(&client, &orders).await;
    assert_eq!(crashes(&stack), 0);
}
