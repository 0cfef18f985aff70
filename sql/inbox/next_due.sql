-- When the next retry is due; null when nothing waits. The same rows are due at once as in claim_due.sql: those left
-- `retrying` by a crash, and failed ones without a time.
select least(
    (select min(next_retry_at) from raw_ops.webhook_inbox where processing_status = 'failed'),
    (select now() where exists (
        select from raw_ops.webhook_inbox where processing_status = 'retrying')),
    (select now() where exists (
        select from raw_ops.webhook_inbox where processing_status = 'failed' and next_retry_at is null)))
