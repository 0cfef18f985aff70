-- Requests that have ended, by purpose, how, and shop ($2 domains, $3 their labels, $4 the label of all others); what
-- housekeeping has deleted included.
with shop as (
    select domain, label from unnest($2, $3) as shop (domain, label)
), ended as (
    select purpose, shop_domain, state as outcome, count(*) as requests
      from raw_ops.http_requests
     where state in ('succeeded', 'failed', 'abandoned')
     group by purpose, state, shop_domain
    union all
    select total.purpose, total.shop_domain, outcome.name, outcome.requests
      from raw_ops.http_request_totals as total
     cross join lateral (
           values ('succeeded', total.succeeded), ('failed', total.failed), ('abandoned', total.abandoned))
           as outcome (name, requests)
), labelled as (
    select ended.purpose, ended.outcome, coalesce(shop.label, $4) as label, ended.requests
      from ended
      left join shop on shop.domain = ended.shop_domain
), listed as (
    select label from shop
    union
    select label from labelled
)
select purpose.name as purpose, outcome.name as outcome, listed.label as shop, coalesce(sum(labelled.requests), 0)::text as requests
  from unnest(array['alert', 'courier', 'outbound']) with ordinality as purpose (name, position)
 cross join unnest(array['succeeded', 'failed', 'abandoned']) with ordinality as outcome (name, position)
 cross join listed
  left join labelled
    on labelled.purpose = purpose.name and labelled.outcome = outcome.name and labelled.label = listed.label
 group by purpose.name, purpose.position, outcome.name, outcome.position, listed.label
 order by purpose.position, outcome.position, listed.label
