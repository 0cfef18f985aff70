-- How many dead letters came, day by day? ORD, question 3.
create or replace view raw_ops.dashboard_dlq_by_day as
select days.day,
       count(died.day) as dlq_count,
       count(died.day) filter (where died.processing_status = 'dlq') as open_count,
       count(died.day) filter (where died.processing_status = 'resolved_manual') as resolved_manual_count
  from (select current_date - n as day from generate_series(0, 29) as n) as days
  left join (
       select coalesce(last_error_at, created_at)::date as day, processing_status
         from raw_ops.webhook_inbox
        where processing_status in ('dlq', 'resolved_manual')
          and created_at >= now() - interval '90 days') as died on died.day = days.day
 group by days.day
 order by days.day;
comment on view raw_ops.dashboard_dlq_by_day is
    'Question 3, dead letters by the day they became dead letters: the last 30 days.';
comment on column raw_ops.dashboard_dlq_by_day.dlq_count is 'Became dead letters that day, settled by now or not.';
comment on column raw_ops.dashboard_dlq_by_day.open_count is 'Of them, still waiting for a person.';
comment on column raw_ops.dashboard_dlq_by_day.resolved_manual_count is 'Of them, settled by a person.';
revoke all on raw_ops.dashboard_dlq_by_day from public;
