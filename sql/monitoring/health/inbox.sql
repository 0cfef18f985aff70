-- What waits in the inbox.
select count(*) filter (where processing_status <> 'dlq'),
       (extract(epoch from now() - min(received_at) filter (where processing_status = 'pending')))::float8,
       (extract(epoch from now() - min(received_at) filter (where processing_status <> 'dlq')))::float8,
       min(received_at) filter (where processing_status <> 'dlq'),
       count(*) filter (where processing_status = 'dlq'),
       min(last_error_at) filter (where processing_status = 'dlq')
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'failed', 'retrying', 'dlq')
