select date_part('epoch', oldest.oldest_age)::bigint as seconds, oldest.queue_depth, oldest.topic, oldest.processing_status
  from raw_ops.dashboard_oldest_pending as oldest
