-- How long does processing take, day by day? ORD, question 4.
create or replace view raw_ops.dashboard_p95_latency as
select days.day, webhooks.*
  from unnest(array(select current_date - n from generate_series(0, 13) as n)) as days (day)
 cross join lateral (
       select count(processing_duration_ms) as processed_count,
              round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
              round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
              max(processing_duration_ms) as max_processing_ms
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= days.day::timestamptz
          and created_at < (days.day + 1)::timestamptz) as webhooks
 order by days.day;
comment on view raw_ops.dashboard_p95_latency is
    'Question 4, P95 latency trend: processing times by day received, the last 14 days. By hour: webhook_processing_by_hour.';
comment on column raw_ops.dashboard_p95_latency.p95_processing_ms is
    '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt; null on a day without any.';
revoke all on raw_ops.dashboard_p95_latency from public;
