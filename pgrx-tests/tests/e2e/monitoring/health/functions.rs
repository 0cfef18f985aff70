//! Drills of the extension's own functions: altered, replaced, taken out of it.

use super::drills::{assert_stores, drill};
use super::*;

#[tokio::test]
async fn a_function_that_was_altered_is_named_and_set_right() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    for (told, provoke) in [
        (
            &["receive_webhooks no longer runs with its owner's rights"][..],
            "ALTER FUNCTION raw_ops.receive_webhooks SECURITY INVOKER",
        ),
        (
            &["fn_uuid_v7 runs under its caller's search_path"],
            "ALTER FUNCTION raw_ops.fn_uuid_v7() RESET ALL",
        ),
    ] {
        drill(&stack, ("functions", told, provoke)).await;
        assert_stores(&stack, provoke).await;
    }
    as_superuser(
        &stack,
        "ALTER FUNCTION raw_ops.fn_metrics_v1() OWNER TO shop_owner",
    )
    .await;
    let superuser = stack.connect_as_superuser().await.unwrap();
    let found = health(&superuser).await;
    let told = fault(&found, "functions").unwrap();
    assert_eq!(told["severity"], "info", "{told}");
    paste(&superuser, &[told]).await;
    assert_eq!(fault(&health(&superuser).await, "functions"), None);
}

/// The note that health prints, done by a person: no row is lost, and the next `setup()` puts back what hangs on the functions.
#[tokio::test]
async fn a_function_that_is_gone_or_replaced_is_named_and_the_extension_is_made_anew_without_loss() {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let superuser = stack.connect_as_superuser().await.unwrap();
    assert_stores(&stack, "kept").await;
    run(
        &superuser,
        "ALTER EXTENSION raw_ops DROP PROCEDURE raw_ops.run_housekeeping;
         DROP PROCEDURE raw_ops.run_housekeeping;
         CREATE OR REPLACE FUNCTION raw_ops.fn_uuid_v7() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'",
    )
    .await;
    let found = health(&superuser).await;
    let told = fault(&found, "functions").unwrap_or_else(|| panic!("{found}"));
    for part in [
        "run_housekeeping",
        "fn_uuid_v7",
        "DROP EXTENSION raw_ops CASCADE; CREATE EXTENSION raw_ops;",
    ] {
        assert!(told.to_string().contains(part), "{part}: {told}");
    }
    run(
        &superuser,
        "DROP EXTENSION raw_ops CASCADE; DROP FUNCTION IF EXISTS raw_ops.fn_uuid_v7(); CREATE EXTENSION raw_ops",
    )
    .await;
    paste(&superuser, &[told]).await;
    let found = health(&superuser).await;
    assert_eq!(fault(&found, "functions"), None, "{found}");
    assert_eq!(fault(&found, "triggers"), None, "{found}");
    paste(&superuser, &all_faults(&found, "owner_rights")).await;
    paste(&superuser, &all_faults(&found, "receivers")).await;
    assert_stores(&stack, "after").await;
    let kept: i64 = one(&superuser, "SELECT count(*) FROM raw_ops.webhook_inbox").await;
    assert_eq!(kept, 2);
}
