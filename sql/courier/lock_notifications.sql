-- $1 events: those of them whose notification is to be sent, locked, so that whoever queues one is alone with it. One that
-- Customer.io has taken, or that has been given up, is not among them. Found by their ids: a partial index on notifications that wait
-- (its condition is avoided here) would be read whole for each of many.
select id, shop_domain, event_payload, notification_attempts, notification_next_retry_at
  from raw_ops.ops_events
 where id = any ($1)
   and kind || '' = 'CUSTOMER_EVENT'
   and customer_event_type = 'courier_exception'
   and processed_at is null
   and coalesce(notification_status, 'pending') = 'pending'
 order by id
   for no key update
