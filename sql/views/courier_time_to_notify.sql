-- How soon do they hear of it? DLV.
create or replace view raw_ops.courier_time_to_notify as
select count(*) as sample_size,
       round(avg(seconds), 1) as avg_seconds,
       round((percentile_cont(0.5) within group (order by seconds))::numeric, 3) as p50_seconds,
       round((percentile_cont(0.95) within group (order by seconds))::numeric, 3) as p95_seconds,
       round(max(seconds), 1) as max_seconds,
       trunc(100.0 * count(*) filter (where seconds < 10) / nullif(count(*), 0), 2) as within_10_seconds_percent
  from (select extract(epoch from processed_at - created_at)::numeric as seconds
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
           and notification_status = 'sent'
           and created_at > now() - interval '30 days') as sent;
comment on view raw_ops.courier_time_to_notify is
    'Seconds from a notification''s creation to its acceptance by Customer.io, last 30 days, retries included; DLV''s target is below 10.';
revoke all on raw_ops.courier_time_to_notify from public;
