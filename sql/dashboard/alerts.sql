-- The worst and then the oldest; fields of the message in one line.
select severity, left(title, 200) as title,
       coalesce((select left(string_agg(concat_ws(': ', field->>'title', field->>'value'), ' · ' order by place), 300)
                   from jsonb_array_elements(fields) with ordinality as listed (field, place)), '') as details,
       check_name as "check", condition, channel, occurrences::bigint, date_part('epoch', now() - opened_at)::bigint as seconds_open
  from raw_ops.alerts
 where state = 'open'
 order by array_position(array['critical', 'warning', 'info'], severity), opened_at
 limit 10
