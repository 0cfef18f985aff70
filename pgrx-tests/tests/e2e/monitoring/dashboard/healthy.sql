-- A shop on a good day: 60 days of webhooks with a weekly rhythm, a few retries that worked, nothing waiting.
insert into raw_ops.webhook_inbox
       (provider, topic, event_id, payload, processing_status, processing_attempts, processing_duration_ms,
        error_category, last_error, last_error_at, received_at, created_at, processed_at)
select 'shopify', 'orders/create', format('healthy-%s-%s', day, n), '{}', 'success',
       case when failed_once then 2 else 1 end, 25 + (n * 7919 + day * 31) % 60 + case when n % 50 = 0 then 400 else 0 end,
       case when failed_once then (array['transient', 'timeout', 'missing_reference'])[1 + n % 3] end,
       case when failed_once then 'deadlock detected' end,
       case when failed_once then at + interval '1 second' end,
       at, at, at + case when failed_once then interval '70 seconds' else interval '90 milliseconds' end
  from generate_series(0, 59) as day
 cross join lateral generate_series(1, 180 + day % 5 * 12 + case when extract(isodow from now() - day * interval '1 day') > 5
                                                                 then 90 else 0 end) as n
 cross join lateral (select now() - day * interval '1 day' - n * 311 % 82800 * interval '1 second' as at) as moment
 cross join lateral (select (n * 13 + day) % 97 = 0 as failed_once) as fate;

insert into raw_ops.monitoring_runs (check_name, status, duration_ms, run_at) values
    ('order_ingestion_slo', 'ok', 3, now() - interval '40 seconds'),
    ('webhook_health', 'ok', 5, now() - interval '2 minutes');

insert into raw_ops.alerts (check_name, condition, state, severity, channel, title, opened_at, resolved_at) values
    ('webhook_health', 'p95_latency', 'resolved', 'warning', '#ops-alerts', 'Processing is slow',
     now() - interval '3 days', now() - interval '2 days 23 hours');
insert into raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key, state, sent_at, completed_at, status_code)
select 'alert', gen_random_uuid(), 'slack_url_ops_alerts', '{}', 'healthy-' || n, 'succeeded', now(), now(), 200
  from generate_series(1, 12) as n;
