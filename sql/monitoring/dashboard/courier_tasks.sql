-- The open tasks that are due first.
select event_type, event_code, left(action, 200), coalesce(tracking_no, ''), coalesce(order_name, ''),
       date_part('epoch', due_at - now())::bigint
  from raw_ops.courier_open_tasks
 order by due_at
 limit 10
