-- $1 provider, $2 most: by shop, references of its events that wait although their shipment is here: it was written while the trigger
-- was off, or in a REPEATABLE READ transaction at the same moment. An event that names no shop waits on while several
-- have its shipment. A shipment of no known shop is of its order's.
select element.shop_domain, array_agg(distinct element.reference) as references
  from (select distinct waiting.shop_domain, waiting.reference
          from raw_ops.webhook_elements as waiting
         where waiting.provider = $1
           and waiting.state = 'waiting'
           and waiting.waits_until > now()
           and 1 >= (select count(distinct shipment.shop) filter (where shipment.shop <> '')
                       from (select coalesce(nullif(shipments.shop_domain, ''), orders.shop_domain, '') as shop
                               from raw_ops.shipments
                               left join raw_ops.orders on orders.id = shipments.order_id
                              where upper(left(shipments.tracking_no, 100)) = upper(waiting.reference)
                                and shipments.status <> 'replaced') as shipment
                      where waiting.shop_domain = '' or shipment.shop in ('', waiting.shop_domain)
                     having count(*) > 0)
         limit $2) as element
 group by element.shop_domain
