-- The dead letters of each shop that has any: how many can be applied as they came, and how many not; the oldest of them.
select shop_domain, count(*) as total,
       count(*) filter (where is_order and category not in ('malformed_payload', 'unknown_topic')) as to_apply,
       mode() within group (order by category) filter (where is_order and category not in ('malformed_payload', 'unknown_topic'))
           as category,
       count(*) filter (where is_order and category = 'malformed_payload') as malformed,
       count(*) filter (where category = 'unknown_topic') as unknown_topic,
       min(died_at) as oldest_at,
       (array_agg(id order by died_at))[1] as id,
       (array_agg(last_error order by died_at))[1] as error,
       (array_agg(id order by died_at) filter (where is_order and category = 'malformed_payload'))[1] as malformed_id,
       (array_agg(last_error order by died_at) filter (where is_order and category = 'malformed_payload'))[1] as malformed_error
  from (select shop_domain, id, last_error, coalesce(last_error_at, created_at) as died_at,
               provider = 'shopify' and topic like 'orders/%' and payload is not null as is_order,
               coalesce(error_category, 'internal') as category
          from raw_ops.webhook_inbox
         where processing_status = 'dlq') as dead
 group by shop_domain
 order by shop_domain
