-- Is there more to archive? $1 created before.
select exists (select from raw_ops.webhook_inbox where processing_status = 'success' and created_at < $1)
    or exists (select from raw_ops.webhook_inbox where processing_status = 'resolved_manual' and created_at < $1)
