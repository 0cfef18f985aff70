-- For how long has the oldest webhook waited? ORD, question 7.
create or replace view raw_ops.dashboard_oldest_pending as
select queue.oldest_age_minutes, queue.oldest_age, queue.oldest_received_at, oldest.processing_status, oldest.topic,
       oldest.id as webhook_id, queue.queue_depth
  from raw_ops.retry_queue_depth as queue
  left join lateral (
       select id, topic, processing_status
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'failed', 'retrying')
        order by received_at
        limit 1) as oldest on true;
comment on view raw_ops.dashboard_oldest_pending is
    'Question 7, age of the oldest webhook that waits to be processed or tried again. One row; age 0 when nothing waits.';
revoke all on raw_ops.dashboard_oldest_pending from public;
