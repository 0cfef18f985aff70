-- How did it go, hour by hour? ORD.
create or replace view raw_ops.webhook_processing_by_hour as
select hours.hour, webhooks.*
  from unnest(array(select date_trunc('hour', now()) - n * interval '1 hour' from generate_series(0, 167) as n))
         as hours (hour)
 cross join lateral (
       select count(*) as received_count,
              count(*) filter (where processing_status = 'success') as success_count,
              count(*) filter (where processing_status in ('pending', 'failed', 'retrying')) as waiting_count,
              count(*) filter (where processing_status in ('dlq', 'resolved_manual')) as dead_lettered_count,
              trunc(100.0 * count(*) filter (where processing_status = 'success')
                    / nullif(count(*) filter (where processing_status <> 'pending'), 0), 2) as success_rate_percent,
              round(avg(processing_duration_ms), 1) as avg_processing_ms,
              round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
              max(processing_duration_ms) as max_processing_ms
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= hours.hour
          and created_at < hours.hour + interval '1 hour') as webhooks
 order by hours.hour;
comment on view raw_ops.webhook_processing_by_hour is
    'The last 7 days by hour received: volume, success rate, processing times. 168 rows, the current hour last.';
comment on column raw_ops.webhook_processing_by_hour.hour is 'Start of the hour.';
comment on column raw_ops.webhook_processing_by_hour.waiting_count is 'Of those received in this hour, still pending, failed or retrying.';
comment on column raw_ops.webhook_processing_by_hour.dead_lettered_count is
    'Of those received in this hour, dead letters: dlq or, settled by a person, resolved_manual.';
revoke all on raw_ops.webhook_processing_by_hour from public;
