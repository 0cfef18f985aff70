-- $1 tracking numbers, $2 the courier that reports, $3 the shop it reports to, '' where none is named: for each number the
-- shipment it names now, and in which known shops there are any. A shipment of no known shop is of its order's. A number that its
-- fulfillment has replaced is not that shipment's any more, so the event waits. Couriers use numbers again after months, and two
-- couriers may use the same one: of several the courier's own counts, before one whose courier nobody has named, before another
-- courier's; one that is still under way before one that was called off; then the one shipped last, by the shop's own
-- time, since webhooks come late. The index holds the beginning of long numbers.
select numbers.tracking_no, shipment.id, shipment.shops
  from unnest($1) as numbers(tracking_no)
 cross join lateral (
       select (array_agg(candidate.id
                         order by candidate.status in ('cancelled', 'error'),
                                  case when candidate.courier_name is null then 1
                                       when strpos(lower(candidate.courier_name), lower($2)) > 0 then 0
                                       else 2 end,
                                  coalesce(candidate.shopify_created_at, candidate.created_at) desc, candidate.id desc))[1] as id,
              coalesce(array_agg(distinct candidate.shop) filter (where candidate.shop <> ''), '{}') as shops
         from (select shipments.*, coalesce(nullif(shipments.shop_domain, ''), orders.shop_domain, '') as shop
                 from raw_ops.shipments
                 left join raw_ops.orders on orders.id = shipments.order_id
                where upper(left(shipments.tracking_no, 100)) = upper(left(numbers.tracking_no, 100))
                  and upper(shipments.tracking_no) = upper(numbers.tracking_no)
                  and shipments.status <> 'replaced') as candidate
        where $3 = '' or candidate.shop in ('', $3)) as shipment
 where shipment.id is not null
