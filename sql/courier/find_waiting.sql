-- Notifications that are due, but whose request is not: it is missing (the trigger was off, the outbox was emptied), or due
-- later than the notification says. Oldest first, $1 at most; those others work on are skipped. Source: DLV, Retry Processor.
select event.id
  from raw_ops.ops_events as event
 where event.kind = 'CUSTOMER_EVENT'
   and event.customer_event_type = 'courier_exception'
   and event.processed_at is null
   and coalesce(event.notification_status, 'pending') = 'pending'
   and event.notification_attempts < coalesce((select max(attempt) from raw_ops.retry_schedule where purpose = 'courier'), 5)
   and (event.notification_next_retry_at is null or event.notification_next_retry_at <= now())
   and event.created_at > now() - interval '24 hours'
   and not exists (select from raw_ops.http_requests as request
                    where request.subject_id = event.id
                      and (request.state = 'sending' or request.state = 'queued' and request.send_after <= now()))
 order by event.created_at
 limit $1
   for no key update of event skip locked
