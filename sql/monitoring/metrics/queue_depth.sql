-- What waits, by status. Each counted on its own, with the status as a constant: a join would read a long queue three
-- times as slowly.
select status, webhooks
  from (values
       ('pending', (select count(*) from raw_ops.webhook_inbox where processing_status = 'pending')::text),
       ('failed', (select count(*) from raw_ops.webhook_inbox where processing_status = 'failed')::text),
       ('retrying', (select count(*) from raw_ops.webhook_inbox where processing_status = 'retrying')::text)) as depth (status, webhooks)
