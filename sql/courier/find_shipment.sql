-- $1 a shipment: itself, who is to be told about it, and how its way has ended, if it has. One of no known shop is of its
-- order's. The order's e-mail is the one its buyer gave, and corrects, for this order; the customer's is the next. Blank texts
-- count as none.
select shipment.id, coalesce(nullif(shipment.shop_domain, ''), orders.shop_domain, '') as shop_domain,
       shipment.courier_name, shipment.tracking_no, shipment.tracking_url, orders.order_name,
       coalesce(nullif(btrim(orders.email), ''), nullif(btrim(customer.email), '')) as email,
       coalesce(nullif(btrim(customer.first_name), ''), nullif(btrim(orders.shipping_address->>'first_name'), ''))
           as first_name,
       case when shipment.status in ('delivered', 'returned') then shipment.status
            else (select event.event_type
                    from raw_ops.courier_events as event
                   where event.shipment_id = shipment.id and event.event_type in ('delivered', 'returned')
                   limit 1) end as ended
  from raw_ops.shipments as shipment
  left join raw_ops.orders on orders.id = shipment.order_id
  left join raw_ops.customers as customer on customer.id = orders.customer_id
 where shipment.id = $1
