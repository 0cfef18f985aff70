-- What waits in the inbox.
select count(*) filter (where processing_status <> 'dlq') as depth,
       (extract(epoch from now() - min(received_at) filter (where processing_status = 'pending')))::float8 as oldest_pending_seconds,
       (extract(epoch from now() - min(received_at) filter (where processing_status <> 'dlq')))::float8 as oldest_seconds,
       min(received_at) filter (where processing_status <> 'dlq') as oldest_at,
       count(*) filter (where processing_status = 'dlq') as dead_letters,
       min(last_error_at) filter (where processing_status = 'dlq') as oldest_dead_at
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'failed', 'retrying', 'dlq')
