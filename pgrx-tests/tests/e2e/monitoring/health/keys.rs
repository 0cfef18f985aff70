//! Drills of the key file and of the secrets: gone, unreadable, another one. No advice overwrites a key.

use super::*;
use crate::drills::incidents::report;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const SET: &str = "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', 'https://hooks.example/x')";

async fn with_a_secret() -> (Stack, Client, PathBuf) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect_as_superuser().await.unwrap();
    run(&client, SET).await;
    let path: String = one(&client, "SHOW raw_ops.secret_key_file").await;
    assert_eq!(fault(&health(&client).await, "key"), None);
    (stack, client, path.into())
}

/// The fault of the key, which must tell these; then `act`, what it asks a person to do; then what it prints shows that it worked.
async fn mended_by(client: &Client, told: &[&str], act: impl FnOnce()) -> Vec<String> {
    let found = health(client).await;
    let fault_found = fault(&found, "key").unwrap_or_else(|| panic!("{found}"));
    assert_eq!(fault_found["severity"], "critical", "{found}");
    let text = fault_found.to_string();
    for part in told {
        assert!(text.contains(part), "{part}: {text}");
    }
    let shows = fault_found["next"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_str()
        .unwrap();
    assert_eq!(client.query(shows, &[]).await.unwrap().len(), 1, "still wrong");
    act();
    let pasted = paste(client, &[fault_found]).await;
    assert_eq!(client.query(shows, &[]).await.unwrap().len(), 0, "{shows}");
    assert_eq!(fault(&health(client).await, "key"), None);
    pasted
}

#[tokio::test]
async fn a_key_that_is_gone_unreadable_or_another_is_told_apart_and_comes_back() {
    let (_stack, client, path) = with_a_secret().await;
    let shown = path.to_str().unwrap();
    let aside = path.with_extension("aside");

    std::fs::rename(&path, &aside).unwrap();
    let refusal = refused(&client, SET).await;
    assert!(!refusal.hint.contains("head -c"), "no new key: {}", refusal.hint);
    let told = ["is gone", shown, "install -m 600", "slack_url_fallback"];
    let pasted = mended_by(&client, &told, || std::fs::rename(&aside, &path).unwrap()).await;
    report(26, &pasted);

    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0);
    let told = ["cannot be read", shown, "chown ", "chmod 600"];
    report(27, &mended_by(&client, &told, || mode(0o600)).await);

    let right = std::fs::read(&path).unwrap();
    std::fs::write(&path, "another key, long enough to be one of them").unwrap();
    let told = [
        "another key",
        shown,
        "keep what is there now aside",
        "slack_url_fallback",
    ];
    let pasted = mended_by(&client, &told, || std::fs::write(&path, &right).unwrap()).await;
    report(28, &pasted);

    std::fs::write(&path, "too short").unwrap();
    let told = ["fewer than 32 bytes", shown];
    mended_by(&client, &told, || std::fs::write(&path, &right).unwrap()).await;
}

#[tokio::test]
async fn a_secret_that_does_not_open_and_half_a_workspace_are_named() {
    let (_stack, client, _path) = with_a_secret().await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example');
         SELECT raw_ops.fn_set_secret_v1('customerio_site_id', 'site', 'uk.example');
         UPDATE raw_ops.secrets SET ciphertext = ciphertext || '\\x00' WHERE name = 'slack_url_fallback'",
    )
    .await;
    let found = health(&client).await;
    let text = serde_json::json!(all_faults(&found, "secrets")).to_string();
    for part in [
        "do not open",
        "fn_set_secret_v1('slack_url_fallback', '<value>');",
        "uk.example is half set: customerio_site_id is there, customerio_api_key is not",
        "fn_set_secret_v1('customerio_api_key', '<value>', 'uk.example');",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    run(&client, SET).await;
    run(
        &client,
        "SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'key', 'uk.example')",
    )
    .await;
    let found = health(&client).await;
    let text = serde_json::json!(all_faults(&found, "secrets")).to_string();
    assert!(
        !text.contains("half set") && !text.contains("do not open"),
        "{text}"
    );
}

#[tokio::test]
async fn where_no_key_is_set_it_is_told_how_to_make_one_without_overwriting_any() {
    let options = by_hand().setting("raw_ops.secret_key_file", "");
    let stack = Stack::start(options.without_shim()).await.unwrap();
    let found = health(&stack.connect_as_superuser().await.unwrap()).await;
    let next = &fault(&found, "key").unwrap()["next"];
    let make = next[0].as_str().unwrap();
    assert!(
        make.starts_with("-- As root") && make.contains("set -C"),
        "{next}"
    );
    let set = "ALTER SYSTEM SET raw_ops.secret_key_file = '/etc/postgresql/raw_ops.key';";
    assert_eq!(
        (&next[1], &next[2]),
        (&set.into(), &"SELECT pg_reload_conf();".into())
    );
    let plain = health(&stack.connect().await.unwrap()).await;
    let first = fault(&plain, "key").unwrap()["next"][0].to_string();
    assert!(first.contains("-- As "), "{first}");
}
