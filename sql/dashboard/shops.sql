-- The shops that the page shows, $1 at most: those that most webhooks came of in the last 24 hours, then by name.
select shop_domain,
       coalesce(health.shop_name, queue.shop_name, '') as name,
       coalesce(health.received_count, 0) as received,
       health.success_rate_percent::float8 as success_rate,
       coalesce(health.new_dlq_count, 0) as new_dead_letters,
       coalesce(queue.queue_depth, 0) as waiting,
       coalesce(date_part('epoch', queue.oldest_age), 0)::bigint as oldest_seconds,
       count(*) over () as shops
  from raw_ops.webhook_health_by_shop as health
  full join raw_ops.retry_queue_depth_by_shop as queue using (shop_domain)
 order by received desc, lower(coalesce(health.shop_name, queue.shop_name, shop_domain)), shop_domain
 limit $1
