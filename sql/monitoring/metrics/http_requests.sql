-- Requests that have ended, by purpose and how; what housekeeping has deleted included.
with ended as (
    select purpose, state as outcome, count(*) as requests
      from raw_ops.http_requests
     where state in ('succeeded', 'failed', 'abandoned')
     group by purpose, state
    union all
    select total.purpose, outcome.name, outcome.requests
      from raw_ops.http_request_totals as total
     cross join lateral (
           values ('succeeded', total.succeeded), ('failed', total.failed), ('abandoned', total.abandoned))
           as outcome (name, requests)
)
select purpose.name as purpose, outcome.name as outcome, coalesce(sum(ended.requests), 0)::text as requests
  from unnest(array['alert', 'courier', 'outbound']) with ordinality as purpose (name, position)
 cross join unnest(array['succeeded', 'failed', 'abandoned']) with ordinality as outcome (name, position)
  left join ended on ended.purpose = purpose.name and ended.outcome = outcome.name
 group by purpose.name, purpose.position, outcome.name, outcome.position
 order by purpose.position, outcome.position
