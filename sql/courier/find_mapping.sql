-- $1 courier, $2 event code: what the code means there.
select event_type, notification_template_id, requires_customer_notification, priority, customer_message, task_action,
       (extract(epoch from task_sla) * 1000000)::bigint as task_within
  from raw_ops.courier_event_mapping
 where lower(courier_name) = lower($1)
   and event_code = $2
