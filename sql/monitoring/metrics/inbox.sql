-- Age of the oldest pending webhook, dead letters, by shop ($2 domains, $3 their labels, $4 the label of all others). Where
-- no shop is told ($4 is empty) an index answers each on its own.
with counted as (
    select shop_domain, min(received_at) filter (where processing_status = 'pending') as oldest_pending,
           count(*) filter (where processing_status = 'dlq') as dead_letters
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'dlq') and $4 <> ''
     group by shop_domain
), labelled as (
    select coalesce(shop.label, $4) as label, counted.oldest_pending, counted.dead_letters
      from counted
      left join unnest($2, $3) as shop (domain, label) on shop.domain = counted.shop_domain
    union all
    select label, null, 0 from unnest($3) as shop (label)
)
select '' as shop,
       (select coalesce(greatest(extract(epoch from now() - min(received_at)), 0), 0)::float8
          from raw_ops.webhook_inbox where processing_status = 'pending')::text as oldest_pending_age,
       (select count(*) from raw_ops.webhook_inbox where processing_status = 'dlq')::text as dead_letters
 where $4 = ''
union all
(select label, coalesce(greatest(extract(epoch from now() - min(oldest_pending)), 0), 0)::float8::text, sum(dead_letters)::text
   from labelled
  where $4 <> ''
  group by label
  order by label)
