-- The second step for those of the rowset `failures` that have no attempt left and were not failed before.
update raw_ops.webhook_inbox as webhook
   set processing_status = 'dlq'
  from failures as failure
 where webhook.id = failure.id
   and failure.retry_at is null
   and webhook.processing_status = 'failed'
