-- How did the last 24 hours go? ORD.
create or replace view raw_ops.webhook_health as
select received.*, new_dlq.new_dlq_count
  from (select count(*) as received_count,
               count(*) filter (where processing_status = 'pending') as pending_count,
               count(*) filter (where processing_status = 'success') as success_count,
               count(*) filter (where processing_status = 'failed') as failed_count,
               count(*) filter (where processing_status = 'retrying') as retrying_count,
               count(*) filter (where processing_status = 'dlq') as dlq_count,
               count(*) filter (where processing_status = 'resolved_manual') as resolved_manual_count,
               trunc(100.0 * count(*) filter (where processing_status = 'success')
                     / nullif(count(*) filter (where processing_status <> 'pending'), 0), 2) as success_rate_percent,
               round(avg(processing_duration_ms), 1) as avg_processing_ms,
               round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
               round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
               round((percentile_cont(0.99) within group (order by processing_duration_ms))::numeric, 1) as p99_processing_ms,
               max(processing_duration_ms) as max_processing_ms,
               coalesce(sum(duplicate_count), 0) as duplicate_count
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
           and created_at >= now() - interval '24 hours') as received
 cross join (
       select count(*) as new_dlq_count
         from raw_ops.webhook_inbox
        where processing_status in ('dlq', 'resolved_manual')
          and created_at >= now() - interval '90 days'
          and coalesce(last_error_at, created_at) >= now() - interval '24 hours') as new_dlq;
comment on view raw_ops.webhook_health is
    'The last 24 hours in one row: webhooks received by state of now, success rate, processing times.';
comment on column raw_ops.webhook_health.success_rate_percent is
    'success / (success + failed + retrying + dlq + resolved_manual), rounded down; null while nothing has an outcome.';
comment on column raw_ops.webhook_health.p95_processing_ms is
    '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt.';
comment on column raw_ops.webhook_health.dlq_count is 'Received in these 24 hours and now waiting for a person.';
comment on column raw_ops.webhook_health.duplicate_count is 'Repeated deliveries of these webhooks.';
comment on column raw_ops.webhook_health.new_dlq_count is
    'Became dead letters in these 24 hours, whenever received and whether settled by now or not.';
revoke all on raw_ops.webhook_health from public;
