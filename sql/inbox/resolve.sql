update raw_ops.webhook_inbox
   set processing_status = 'resolved_manual', processed_at = clock_timestamp(), next_retry_at = null
 where id = $1
