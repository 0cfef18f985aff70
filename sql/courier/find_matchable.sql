-- $1 provider, $2 most: references of its events that wait although their shipment is here: it was written while the trigger was off, or in a
-- REPEATABLE READ transaction at the same moment.
select distinct element.reference
  from raw_ops.webhook_elements as element
 where element.provider = $1
   and element.state = 'waiting'
   and element.waits_until > now()
   and exists (select from raw_ops.shipments as shipment
                where upper(left(shipment.tracking_no, 100)) = upper(element.reference)
                  and shipment.status <> 'replaced')
 limit $2
