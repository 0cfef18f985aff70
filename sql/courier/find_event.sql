-- $1 shipment, $2 code, $3 time: the event as it was recorded, its notification and its task.
select event.id as courier_event_id, event.event_type, event.requires_customer_notification,
       notification.id as ops_event_id, notification.notification_status, notification.event_payload, task.id as task_id,
       task.due_at, event.withheld
  from raw_ops.courier_events as event
  left join raw_ops.ops_events as notification
    on notification.entity_type = 'shipment' and notification.entity_id = event.shipment_id and notification.kind = 'CUSTOMER_EVENT'
   and notification.event_payload->>'courier_event_id' = event.id::text
  left join raw_ops.courier_tasks as task on task.courier_event_id = event.id
 where event.shipment_id = $1
   and event.event_code = $2
   and event.event_time = $3
