//! `make demo`: what a newcomer runs first holds what it shows.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(180);

#[tokio::test]
async fn every_check_of_the_demo_holds_and_its_page_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.current_dir(directory.path()).kill_on_drop(true);
    let output = timeout(LIMIT, demo.output()).await.unwrap().unwrap();
    let screen = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}: {screen}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(screen.contains("checks hold"), "{screen}");
    assert!(directory.path().join("dashboard.html").exists());
}
