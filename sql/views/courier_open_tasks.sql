-- What does a person have to do? DLV.
create or replace view raw_ops.courier_open_tasks as
select task.id as task_id, task.event_code, task.event_type, task.action, task.due_at, task.due_at < now() as is_overdue,
       round((extract(epoch from task.due_at - now()) / 60)::numeric) as minutes_left,
       shipment.tracking_no, shipment.tracking_url, orders.order_name, task.shipment_id, task.created_at, task.shop_domain
  from raw_ops.courier_tasks as task
  join raw_ops.shipments as shipment on shipment.id = task.shipment_id
  left join raw_ops.orders on orders.id = shipment.order_id
 where task.done_at is null;
comment on view raw_ops.courier_open_tasks is
    'What a person has to do, and how long there is for it. Close one: SELECT raw_ops.fn_complete_courier_task_v1(task_id, note);';
revoke all on raw_ops.courier_open_tasks from public;
