-- What the last $1 microseconds brought, by when it was received: of all shops (a null shop_domain), and of each.
select shop_domain,
       count(*) filter (where processing_status = 'success') as succeeded,
       count(*) filter (where processing_status in ('failed', 'retrying')) as failed,
       count(*) filter (where processing_status = 'dlq') as dead_letters,
       count(*) filter (where processing_status = 'pending') as pending,
       count(*) filter (where processing_status = 'resolved_manual') as resolved,
       avg(processing_duration_ms)::float8 as average_ms,
       percentile_cont(0.95) within group (order by processing_duration_ms) as p95_ms,
       max(processing_duration_ms)::float8 as worst_ms,
       coalesce(sum(duplicate_count), 0)::bigint as duplicates
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
   and created_at > now() - $1 * interval '1 microsecond'
 group by grouping sets ((), (shop_domain))
