-- $1 fulfillment, $2 the tracking numbers it has now: others it had before are replaced.
update raw_ops.shipments
   set status = 'replaced', updated_at = clock_timestamp()
 where shopify_fulfillment_id = $1
   and tracking_no is not null
   and not exists (select from unnest($2) as present (tracking_no) where present.tracking_no = shipments.tracking_no)
   and status <> 'replaced'
