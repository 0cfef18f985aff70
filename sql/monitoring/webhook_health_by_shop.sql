-- Of each shop that has any: what waits, dead letters (those within $1 microseconds too), and elements that list-shaped
-- webhooks left within $2.
select shop_domain, sum(waiting)::bigint as depth, sum(fresh)::bigint as new_dead_letters, sum(dead)::bigint as dead_letters,
       sum(refused)::bigint as refused_elements, sum(waiting_elements)::bigint as waiting_elements,
       coalesce(max(oldest_element_minutes), 0) as oldest_element_minutes
  from (select shop_domain, count(*) as waiting, 0 as fresh, 0 as dead, 0 as refused, 0 as waiting_elements,
               null::float8 as oldest_element_minutes
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'failed', 'retrying')
         group by shop_domain
        union all
        select shop_domain, 0,
               count(*) filter (where coalesce(last_error_at, created_at) > now() - $1 * interval '1 microsecond'),
               count(*), 0, 0, null
          from raw_ops.webhook_inbox
         where processing_status = 'dlq'
         group by shop_domain
        union all
        select shop_domain, 0, 0, 0, count(*) filter (where state = 'refused'), count(*) filter (where state = 'waiting'),
               (extract(epoch from now() - min(created_at) filter (where state = 'waiting')) / 60)::float8
          from raw_ops.webhook_elements
         where created_at > now() - $2 * interval '1 microsecond'
         group by shop_domain) as part
 group by shop_domain
 order by shop_domain
