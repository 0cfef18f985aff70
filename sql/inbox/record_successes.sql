-- $1 ids, $2 milliseconds it took.
update raw_ops.webhook_inbox
   set processing_status = 'success',
       processing_attempts = processing_attempts + 1,
       processing_duration_ms = $2,
       processed_at = clock_timestamp(),
       next_retry_at = null
 where id = any ($1)
