-- How many exceptions come, day by day? DLV.
create or replace view raw_ops.courier_exceptions_by_day as
select day.start::date as day, coalesce(exceptions.total, 0) as exceptions, coalesce(exceptions.notified, 0) as notified
  from generate_series(date_trunc('day', now()) - interval '29 days', date_trunc('day', now()), interval '1 day')
       as day(start)
  left join (
       select date_trunc('day', created_at) as start, count(*) as total,
              count(*) filter (where requires_customer_notification) as notified
         from raw_ops.courier_events
        where created_at >= date_trunc('day', now()) - interval '29 days' and event_type <> 'delivered'
        group by 1) as exceptions on exceptions.start = day.start;
comment on view raw_ops.courier_exceptions_by_day is
    'Exceptions a day, 30 days, in the session''s TimeZone; a day without any is a row of zeros.';
revoke all on raw_ops.courier_exceptions_by_day from public;
