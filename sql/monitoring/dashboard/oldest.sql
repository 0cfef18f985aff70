select date_part('epoch', oldest.oldest_age)::bigint as seconds, oldest.queue_depth, oldest.topic, oldest.processing_status,
       (select min(threshold)::float8
          from raw_ops.monitor_thresholds
         where check_name = 'webhook_health' and condition = 'oldest_pending' and enabled) as threshold_minutes
  from raw_ops.dashboard_oldest_pending as oldest
