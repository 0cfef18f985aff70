-- Who has not heard of it, and why? DLV.
create or replace view raw_ops.courier_failed_notifications as
select event.id as ops_event_id, event.created_at, event.event_payload->>'event_type' as event_type,
       event.event_payload->>'notification_template_id' as notification_template_id,
       event.notification_attempts, event.notification_last_error, event.entity_id as shipment_id,
       event.event_payload #>> '{shipment,tracking_no}' as tracking_no,
       last_attempt.status_code as last_status_code, last_attempt.completed_at as failed_at, event.shop_domain
  from raw_ops.ops_events as event
  left join lateral (
       select request.status_code, request.completed_at
         from raw_ops.http_requests as request
        where request.subject_id = event.id and request.completed_at is not null
        order by request.completed_at desc
        limit 1) as last_attempt on true
 where event.kind = 'CUSTOMER_EVENT' and event.customer_event_type = 'courier_exception'
   and event.notification_status = 'failed';
comment on view raw_ops.courier_failed_notifications is
    'Notifications that no attempt is left for. After mending the cause, DLV''s manual re-trigger sends them.';
revoke all on raw_ops.courier_failed_notifications from public;
