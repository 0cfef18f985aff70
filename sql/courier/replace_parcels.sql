-- $1 fulfillment, $2 the tracking numbers it has now: others it had before are replaced.
update raw_ops.shipments
   set status = 'replaced', updated_at = clock_timestamp()
 where shopify_fulfillment_id = $1
   and tracking_no is not null
   and tracking_no <> all ($2)
   and status <> 'replaced'
