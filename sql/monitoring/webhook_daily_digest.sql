-- What the last $1 microseconds brought, by when it was received: of all shops (a null shop_domain), and of each.
select shop_domain,
       count(*) filter (where processing_status = 'success') as succeeded,
       count(*) filter (where processing_status in ('failed', 'retrying')) as failed,
       count(*) filter (where processing_status = 'dlq') as dead_letters,
       count(*) filter (where processing_status = 'pending') as pending,
       count(*) filter (where processing_status = 'resolved_manual') as resolved,
       count(*) filter (where processing_status = 'resolved_manual' and has_no_order) as settled_without_order,
       avg(processing_duration_ms)::float8 as average_ms,
       percentile_cont(0.95) within group (order by processing_duration_ms) as p95_ms,
       max(processing_duration_ms)::float8 as worst_ms,
       coalesce(sum(duplicate_count), 0)::bigint as duplicates
  from raw_ops.webhook_inbox as webhook
 -- Asked of the few that a person has settled only.
 cross join lateral (
       select case when processing_status = 'resolved_manual' and provider = 'shopify' and topic like 'orders/%'
                   then not exists (select from raw_ops.orders as known
                                     where known.shopify_order_id = webhook.shopify_order_id
                                       and known.shop_domain in ('', webhook.shop_domain))
                   else false end as has_no_order) as settled
 where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
   and created_at > now() - $1 * interval '1 microsecond'
 group by grouping sets ((), (shop_domain))
