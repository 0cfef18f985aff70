//! Grouping: what waits is stored together, a bad webhook costs only itself, nothing is promised that was not stored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_shim::store::{Class, Condition, LARGE, Limits, PutError, Receipt, Store, StoreError, Webhook};
use tokio::task::JoinHandle;

use crate::support::{DEADLINE, ScriptedInbox, all_new, receipt_of, store, until};

const ONE_WRITER: Limits = Limits {
    writers: 1,
    max_batch: 4,
    queue: 16,
    wait: Duration::from_secs(60),
};

fn webhook(body: &str) -> Webhook {
    Webhook {
        provider: "shopify",
        topic: "orders/create".to_owned(),
        event_id: Some(body.to_owned()),
        headers: "{}".to_owned(),
        shop_domain: String::new(),
        body: Bytes::from(body.to_owned()),
    }
}

fn put(store: &Store, body: &str) -> JoinHandle<Result<Receipt, PutError>> {
    let (store, webhook) = (store.clone(), webhook(body));
    tokio::spawn(async move { store.put(webhook).await })
}

fn error(condition: Condition) -> StoreError {
    StoreError::new(condition, "as told")
}

/// One call is held at the gate while `bodies` come to wait behind it.
async fn waiting_behind_one(
    inbox: &Arc<ScriptedInbox>,
    store: &Store,
    metrics: &edge_shim::metrics::Metrics,
    bodies: &[&str],
) -> Vec<JoinHandle<Result<Receipt, PutError>>> {
    let mut puts = vec![put(store, "first")];
    until("the first call is under way", || inbox.sizes().len() == 1).await;
    for (position, body) in bodies.iter().enumerate() {
        puts.push(put(store, body));
        let waiting = i64::try_from(position + 1).expect("a small number");
        until("it waits", || metrics.queue_depth.get() == waiting).await;
    }
    puts
}

async fn outcomes(puts: Vec<JoinHandle<Result<Receipt, PutError>>>) -> Vec<Result<Receipt, PutError>> {
    let mut outcomes = Vec::new();
    for put in puts {
        let outcome = tokio::time::timeout(DEADLINE, put)
            .await
            .expect("an answer in time");
        outcomes.push(outcome.expect("no panic"));
    }
    outcomes
}

#[tokio::test]
async fn a_single_webhook_is_stored_at_once() {
    let inbox = ScriptedInbox::open(all_new);
    let (store, _drain, _) = store(inbox.clone(), ONE_WRITER);
    assert_eq!(store.put(webhook("a")).await, Ok(receipt_of(&webhook("a"))));
    assert_eq!(inbox.sizes(), [1]);
}

