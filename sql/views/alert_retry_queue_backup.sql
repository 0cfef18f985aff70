-- Is the queue too deep or too old? ORD.
create or replace view raw_ops.alert_retry_queue_backup as
select threshold.condition, measured.value, threshold.threshold, threshold.unit, threshold.severity, queue.*
  from raw_ops.retry_queue_depth as queue
 cross join lateral (
       values ('retry_queue_depth', queue.queue_depth::numeric),
              ('oldest_pending', (date_part('epoch', queue.oldest_age) / 60)::numeric)) as measured (condition, value)
  join raw_ops.monitor_thresholds as threshold
    on threshold.check_name = 'webhook_health' and threshold.condition = measured.condition and threshold.enabled
 where measured.value > threshold.threshold;
comment on view raw_ops.alert_retry_queue_backup is
    'Empty while all is well: rows only if the queue is deeper, or its oldest webhook older, than monitor_thresholds allows (100 webhooks, 30 minutes).';
comment on column raw_ops.alert_retry_queue_backup.condition is 'retry_queue_depth or oldest_pending: what is over its threshold.';
comment on column raw_ops.alert_retry_queue_backup.value is 'In unit, as is threshold.';
revoke all on raw_ops.alert_retry_queue_backup from public;
