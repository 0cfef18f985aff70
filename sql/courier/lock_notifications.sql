-- $1 events: those of them whose notification is to be sent, locked, so that whoever queues one is alone with it. One that
-- Customer.io has taken, or that has been given up, is not among them. Found by their ids: a partial index on notifications that wait
-- (its condition is avoided here) would be read whole for each of many. One that a person has written names no shop: it is its
-- shipment's.
select event.id, coalesce(about.shop_domain, event.shop_domain) as shop_domain,
       coalesce(about.shop_domain, '') <> '' as is_of_shipment,
       event.event_payload, event.notification_attempts, event.notification_next_retry_at
  from raw_ops.ops_events as event
  left join lateral (
       select coalesce(nullif(shipment.shop_domain, ''), orders.shop_domain) as shop_domain
         from raw_ops.shipments as shipment
         left join raw_ops.orders on orders.id = shipment.order_id
        where event.shop_domain = ''
          and shipment.id = event.entity_id) as about on true
 where event.id = any ($1)
   and event.kind || '' = 'CUSTOMER_EVENT'
   and event.customer_event_type = 'courier_exception'
   and event.processed_at is null
   and coalesce(event.notification_status, 'pending') = 'pending'
 order by event.id
   for no key update of event
