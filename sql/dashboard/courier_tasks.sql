-- The open tasks that are due first.
select event_type, event_code as code, left(action, 200) as action, coalesce(tracking_no, '') as tracking_no,
       coalesce(order_name, '') as order_name, date_part('epoch', due_at - now())::bigint as seconds_left
  from raw_ops.courier_open_tasks
 order by due_at
 limit 10
