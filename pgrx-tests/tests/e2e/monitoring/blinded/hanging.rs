//! A background process that is there and does nothing is named, with what ends it.

use std::process::Command;

use super::*;
use crate::drills::incidents::report;

/// A process that the operating system has stopped; it goes on when this is dropped, or its server could not end.
struct Stopped(i32);

impl Stopped {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.0.to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "{signal}");
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[tokio::test]
async fn a_sender_or_worker_that_is_stopped_is_named_by_health_and_by_the_heartbeat() {
    let stack = Stack::start(StackOptions::for_tests().without_shim())
        .await
        .unwrap();
    let (client, superuser) = (
        stack.connect().await.unwrap(),
        stack.connect_as_superuser().await.unwrap(),
    );
    // Idle, they give a sign every ten seconds.
    run(
        &client,
        "UPDATE raw_ops.monitor_thresholds SET threshold = 0.25 WHERE condition = 'worker_stuck'",
    )
    .await;
    for process in ["sender", "worker"] {
        let pid = format!("SELECT pid FROM pg_stat_activity WHERE backend_type = 'raw_ops {process}'");
        wait_until(LIMIT, "the process", async || {
            !column::<i32>(&superuser, &pid).await.is_empty()
        })
        .await
        .unwrap();
        let pid: i32 = one(&superuser, &pid).await;
        let stopped = Stopped(pid);
        stopped.signal("-STOP");
        let named = format!("the {process}, process {pid}, has given no sign");
        wait_until(LIMIT, "health to name it", async || {
            problems(&health(&client).await, "worker_stuck").contains(&named)
        })
        .await
        .unwrap();
        let said: Value = one(
            &client,
            "SELECT raw_ops.fn_invoke_monitor('monitoring_heartbeat')",
        )
        .await;
        assert!(said.to_string().contains(&named), "{said}");
        let found = health(&client).await;
        let fault = found["faults"]
            .as_array()
            .unwrap()
            .iter()
            .find(|fault| fault["what"] == "worker_stuck");
        let mut pasted = Vec::new();
        for statement in fault.unwrap()["next"].as_array().unwrap() {
            run(&superuser, statement.as_str().unwrap()).await;
            pasted.push(statement.as_str().unwrap().to_owned());
        }
        match process {
            "sender" => report(35, &pasted),
            _ => report(32, &pasted),
        }
        drop(stopped);
        wait_until(LIMIT, "it to be over", async || {
            problems(&health(&client).await, "worker_stuck").is_empty()
        })
        .await
        .unwrap();
    }
}
