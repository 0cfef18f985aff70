-- How many webhooks come, day by day? ORD, question 8.
create or replace view raw_ops.dashboard_daily_volume as
select days.day, webhooks.received_count, webhooks.success_count,
       webhooks.received_count - webhooks.success_count - webhooks.dead_lettered_count as waiting_count,
       webhooks.dead_lettered_count
  from (select current_date - n as day from generate_series(0, 20) as n) as days
 cross join lateral (
       select count(*) as received_count,
              count(*) filter (where processing_status = 'success') as success_count,
              count(*) filter (where processing_status in ('dlq', 'resolved_manual')) as dead_lettered_count
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= days.day::timestamptz
          and created_at < (days.day + 1)::timestamptz) as webhooks
 order by days.day;
comment on view raw_ops.dashboard_daily_volume is
    'Question 8, daily volume: webhooks received on each of the last 21 days, by what has become of them.';
comment on column raw_ops.dashboard_daily_volume.waiting_count is 'Of those received that day, still pending, failed or retrying.';
comment on column raw_ops.dashboard_daily_volume.dead_lettered_count is
    'Of those received that day, dead letters: dlq or, settled by a person, resolved_manual.';
revoke all on raw_ops.dashboard_daily_volume from public;
