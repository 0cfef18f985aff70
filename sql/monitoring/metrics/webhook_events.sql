-- By provider ($1 all their names) and shop ($2 domains, $3 their labels, $4 the label of all others): processed, failed,
-- duplicates. Totals and tallies in one statement, so that a fold in between is not seen. Each label has each provider, so
-- that a rate finds the 0 before the first.
with shop as (
    select domain, label from unnest($2, $3) as shop (domain, label)
), counted as (
    select count.provider, coalesce(shop.label, $4) as label, count.processed, count.failed, count.duplicates
      from (select provider, shop_domain, processed, failed, duplicates from raw_ops.webhook_totals
            union all
            select provider, shop_domain, processed, failed, duplicates from raw_ops.webhook_tallies) as count
      left join shop on shop.domain = count.shop_domain
), listed as (
    select label from shop
    union
    select label from counted
)
select provider.name as provider, listed.label as shop, coalesce(sum(counted.processed), 0)::text as processed,
       coalesce(sum(counted.failed), 0)::text as failed, coalesce(sum(counted.duplicates), 0)::text as duplicates
  from unnest($1) with ordinality as provider (name, position)
 cross join listed
  left join counted on counted.provider = provider.name and counted.label = listed.label
 group by provider.name, provider.position, listed.label
 order by provider.position, listed.label
