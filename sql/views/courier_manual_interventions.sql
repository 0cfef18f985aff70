-- How often does a person have to step in, and in time? DLV.
create or replace view raw_ops.courier_manual_interventions as
select counts.*, trunc(100.0 * tasks / nullif(exceptions, 0), 2) as intervention_rate_percent,
       trunc(100.0 * in_time / nullif(tasks - not_due, 0), 2) as within_sla_percent
  from (select (select count(*) from raw_ops.courier_events
                 where created_at > now() - interval '30 days' and event_type <> 'delivered') as exceptions,
               count(*) as tasks,
               count(*) filter (where done_at is null) as open,
               count(*) filter (where done_at is null and due_at < now()) as overdue,
               count(*) filter (where done_at is null and due_at >= now()) as not_due,
               count(*) filter (where done_at <= due_at) as in_time,
               round((percentile_cont(0.5) within group (order by extract(epoch from done_at - created_at) / 60))::numeric)
                   as median_minutes_to_done
          from raw_ops.courier_tasks
         where created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_manual_interventions is
    'Tasks of the last 30 days against exceptions (DLV''s target is below 2 %), and how many were done within their SLA.';
revoke all on raw_ops.courier_manual_interventions from public;
