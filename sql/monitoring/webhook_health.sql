-- The state of the queue, of dead letters within $1 microseconds, of latency within $2; of elements that list-shaped webhooks
-- left, within $3.
select queue.depth, coalesce(queue.oldest_minutes, 0) as oldest_minutes, queue.oldest_at, dead.fresh as new_dead_letters,
       dead.total as dead_letters, coalesce(latency.p95, 0) as p95_ms, coalesce(latency.worst, 0) as worst_ms,
       latency.processed, queue.pending, queue.failed, queue.retrying, element.refused as refused_elements,
       element.waiting as waiting_elements, coalesce(element.oldest_minutes, 0) as oldest_element_minutes
  from (select count(*) as depth, min(received_at) as oldest_at,
               (extract(epoch from now() - min(received_at)) / 60)::float8 as oldest_minutes,
               count(*) filter (where processing_status = 'pending') as pending,
               count(*) filter (where processing_status = 'failed') as failed,
               count(*) filter (where processing_status = 'retrying') as retrying
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'failed', 'retrying')) as queue,
       (select count(*) as total,
               count(*) filter (where coalesce(last_error_at, created_at) > now() - $1 * interval '1 microsecond') as fresh
          from raw_ops.webhook_inbox
         where processing_status = 'dlq') as dead,
       (select percentile_cont(0.95) within group (order by processing_duration_ms) as p95,
               max(processing_duration_ms)::float8 as worst,
               count(processing_duration_ms) as processed
          from raw_ops.webhook_inbox
         where processing_status in ('success', 'failed', 'dlq', 'resolved_manual', 'retrying')
           and created_at > now() - $2 * interval '1 microsecond') as latency,
       (select count(*) filter (where state = 'refused') as refused,
               count(*) filter (where state = 'waiting') as waiting,
               (extract(epoch from now() - min(created_at) filter (where state = 'waiting')) / 60)::float8 as oldest_minutes
          from raw_ops.webhook_elements
         where created_at > now() - $3 * interval '1 microsecond') as element
