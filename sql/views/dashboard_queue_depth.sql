-- How deep was the queue, hour by hour? ORD, question 2.
create or replace view raw_ops.dashboard_queue_depth as
with hours as (
    select hour
      from unnest(array(select date_trunc('hour', now()) - n * interval '1 hour' from generate_series(0, 192) as n))
             as hours (hour)
), waited as (
    -- Only webhooks that outlast the hour they came in can be waiting at a full hour. Nearly none do.
    select webhook.received_at, webhook.left_at
      from hours
     cross join lateral (
           select received_at,
                  case processing_status when 'success' then processed_at else last_error_at end as left_at
             from raw_ops.webhook_inbox
            where processing_status in ('success', 'dlq', 'resolved_manual')
              and created_at >= hours.hour
              and created_at < hours.hour + interval '1 hour'
           -- Kept apart, or the planner takes the two bounds for independent and each hour for a ninth of the table.
           offset 0) as webhook
     where webhook.left_at >= hours.hour + interval '1 hour'
    union all
    select received_at, null
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'failed', 'retrying')
), changes as (
    -- At the first full hour, or now, that sees them: one more for each that came, one less for each that left.
    select least(greatest(date_trunc('hour', change.at - interval '1 microsecond') + interval '1 hour',
                          date_trunc('hour', now()) - interval '7 days'), now()) as measured_at,
           sum(change.webhooks) as webhooks
      from waited
     cross join lateral (values (waited.received_at, 1), (waited.left_at, -1)) as change (at, webhooks)
     where change.at <= now()
     group by 1
)
select measured_at, (sum(coalesce(changes.webhooks, 0)) over (order by measured_at))::bigint as queue_depth
  from (select hour as measured_at from hours where hour >= date_trunc('hour', now()) - interval '7 days'
        union
        select now()) as measured
  left join changes using (measured_at)
 order by measured_at;
comment on view raw_ops.dashboard_queue_depth is
    'Question 2, queue depth over time: how many webhooks were waiting at each full hour of the last 7 days, and now (last row). Derived from when each webhook came and left.';
comment on column raw_ops.dashboard_queue_depth.queue_depth is
    'Received by then, and processed or dead-lettered only later or not yet. Webhooks that waited for more than a day are not known before the last 7 days.';
revoke all on raw_ops.dashboard_queue_depth from public;
