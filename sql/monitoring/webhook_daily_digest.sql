-- What the last $1 microseconds brought, by when it was received.
select count(*) filter (where processing_status = 'success'),
       count(*) filter (where processing_status in ('failed', 'retrying')),
       count(*) filter (where processing_status = 'dlq'),
       count(*) filter (where processing_status = 'pending'),
       count(*) filter (where processing_status = 'resolved_manual'),
       avg(processing_duration_ms)::float8,
       percentile_cont(0.95) within group (order by processing_duration_ms),
       max(processing_duration_ms)::float8,
       coalesce(sum(duplicate_count), 0)::bigint
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
   and created_at > now() - $1 * interval '1 microsecond'
