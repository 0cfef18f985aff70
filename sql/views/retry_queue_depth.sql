-- What waits now, and for how long? ORD.
create or replace view raw_ops.retry_queue_depth as
select queue.*,
       coalesce(now() - oldest_received_at, interval '0') as oldest_age,
       coalesce(round((date_part('epoch', now() - oldest_received_at) / 60)::numeric, 2), 0) as oldest_age_minutes
  from (select count(*) as queue_depth,
               count(*) filter (where processing_status = 'pending') as pending_count,
               count(*) filter (where processing_status = 'failed') as failed_count,
               count(*) filter (where processing_status = 'retrying') as retrying_count,
               count(*) filter (where processing_status <> 'failed' or next_retry_at is null
                                      or next_retry_at <= now()) as due_count,
               min(next_retry_at) filter (where processing_status = 'failed') as next_retry_at,
               max(processing_attempts) as most_attempts,
               min(received_at) as oldest_received_at
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'failed', 'retrying')) as queue;
comment on view raw_ops.retry_queue_depth is
    'The queue now, in one row: how many webhooks wait to be processed or tried again, and how long the oldest has waited.';
comment on column raw_ops.retry_queue_depth.queue_depth is 'pending + failed + retrying.';
comment on column raw_ops.retry_queue_depth.failed_count is 'Failed so far and waiting for their next attempt.';
comment on column raw_ops.retry_queue_depth.due_count is 'Those the next drain or retry takes; the others wait for their next_retry_at.';
comment on column raw_ops.retry_queue_depth.next_retry_at is 'The earliest planned attempt of a failed webhook.';
comment on column raw_ops.retry_queue_depth.oldest_age is 'Since the oldest webhook of the queue was received; 0 when the queue is empty.';
revoke all on raw_ops.retry_queue_depth from public;