#[tokio::test]
async fn what_waits_is_stored_together_up_to_the_limit_and_each_gets_its_own_receipt() {
    let inbox = ScriptedInbox::gated(all_new);
    let (store, _drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b", "c", "d", "e", "f"]).await;
    inbox.let_through(3);
    let ids: Vec<String> = outcomes(puts)
        .await
        .into_iter()
        .map(|outcome| outcome.expect("stored").webhook_id)
        .collect();
    assert_eq!(ids, ["first", "a", "b", "c", "d", "e", "f"]);
    assert_eq!(inbox.sizes(), [1, 4, 2]);
    assert_eq!(metrics.queue_depth.get(), 0);
}

fn anonymous(webhooks: &[Webhook]) -> Result<Vec<Receipt>, StoreError> {
    let receipt = Receipt {
        webhook_id: String::new(),
        duplicate: false,
    };
    Ok(vec![receipt; webhooks.len()])
}

#[tokio::test]
async fn bodies_of_middle_size_make_small_groups() {
    let inbox = ScriptedInbox::gated(anonymous);
    let (store, _drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let body = "x".repeat(900 << 10);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &[&body, &body, &body, &body]).await;
    inbox.let_through(3);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
    assert_eq!(inbox.sizes(), [1, 3, 1]);
}

#[tokio::test]
async fn large_webhooks_are_stored_one_by_one_and_others_do_not_wait_for_them() {
    let inbox = ScriptedInbox::gated(anonymous);
    let (store, drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let large = "x".repeat(LARGE);
    let mut puts: Vec<_> = (0..3).map(|_| put(&store, &large)).collect();
    until("one of them is under way", || {
        inbox.sizes() == [1] && metrics.queue_depth.get() == 2
    })
    .await;
    puts.push(put(&store, "small"));
    until("the small one is under way, too", || {
        inbox
            .calls()
            .last()
            .is_some_and(|call| call == &[webhook("small")])
    })
    .await;
    assert_eq!(metrics.queue_depth.get(), 2, "the other large ones wait");
    inbox.let_through(4);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
    assert_eq!(inbox.sizes(), [1, 1, 1, 1]);
    assert!(drain.finish(DEADLINE).await);
}

#[tokio::test(start_paused = true)]
async fn a_large_webhook_that_takes_longer_than_there_is_time_is_said_to_and_stored_all_the_same() {
    let inbox = ScriptedInbox::gated(anonymous);
    let limits = Limits {
        wait: Duration::from_secs(4),
        ..ONE_WRITER
    };
    let (store, drain, metrics) = store(inbox.clone(), limits);
    let late = store.put(webhook(&"x".repeat(LARGE))).await;
    assert_eq!(late, Err(PutError::LargeTimeout));
    inbox.let_through(1);
    assert!(drain.finish(DEADLINE).await);
    let text = String::from_utf8(metrics.text().expect("metrics")).expect("text");
    let stored = "edge_shim_webhooks_stored_total{provider=\"shopify\"} 1\n";
    assert!(text.contains(stored), "{text}");
}

#[tokio::test]
async fn a_bad_webhook_costs_only_itself() {
    let inbox = ScriptedInbox::gated(|webhooks: &[Webhook]| {
        match webhooks.iter().any(|webhook| webhook.body == "bad") {
            true => Err(error(Condition::Refused)),
            false => all_new(webhooks),
        }
    });
    let (store, _drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "bad", "b"]).await;
    inbox.let_through(5);
    let outcomes = outcomes(puts).await;
    assert_eq!(outcomes[2], Err(PutError::Failed(error(Condition::Refused))));
    for good in [0, 1, 3] {
        assert!(outcomes[good].is_ok(), "{outcomes:?}");
    }
    assert_eq!(inbox.sizes(), [1, 3, 1, 1, 1]);
}

#[tokio::test]
async fn a_contended_group_is_tried_one_by_one() {
    let inbox = ScriptedInbox::gated(|webhooks: &[Webhook]| match webhooks.len() {
        1 => all_new(webhooks),
        _ => Err(error(Condition::Locked)),
    });
    let (store, _drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b"]).await;
    inbox.let_through(4);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn without_a_database_a_group_is_not_tried_one_by_one() {
    let inbox = ScriptedInbox::gated(|_: &[Webhook]| Err(error(Condition::Unreachable)));
    let (store, _drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b", "c"]).await;
    inbox.let_through(2);
    for outcome in outcomes(puts).await {
        assert_eq!(outcome, Err(PutError::Failed(error(Condition::Unreachable))));
    }
    assert_eq!(inbox.sizes(), [1, 3]);
    assert_eq!(metrics.database_up.get(), 0);
}

#[tokio::test]
async fn too_few_receipts_promise_nothing() {
    let inbox = ScriptedInbox::open(|_: &[Webhook]| Ok(Vec::new()));
    let (store, _drain, _) = store(inbox, ONE_WRITER);
    let outcome = store.put(webhook("a")).await;
    assert!(
        matches!(
            outcome,
            Err(PutError::Failed(StoreError {
                condition: Condition::Refused,
                ..
            }))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let inbox = ScriptedInbox::gated(all_new);
    let (store, _drain, metrics) = store(
        inbox.clone(),
        Limits {
            queue: 2,
            ..ONE_WRITER
        },
    );
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b"]).await;
    assert_eq!(store.put(webhook("c")).await, Err(PutError::Full));
    inbox.let_through(2);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_waited_too_long_is_given_up_and_not_stored_later() {
    let inbox = ScriptedInbox::gated(all_new);
    let limits = Limits {
        wait: Duration::from_secs(4),
        ..ONE_WRITER
    };
    let (store, drain, _) = store(inbox.clone(), limits);
    let held = put(&store, "held");
    tokio::task::yield_now().await;
    assert_eq!(store.put(webhook("late")).await, Err(PutError::Timeout));
    assert_eq!(outcomes(vec![held]).await, [Err(PutError::Timeout)]);
    inbox.let_through(1);
    assert!(drain.finish(DEADLINE).await);
    assert_eq!(inbox.sizes(), [1], "only the call that was under way");
}

#[tokio::test]
async fn stopping_stores_what_waits_and_takes_no_more() {
    let inbox = ScriptedInbox::gated(all_new);
    let (store, drain, metrics) = store(inbox.clone(), ONE_WRITER);
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b", "c", "d", "e"]).await;
    inbox.let_through(3);
    assert!(drain.finish(DEADLINE).await);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
    assert_eq!(inbox.sizes(), [1, 4, 1]);
    assert_eq!(store.put(webhook("after")).await, Err(PutError::Stopping));
}

#[tokio::test]
async fn several_writers_store_at_the_same_time() {
    let inbox = ScriptedInbox::gated(all_new);
    let (store, _drain, _) = store(
        inbox.clone(),
        Limits {
            writers: 3,
            ..ONE_WRITER
        },
    );
    let mut puts = Vec::new();
    for (position, body) in ["a", "b", "c"].iter().enumerate() {
        puts.push(put(&store, body));
        until("its call is under way", || inbox.sizes().len() == position + 1).await;
    }
    inbox.let_through(3);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn while_a_call_is_under_way_a_small_group_waits_a_moment_for_company() {
    let inbox = ScriptedInbox::gated(all_new);
    let (store, _drain, metrics) = store(
        inbox.clone(),
        Limits {
            writers: 2,
            ..ONE_WRITER
        },
    );
    let puts = waiting_behind_one(&inbox, &store, &metrics, &["a", "b"]).await;
    assert_eq!(inbox.sizes(), [1]);
    tokio::time::advance(Duration::from_millis(10)).await;
    until("both go together", || inbox.sizes() == [1, 2]).await;
    inbox.let_through(2);
    assert!(outcomes(puts).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn with_nothing_under_way_nobody_waits() {
    let inbox = ScriptedInbox::open(all_new);
    let (store, _drain, _) = store(inbox.clone(), ONE_WRITER);
    let begun = tokio::time::Instant::now();
    for body in ["a", "b", "c"] {
        assert!(store.put(webhook(body)).await.is_ok());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[test]
fn sqlstates_fall_into_their_condition_and_class() {
    use Condition::*;
    for (sqlstates, condition, class) in [
        (
            &["08006", "57P01", "57P03", "58030"][..],
            Unreachable,
            Class::Unavailable,
        ),
        (&["53100"], DiskFull, Class::Unavailable),
        (&["53300"], NoSlots, Class::Unavailable),
        (&["25006"], ReadOnly, Class::Unavailable),
        (&["28P01", "28000", "42501"], NoRights, Class::Unavailable),
        (
            &["55000", "42883", "42P01", "3F000", "3D000"],
            NotSetUp,
            Class::Unavailable,
        ),
        (&["57014", "55P03", "40P01", "40001"], Locked, Class::Contended),
        (&["53200", "53400"], Lacking, Class::Contended),
        (&["22P05", "P0001", "23514"], Refused, Class::Rejected),
        (&["XX000", "XX001"], Internal, Class::Contended),
    ] {
        for sqlstate in sqlstates {
            let found = Condition::of_sqlstate(sqlstate);
            assert_eq!((found, found.class()), (condition, class), "{sqlstate}");
        }
    }
}

#[test]
fn what_only_a_pooler_causes_is_no_fault_of_the_webhook_and_says_what_to_set() {
    for sqlstate in ["26000", "42P05", "34000", "08P01", "0A000"] {
        let error = StoreError {
            sqlstate: Some(sqlstate.to_owned()),
            ..error(Condition::of_sqlstate(sqlstate))
        };
        assert_eq!(error.class(), Class::Unavailable, "{sqlstate}");
        assert!(
            error.advice().contains("pool_mode = transaction"),
            "{}",
            error.advice()
        );
    }
}
