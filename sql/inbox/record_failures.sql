-- Rowset `failures`: id, error, category, retry_at (null: no attempt left). $1 milliseconds it took, $2 the time now.
-- A state that may not go to dlq directly goes through failed, which ORD's table allows.
update raw_ops.webhook_inbox as webhook
   set processing_status = case
           when failure.retry_at is null and webhook.processing_status = 'failed' then 'dlq'
           else 'failed' end,
       processing_attempts = webhook.processing_attempts + 1,
       processing_duration_ms = $1,
       last_error = failure.error,
       last_error_at = $2,
       error_category = failure.category,
       next_retry_at = failure.retry_at
  from failures as failure
 where webhook.id = failure.id
