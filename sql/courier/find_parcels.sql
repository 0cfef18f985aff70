-- $1 tracking numbers: for each the shipment it names now. Couriers use numbers again after months: the newest counts,
-- and one that the fulfillment has replaced counts last. The index holds the beginning of long ones.
select numbers.tracking_no, shipment.id
  from unnest($1) as numbers(tracking_no)
 cross join lateral (
       select shipments.id
         from raw_ops.shipments
        where upper(left(shipments.tracking_no, 100)) = upper(left(numbers.tracking_no, 100))
          and upper(shipments.tracking_no) = upper(numbers.tracking_no)
        order by shipments.status = 'replaced', shipments.created_at desc
        limit 1) as shipment
