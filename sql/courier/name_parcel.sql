-- $1 fulfillment, $2 tracking number: the parcel that had none yet gets its first.
update raw_ops.shipments
   set tracking_no = $2, updated_at = clock_timestamp()
 where shopify_fulfillment_id = $1
   and tracking_no is null
   and not exists (select from raw_ops.shipments as named
                    where named.shopify_fulfillment_id = $1 and named.tracking_no = $2)
