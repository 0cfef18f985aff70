-- What waits in the inbox.
select count(*) filter (where processing_status <> 'dlq') as depth,
       (extract(epoch from now() - min(received_at) filter (where processing_status = 'pending')))::float8 as oldest_pending_seconds,
       count(*) filter (where processing_status = 'dlq') as dead_letters
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'failed', 'retrying', 'dlq')
