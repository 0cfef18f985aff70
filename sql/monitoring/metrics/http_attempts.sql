-- Attempts that have ended, by purpose and how; what housekeeping has deleted included.
with here as (
    select purpose, state, count(*) as attempts
      from raw_ops.http_requests
     where state in ('succeeded', 'failed', 'abandoned')
     group by purpose, state
), counted as (
    select purpose.name, purpose.position,
           coalesce(max(total.succeeded), 0) + coalesce(sum(here.attempts) filter (where here.state = 'succeeded'), 0) as succeeded,
           coalesce(max(total.failed + total.abandoned), 0)
               + coalesce(sum(here.attempts) filter (where here.state in ('failed', 'abandoned')), 0) as failed
      from unnest(array['alert', 'courier', 'outbound']) with ordinality as purpose (name, position)
      left join raw_ops.http_request_totals as total on total.purpose = purpose.name
      left join here on here.purpose = purpose.name
     group by purpose.name, purpose.position
)
select counted.name, outcome.name, case outcome.name when 'succeeded' then counted.succeeded else counted.failed end::text
  from counted
 cross join unnest(array['succeeded', 'failed']) with ordinality as outcome (name, position)
 order by counted.position, outcome.position
