-- A shop in trouble, on top of a good past: slow and failing since this morning, the queue stands, alerts reach nobody.
insert into raw_ops.webhook_inbox
       (provider, topic, event_id, payload, processing_status, processing_attempts, processing_duration_ms,
        error_category, last_error, last_error_at, received_at, created_at, processed_at)
select 'shopify', (array['orders/create', 'orders/updated', 'orders/paid'])[1 + n % 3], 'sick-' || n,
       jsonb_build_object('id', 990000 + n), fate.status,
       case fate.status when 'success' then 1 else 5 end, 900 + (n * 7919) % 3600,
       case when fate.status <> 'success'
            then (array['constraint_violation', 'malformed_payload', 'timeout', 'internal', 'unknown_topic'])[1 + n % 9 / 2] end,
       case when fate.status <> 'success' then 'order.line_items[2].price: not a decimal: "<b>abc</b>"' end,
       case when fate.status <> 'success' then at + interval '51 minutes' end,
       at, at, case when fate.status in ('success', 'resolved_manual') then at + interval '4 seconds' end
  from generate_series(1, 160) as n
 cross join lateral (select now() - interval '55 minutes' - n * interval '3 minutes' as at) as moment
 cross join lateral (select case when n % 14 = 0 then 'dlq' when n % 31 = 0 then 'resolved_manual' else 'success' end as status) as fate;
insert into raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts, processing_duration_ms,
                                   error_category, last_error, last_error_at, next_retry_at, received_at, created_at)
select 'shopify', 'orders/create', 'waiting-' || n, '{}', case when n % 3 = 0 then 'failed' else 'pending' end,
       case when n % 3 = 0 then 2 else 0 end, case when n % 3 = 0 then 4100 end,
       case when n % 3 = 0 then 'timeout' end, case when n % 3 = 0 then 'canceling statement due to lock timeout' end,
       case when n % 3 = 0 then now() end, case when n % 3 = 0 then now() + interval '4 minutes' end, at, at
  from generate_series(1, 140) as n
 cross join lateral (select now() - n * interval '74 seconds' as at) as moment;

insert into raw_ops.monitoring_runs (check_name, status, duration_ms, alert_triggered, run_at) values
    ('webhook_health', 'critical', 6, true, now() - interval '3 minutes');
insert into raw_ops.alerts (id, check_name, condition, severity, channel, title, fields, occurrences, opened_at) values
    ('00000000-0000-7000-8000-000000000001', 'webhook_health', 'new_dead_letters', 'critical', '#ops-urgent', 'New dead letters',
     '[{"title": "New in 10 minutes", "value": "3"}, {"title": "Open", "value": "11"}]', 4, now() - interval '50 minutes'),
    ('00000000-0000-7000-8000-000000000002', 'webhook_health', 'retry_queue_backup', 'warning', '#ops-alerts', 'Retry queue backup',
     '[{"title": "Queue depth", "value": "140"}, {"title": "Oldest", "value": "2 h 52 min"}]', 12, now() - interval '2 hours'),
    ('00000000-0000-7000-8000-000000000003', 'webhook_health', 'slow_processing', 'warning', '#ops-alerts',
     'Slow processing <script>alert("not escaped")</script>', '[{"title": "P95", "value": "4.21 s"}]', 3, now() - interval '15 minutes');
insert into raw_ops.alert_messages (id, alert_id, kind, severity, channel, title, body, delivery, last_error, created_at) values
    ('00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-000000000001', 'opened', 'critical', '#ops-urgent',
     'New dead letters', '{}', 'undelivered', 'hooks.slack.com answered 404: no_service', now() - interval '50 minutes'),
    ('00000000-0000-7000-8000-00000000000b', '00000000-0000-7000-8000-000000000002', 'repeated', 'warning', '#ops-alerts',
     'Retry queue backup', '{}', 'pending', null, now() - interval '20 minutes');
insert into raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, attempt, state, send_after, sent_at,
                                   completed_at, status_code, error) values
    ('alert', '00000000-0000-7000-8000-00000000000a', 'slack_url_ops_urgent', '{}', 'a', 1, 'abandoned', now(), now(), now(), 404,
     '404 no_service'),
    ('alert', '00000000-0000-7000-8000-00000000000b', 'slack_url_ops_alerts', '{}', 'b', 1, 'failed', now(), now(), now(), 503,
     '503 upstream connect error or disconnect/reset before headers'),
    ('alert', '00000000-0000-7000-8000-00000000000b', 'slack_url_ops_alerts', '{}', 'b', 2, 'queued', now() - interval '12 minutes',
     null, null, null, null);
