-- $1 shop, $2 fulfillment: its shipments, also those of no known shop.
select id, tracking_no, courier_name, tracking_url, tracking_url_version, status
  from raw_ops.shipments
 where shopify_fulfillment_id = $2
   and shop_domain in ('', $1)
