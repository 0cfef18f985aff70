-- $1 tracking numbers, $2 the courier that reports: for each the shipment it names now. A number that its fulfillment has
-- replaced is not that shipment's any more, so the event waits. Couriers use numbers again after months, and two couriers
-- may use the same one: of several the courier's own counts, before one whose courier nobody has named, before another
-- courier's; one that is still under way before one that was called off; then the one shipped last, by the shop's own
-- time, since webhooks come late. The index holds the beginning of long numbers.
select numbers.tracking_no, shipment.id
  from unnest($1) as numbers(tracking_no)
 cross join lateral (
       select shipments.id
         from raw_ops.shipments
        where upper(left(shipments.tracking_no, 100)) = upper(left(numbers.tracking_no, 100))
          and upper(shipments.tracking_no) = upper(numbers.tracking_no)
          and shipments.status <> 'replaced'
        order by shipments.status in ('cancelled', 'error'),
                 case when shipments.courier_name is null then 1
                      when strpos(lower(shipments.courier_name), lower($2)) > 0 then 0
                      else 2 end,
                 coalesce(shipments.shopify_created_at, shipments.created_at) desc, shipments.id desc
        limit 1) as shipment
