select severity, left(title, 200), channel, coalesce(left(last_error, 300), ''), coalesce(attempts, 0)::bigint,
       date_part('epoch', now() - created_at)::bigint, date_part('epoch', next_attempt_at - now())::bigint
  from raw_ops.undelivered_alerts
 order by array_position(array['critical', 'warning', 'info'], severity), created_at
 limit 10
