-- What waits, by status and shop ($2 domains, $3 their labels, $4 the label of all others). Where no shop is told ($4 is
-- empty) each status is counted on its own, as a constant: a join would read a long queue three times as slowly.
with waiting as (
    select processing_status, shop_domain, count(*) as webhooks
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'failed', 'retrying') and $4 <> ''
     group by processing_status, shop_domain
), labelled as (
    select waiting.processing_status, coalesce(shop.label, $4) as label, waiting.webhooks
      from waiting
      left join unnest($2, $3) as shop (domain, label) on shop.domain = waiting.shop_domain
), listed as (
    select label from unnest($3) as shop (label)
    union
    select label from labelled
)
select status, '' as shop, webhooks
  from (values
       ('pending', (select count(*) from raw_ops.webhook_inbox where processing_status = 'pending')::text),
       ('failed', (select count(*) from raw_ops.webhook_inbox where processing_status = 'failed')::text),
       ('retrying', (select count(*) from raw_ops.webhook_inbox where processing_status = 'retrying')::text)) as depth (status, webhooks)
 where $4 = ''
union all
(select status.name, listed.label, coalesce(sum(labelled.webhooks), 0)::text
   from unnest(array['pending', 'failed', 'retrying']) with ordinality as status (name, position)
  cross join listed
   left join labelled on labelled.processing_status = status.name and labelled.label = listed.label
  where $4 <> ''
  group by status.name, status.position, listed.label
  order by status.position, listed.label)
