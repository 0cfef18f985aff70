//! A call of every function and procedure of raw_ops, with arguments that take it as far in as they can.

/// Name, and the statement that calls it.
pub const CALLS: &[(&str, &str)] = &[
    ("archive_inbox", "CALL raw_ops.archive_inbox(1, '1 day')"),
    ("check_order_ingestion_slo", "SELECT * FROM raw_ops.check_order_ingestion_slo()"),
    ("delivery_fingerprint", "SELECT raw_ops.delivery_fingerprint()"),
    ("deliver_outbox", "CALL raw_ops.deliver_outbox(1)"),
    ("drain_inbox", "CALL raw_ops.drain_inbox(5)"),
    ("fn_archive_webhooks_v1", "SELECT raw_ops.fn_archive_webhooks_v1('1 hour', 10)"),
    (
        "fn_check_courier_watchdog_health_v2",
        "SELECT raw_ops.fn_check_courier_watchdog_health_v2()",
    ),
    (
        "fn_check_monitoring_heartbeat_v2",
        "SELECT raw_ops.fn_check_monitoring_heartbeat_v2()",
    ),
    (
        "fn_check_order_ingestion_slo_v2",
        "SELECT raw_ops.fn_check_order_ingestion_slo_v2()",
    ),
    (
        "fn_check_webhook_daily_digest_v2",
        "SELECT raw_ops.fn_check_webhook_daily_digest_v2()",
    ),
    ("fn_check_webhook_health_v2", "SELECT raw_ops.fn_check_webhook_health_v2()"),
    ("fn_check_webhook_silence_v1", "SELECT raw_ops.fn_check_webhook_silence_v1()"),
    (
        "fn_complete_courier_task_v1",
        "SELECT raw_ops.fn_complete_courier_task_v1(raw_ops.fn_uuid_v7(), 'note')",
    ),
    ("fn_dashboard_html_v1", "SELECT raw_ops.fn_dashboard_html_v1()"),
    ("fn_deliver_outbox_v1", "SELECT raw_ops.fn_deliver_outbox_v1()"),
    ("fn_health_v1", "SELECT raw_ops.fn_health_v1()"),
    ("fn_housekeeping_v1", "SELECT raw_ops.fn_housekeeping_v1()"),
    ("fn_invoke_monitor", "SELECT raw_ops.fn_invoke_monitor('webhook_health')"),
    ("fn_metrics_v1", "SELECT raw_ops.fn_metrics_v1()"),
    ("fn_resend_alerts_v1", "SELECT raw_ops.fn_resend_alerts_v1()"),
    (
        "fn_resolve_webhook_manually_v1",
        "SELECT raw_ops.fn_resolve_webhook_manually_v1(id, 'note') FROM raw_ops.webhook_inbox WHERE event_id OPERATOR(pg_catalog.=) 'dead'",
    ),
    ("fn_resume_delivery_v1", "SELECT raw_ops.fn_resume_delivery_v1()"),
    (
        "fn_retry_courier_notifications_v1",
        "SELECT raw_ops.fn_retry_courier_notifications_v1()",
    ),
    ("fn_schedule_jobs_v1", "SELECT raw_ops.fn_schedule_jobs_v1()"),
    (
        "fn_set_secret_v1",
        "SELECT raw_ops.fn_set_secret_v1('slack_url_fallback', 'https://hooks.example.com/services/T0/B0/secret')",
    ),
    ("fn_unschedule_jobs_v1", "SELECT raw_ops.fn_unschedule_jobs_v1()"),
    ("fn_uuid_v7", "SELECT raw_ops.fn_uuid_v7()"),
    ("fold_webhook_tallies", "SELECT raw_ops.fold_webhook_tallies()"),
    // The triggers: by what fires them.
    (
        "guard_webhook_status",
        "UPDATE raw_ops.webhook_inbox SET processing_status = 'pending' WHERE event_id OPERATOR(pg_catalog.=) 'guest'",
    ),
    ("run_housekeeping", "CALL raw_ops.run_housekeeping(1)"),
    (
        "match_waiting_courier_events",
        "INSERT INTO raw_ops.webhook_elements (webhook_id, provider, path, element, state, reference, error, waits_until)
         VALUES (raw_ops.fn_uuid_v7(), 'dpd', 'event', pg_catalog.jsonb_build_object('eventCode', '01', 'eventTime', '2026-01-19'),
                 'waiting', 'WAITED FOR', 'x', 'infinity') ON CONFLICT DO NOTHING;
         INSERT INTO raw_ops.shipments (tracking_no) VALUES ('WAITED FOR')",
    ),
    (
        "notify_courier_exception",
        "INSERT INTO raw_ops.ops_events (kind, entity_type, entity_id, customer_event_type, message, event_payload)
         VALUES ('CUSTOMER_EVENT', 'order', raw_ops.fn_uuid_v7(), 'courier_exception', 'x', '{}')",
    ),
    (
        "process_courier_event",
        "SELECT raw_ops.process_courier_event(id, 'dpd', '03', 'not at home', pg_catalog.now(), '{}') FROM raw_ops.shipments",
    ),
    (
        "process_order_webhook_txn",
        r#"SELECT raw_ops.process_order_webhook_txn('{"id": 77, "updated_at": "2026-01-01T00:00:00Z", "email": "g@example.com",
            "line_items": [{"id": 1, "quantity": 1, "price": "1.00"}]}')"#,
    ),
    ("process_pending_webhooks", "SELECT raw_ops.process_pending_webhooks(5)"),
    (
        "process_webhook",
        "SELECT raw_ops.process_webhook(id) FROM raw_ops.webhook_inbox WHERE event_id OPERATOR(pg_catalog.=) 'malformed'",
    ),
    (
        "receive_webhook",
        r#"SELECT raw_ops.receive_webhook('shopify', 'orders/create', event, '{}', body) FROM (VALUES
            ('guest', '{"id": 78, "email": "guest@example.com", "updated_at": "2026-01-01T00:00:00Z", "line_items": []}'::pg_catalog.bytea),
            ('malformed', '{"id": 79, "line_items": 1}'), ('again', '{"id": 80'), ('again', '{"id": 80')) AS v (event, body)"#,
    ),
    (
        "receive_webhooks",
        "SELECT * FROM raw_ops.receive_webhooks(array['dpd', 'shopify'], array['parcel/event', 'orders/updated'],
            array['several-1', 'several-2'], array['{}', '{}']::pg_catalog.jsonb[], array['{}', '{}']::pg_catalog.bytea[])",
    ),
    ("retry_failed_webhooks", "SELECT raw_ops.retry_failed_webhooks()"),
    ("setup", "SELECT raw_ops.setup()"),
    ("wake_sender", "UPDATE raw_ops.http_requests SET send_after = pg_catalog.now() WHERE false"),
    (
        "wake_worker",
        "INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload) VALUES ('shopify', 'orders/create', 'by hand', '{}')",
    ),
];
