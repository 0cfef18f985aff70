-- $1 task, $2 who, $3 what was done.
update raw_ops.courier_tasks
   set done_at = clock_timestamp(), done_by = $2, note = $3
 where id = $1
   and done_at is null
returning done_at, due_at, event_code, shop_domain
