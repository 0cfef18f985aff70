//! Capture, processing, retry and resolution, inside a backend.

use crate::testing::*;
use pgrx::prelude::*;

const MONDAY: &str = "2026-01-05T10:00:00+01:00";

fn status_of(id: &str) -> String {
    one(&format!(
        "select processing_status from raw_ops.webhook_inbox where id = '{id}'"
    ))
}

/// A webhook that fails whatever the table says about its order.
fn receive_bad(event_id: &str) -> String {
    receive("orders/create", event_id, r#"{"id": "none"}"#)
}

fn make_due() {
    run("update raw_ops.webhook_inbox set next_retry_at = now() where processing_status = 'failed'");
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn any_bytes_are_stored_and_only_what_cannot_be_jsonb_stays_bytes() {
        set_up();
        for (event, body, is_json) in [
            ("object", &br#"{"id": 1}"#[..], true),
            ("scalar", b"17", true),
            ("padded", b" \n[1] ", true),
            ("empty", b"", false),
            ("text", b"hello", false),
            ("truncated", br#"{"id": "#, false),
            ("nul escape", br#"{"id": "\u0000"}"#, false),
            ("nul byte", b"{\"id\": \"\0\"}", false),
            ("not utf-8", b"{\"id\": \"\xff\"}", false),
            ("lone surrogate", br#"{"id": "\ud800"}"#, false),
            ("number out of range", br#"{"id": 1e400000}"#, false),
            (
                "the largest of doubles",
                br#"{"id": 1.7976931348623157e+308}"#,
                true,
            ),
            ("131 KB once written out", br#"{"id": 1e131071}"#, false),
            ("the same in a text", br#"{"id": "1e131071"}"#, true),
        ] {
            let args: [pgrx::datum::DatumWithOid; 2] = [event.into(), body.into()];
            Spi::run_with_args(
                "select raw_ops.receive_webhook('shopify', 'orders/create', $1, null, $2)",
                &args,
            )
            .unwrap();
            let (stored_json, bytes): (Option<bool>, Option<Vec<u8>>) = Spi::get_two(&format!(
                "select payload is not null, raw_body from raw_ops.webhook_inbox where event_id = '{event}'"
            ))
            .unwrap();
            assert_eq!(stored_json, Some(is_json), "{event}");
            assert_eq!(bytes.as_deref(), (!is_json).then_some(body), "{event}");
        }
    }

    #[pg_test]
    fn nesting_too_deep_for_the_server_is_kept_as_bytes() {
        set_up();
        let deep = "[".repeat(1_000_000);
        receive("orders/create", "deep", &deep);
        assert!(one::<bool>(
            "select payload is null and length(raw_body) = 1000000 from raw_ops.webhook_inbox"
        ));
    }

    #[pg_test]
    fn a_repeat_counts_on_the_first_and_changes_nothing_else() {
        set_up();
        let first = receive("orders/create", "same", r#"{"id": 1}"#);
        let again =
            json("select raw_ops.receive_webhook('shopify', 'orders/create', 'same', '{}', 'other body')");
        assert_eq!(
            again,
            serde_json::json!({"webhook_id": first, "duplicate": true, "status": "pending"})
        );
        assert!(one::<bool>(
            "select duplicate_count = 1 and payload = '{\"id\": 1}' from raw_ops.webhook_inbox"
        ));
    }

    #[pg_test]
    fn a_set_knows_its_own_repeats() {
        set_up();
        let summary: String = one(
            "select string_agg(ordinal || case when duplicate then 'd' else 'n' end, ' ' order by ordinal)
                    || ' ' || count(distinct webhook_id)
               from raw_ops.receive_webhooks(
                    array['shopify', 'shopify', 'shopify', 'stripe'], array['a', 'a', 'b', 'a'],
                    array['one', 'one', null, 'one'], array['{}', null, '{}', '{}']::jsonb[],
                    array['{}', 'x', '{}', '']::bytea[])",
        );
        assert_eq!(summary, "1n 2d 3n 4n 3");
    }

    #[pg_test]
    fn arguments_that_cannot_be_meant_are_refused_by_name() {
        set_up();
        let (error, _) = error_of("select raw_ops.receive_webhook('paypal', 'a', 'b', null, 'x')");
        let known = crate::providers::NAMES.join(", ");
        assert_eq!(error, format!(r#"p_provider: "paypal" is none of {known}"#));
        let (error, _) = error_of(
            "select raw_ops.receive_webhooks(array['shopify'], array['a'], array['b'], array[]::jsonb[], array['x']::bytea[])",
        );
        assert_eq!(error, "p_headers: has 0 elements, p_bodies has 1");
        let (error, _) = error_of("select raw_ops.process_pending_webhooks(0)");
        assert_eq!(error, "p_limit: must be 1 or more, is 0");
    }

    #[pg_test]
    fn receipt_of_an_order_starts_the_slo_clock_once() {
        set_up();
        let id = receive("orders/create", "e", r#"{"id": 820982911946154508}"#);
        receive("orders/create", "e", r#"{"id": 820982911946154508}"#);
        receive("products/update", "p", r#"{"id": 1}"#);
        let logged: bool = one(&format!(
            "select count(*) = 1 and bool_and(kind = 'INFO' and entity_type = 'order' and message = 'order.created'
                    and event_payload = '{{\"webhook_id\": \"{id}\", \"shopify_order_id\": 820982911946154508}}')
               from raw_ops.ops_events",
        ));
        assert!(logged);
    }

    #[pg_test]
    fn one_poisoned_webhook_costs_only_itself() {
        set_up();
        run("alter table raw_ops.orders add constraint no_sevens check (shopify_order_id <> 7)");
        for id in 1..=20 {
            receive("orders/create", &format!("e{id}"), &order(id, MONDAY).to_string());
        }
        receive("orders/create", "not json", "{");
        receive("draft_orders/create", "draft", r#"{"id": 1}"#);
        receive("orders/cancelled", "early", &order(99, MONDAY).to_string());
        let tally = json("select raw_ops.process_pending_webhooks()");
        assert_eq!(
            tally,
            serde_json::json!({"claimed": 23, "succeeded": 19, "failed": 4, "dead_lettered": 0})
        );
        let categories: String = one(
            "select string_agg(event_id || '=' || error_category, ' ' order by event_id)
               from raw_ops.webhook_inbox where processing_status = 'failed'",
        );
        assert_eq!(
            categories,
            "draft=unknown_topic e7=constraint_violation early=missing_reference not json=malformed_payload"
        );
        assert_eq!(one::<i64>("select count(*) from raw_ops.orders"), 19);
    }

    #[pg_test]
    fn a_cancellation_that_overtook_its_order_is_applied_after_it() {
        set_up();
        let mut cancelled = order(5, "2026-01-06T10:00:00+01:00");
        cancelled["cancelled_at"] = "2026-01-06T10:00:00+01:00".into();
        let early = receive("orders/cancelled", "cancel", &cancelled.to_string());
        json("select raw_ops.process_pending_webhooks()");
        assert_eq!(status_of(&early), "failed");
        receive("orders/create", "create", &order(5, MONDAY).to_string());
        make_due();
        json("select raw_ops.retry_failed_webhooks()");
        assert_eq!(status_of(&early), "success");
        assert!(one::<bool>("select cancelled_at is not null from raw_ops.orders"));
    }

    #[pg_test]
    fn five_failures_at_their_times_then_a_dead_letter() {
        set_up();
        let id = receive_bad("bad");
        let waits = "select coalesce(extract(epoch from next_retry_at - last_error_at)::int, 0) from raw_ops.webhook_inbox";
        json("select raw_ops.process_pending_webhooks()");
        for (attempts, wait) in [(1, 60), (2, 300), (3, 900), (4, 1800)] {
            assert_eq!(one::<i32>("select attempts from raw_ops.webhook_inbox"), attempts);
            assert_eq!(one::<i32>(waits), wait);
            assert_eq!(
                json("select raw_ops.retry_failed_webhooks()")["claimed"],
                0,
                "before it is due"
            );
            make_due();
            json("select raw_ops.retry_failed_webhooks()");
        }
        assert_eq!(status_of(&id), "dlq");
        assert!(one::<bool>(
            "select attempts = 5 and next_retry_at is null from raw_ops.webhook_inbox"
        ));
        let logged: i64 =
            one("select count(*) from raw_ops.ops_events where message = 'webhook.dead_lettered'");
        assert_eq!(logged, 1);
    }

    #[pg_test]
    fn an_operator_may_change_the_schedule() {
        set_up();
        run("delete from raw_ops.retry_schedule where purpose = 'webhooks' and attempt > 2");
        let id = receive_bad("bad");
        json("select raw_ops.process_pending_webhooks()");
        make_due();
        assert_eq!(json("select raw_ops.retry_failed_webhooks()")["dead_lettered"], 1);
        assert_eq!(status_of(&id), "dlq");
    }

    #[pg_test]
    fn retries_take_the_newest_hundred() {
        set_up();
        run("insert into raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, received_at)
             select 'shopify', 'orders/create', 'e' || n, '{}', 'failed', now() - n * interval '1 second'
               from generate_series(1, 150) n");
        assert_eq!(json("select raw_ops.retry_failed_webhooks()")["claimed"], 100);
        let newest: bool = one(
            "select bool_and((processing_attempts = 1) = (substr(event_id, 2)::int <= 100)) from raw_ops.webhook_inbox",
        );
        assert!(newest);
    }

    #[pg_test]
    fn a_row_left_retrying_by_a_crash_is_due_again() {
        set_up();
        run("insert into raw_ops.webhook_inbox
                    (provider, topic, event_id, payload, processing_status, processing_attempts, next_retry_at)
             values ('shopify', 'orders/create', 'left', '{}', 'retrying', 4, now() + interval '1 hour')");
        let tally = json("select raw_ops.retry_failed_webhooks()");
        assert_eq!(
            tally,
            serde_json::json!({"claimed": 1, "succeeded": 0, "failed": 0, "dead_lettered": 1})
        );
        assert_eq!(
            one::<String>("select processing_status from raw_ops.webhook_inbox"),
            "dlq"
        );
    }

    #[pg_test]
    fn the_status_machine_is_ords_table_and_nothing_else() {
        set_up();
        let states = [
            "pending",
            "success",
            "failed",
            "retrying",
            "dlq",
            "resolved_manual",
        ];
        let legal = [
            ("pending", "success"),
            ("pending", "failed"),
            ("failed", "success"),
            ("failed", "dlq"),
            ("retrying", "success"),
            ("retrying", "failed"),
        ];
        for from in states {
            for to in states {
                run("delete from raw_ops.webhook_inbox");
                run(&format!(
                    "insert into raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
                     values ('shopify', 'orders/create', 'x', '{{}}', '{from}')"
                ));
                let update = format!("update raw_ops.webhook_inbox set processing_status = '{to}'");
                if from == to || legal.contains(&(from, to)) {
                    run(&update);
                } else {
                    let (error, hint) = error_of(&update);
                    assert_eq!(error, format!("processing_status cannot go from {from} to {to}"));
                    assert!(hint.contains("raw_ops."), "{from} to {to}: {hint}");
                }
            }
        }
    }

    #[pg_test]
    fn only_a_dead_letter_with_a_note_is_resolved_and_leaves_its_trail() {
        set_up();
        let id = receive_bad("bad");
        let resolve = |note: &str| {
            json(&format!(
                "select raw_ops.fn_resolve_webhook_manually_v1('{id}', {note})"
            ))
        };
        assert_eq!(resolve("'too early'")["success"], false);
        run("update raw_ops.webhook_inbox set processing_status = 'failed'");
        run("update raw_ops.webhook_inbox set processing_status = 'dlq'");
        for empty in ["null", "''", "'  '"] {
            assert_eq!(resolve(empty)["success"], false);
        }
        let mut answer = resolve("'duplicate of #1234'");
        let members = answer.as_object_mut().unwrap();
        // Its order is not here: said beside what ORD prints.
        assert!(members.remove("warning").is_some() && members.remove("next").is_some());
        assert_eq!(
            answer,
            serde_json::json!({
                "success": true, "webhook_id": id, "previous_status": "dlq", "new_status": "resolved_manual"
            })
        );
        assert_eq!(resolve("'again'")["success"], false);
        let trail: bool = one(&format!(
            "select count(*) = 1 and bool_and(event_payload->>'note' = 'duplicate of #1234'
                    and event_payload->>'who' = session_user and event_payload->>'previous_status' = 'dlq'
                    and entity_id = '{id}')
               from raw_ops.ops_events where kind = 'AUDIT'",
        ));
        assert!(trail);
    }

    #[pg_test]
    fn a_dead_letter_settled_by_update_is_refused_and_stays() {
        set_up();
        run(
            "insert into raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status)
             values ('shopify', 'orders/create', 'x', '{}', 'dlq')",
        );
        let (error, hint) =
            error_of("update raw_ops.webhook_inbox set processing_status = 'resolved_manual'");
        assert_eq!(error, "processing_status cannot go from dlq to resolved_manual");
        assert!(hint.contains("raw_ops.fn_resolve_webhook_manually_v1("), "{hint}");
        assert_eq!(
            one::<String>("select processing_status from raw_ops.webhook_inbox"),
            "dlq"
        );
        assert_eq!(
            one::<i64>("select count(*) from raw_ops.ops_events where kind = 'AUDIT'"),
            0
        );
    }

    #[pg_test]
    fn processing_one_webhook_reports_what_became_of_it() {
        set_up();
        let good = receive("orders/create", "good", &order(3, MONDAY).to_string());
        let bad = receive_bad("bad");
        let process = |id: &str| json(&format!("select raw_ops.process_webhook('{id}')"));
        let done = process(&good);
        assert_eq!(
            (&done["success"], &done["status"], &done["outcome"]),
            (&true.into(), &"success".into(), &"created".into())
        );
        let failed = process(&bad);
        assert_eq!(
            (&failed["success"], &failed["status"]),
            (&false.into(), &"failed".into())
        );
        assert_eq!(failed["error_category"], "malformed_payload");
        assert_eq!(process(&good)["success"], false);
        assert_eq!(process("00000000-0000-0000-0000-000000000000")["success"], false);
    }
}
