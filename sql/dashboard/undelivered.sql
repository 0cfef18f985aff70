select severity, left(title, 200) as title, channel, coalesce(left(last_error, 300), '') as error,
       coalesce(attempts, 0)::bigint as attempts, date_part('epoch', now() - created_at)::bigint as seconds_old,
       date_part('epoch', next_attempt_at - now())::bigint as seconds_to_next
  from raw_ops.undelivered_alerts
 order by array_position(array['critical', 'warning', 'info'], severity), created_at
 limit 10
