//! How pg_cron logs in: with the lines of docs/install.md, as the owner who is no superuser, without a password, and nobody else with it.

use std::process::Command;
use std::time::Duration;

use crate::support::*;
use raw_ops_e2e::{Stack, StackOptions, wait_until};

const INSTALL: &str = include_str!("../../../../docs/install.md");

/// pg_cron knows minutes only.
const MINUTES: Duration = Duration::from_secs(150);

/// The lines of a code block that begin so, as somebody types them.
fn documented(beginning: &str) -> Vec<String> {
    let code = INSTALL.lines().filter_map(|line| line.strip_prefix("    "));
    let lines: Vec<String> = code
        .filter(|line| line.starts_with(beginning))
        .map(str::to_owned)
        .collect();
    assert!(
        !lines.is_empty(),
        "docs/install.md has no line that begins with {beginning}"
    );
    lines
}

/// Whom the operating system knows the server as.
fn server_user(stack: &Stack) -> String {
    let output = Command::new("stat")
        .args(["-c", "%U"])
        .arg(stack.cluster.data_dir())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn jobs_run_as_the_plain_owner_over_the_socket_with_the_lines_of_the_document_and_nobody_else_gets_in()
{
    let options = StackOptions {
        schedule_jobs: true,
        ..StackOptions::for_tests()
    };
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    assert_eq!(documented("cron.host").len(), 1);
    assert!(
        !INSTALL
            .lines()
            .any(|line| line.starts_with("    cron.use_background_workers"))
    );
    assert_eq!(
        one::<String>(&superuser, "SHOW cron.use_background_workers").await,
        "off"
    );

    let user = server_user(&stack);
    let lines = documented("local   ");
    let data = stack.cluster.data_dir();
    let (hba, ident) = (data.join("pg_hba.conf"), data.join("pg_ident.conf"));
    let before = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("{}\n{before}", lines.join("\n"))).unwrap();
    let map = documented("raw_ops   ").join("\n");
    std::fs::write(
        &ident,
        format!("{}\n", map.replace("   postgres ", &format!("   {user} "))),
    )
    .unwrap();
    run(&superuser, "SELECT pg_reload_conf()").await;

    if whoami() != user {
        wait_until(LIMIT, "the line to hold", async || {
            stack.cluster.connect_as(&stack.db, "shop_owner").await.is_err()
        })
        .await
        .unwrap();
    }
    run(
        &superuser,
        "CREATE TABLE public.begun AS SELECT clock_timestamp() AS at",
    )
    .await;
    let ran = "SELECT count(*) > 0 FROM cron.job_run_details, public.begun
                WHERE username = 'shop_owner' AND start_time > at AND status = 'succeeded'";
    wait_until(MINUTES, "a job to have run as the owner", async || {
        one::<bool>(&superuser, ran).await
    })
    .await
    .unwrap();
    let failed = "SELECT coalesce(string_agg(return_message, ', '), '') FROM cron.job_run_details WHERE status = 'failed'";
    assert_eq!(one::<String>(&superuser, failed).await, "");
    let hosts: Vec<String> = column(&superuser, "SELECT DISTINCT nodename FROM cron.job").await;
    assert_eq!(hosts, [stack.cluster.socket_dir().to_str().unwrap()]);
}

/// Whom the operating system knows this test as.
fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
