-- $1 a shipment: the parcel, and who is to be told about it. Blank texts count as none.
select shipment.id, shipment.courier_name, shipment.tracking_no, shipment.tracking_url, orders.order_name,
       coalesce(nullif(btrim(customer.email), ''), nullif(btrim(orders.email), '')),
       coalesce(nullif(btrim(customer.first_name), ''), nullif(btrim(orders.shipping_address->>'first_name'), ''))
  from raw_ops.shipments as shipment
  left join raw_ops.orders on orders.id = shipment.order_id
  left join raw_ops.customers as customer on customer.id = orders.customer_id
 where shipment.id = $1
