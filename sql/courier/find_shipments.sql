-- $1 fulfillment.
select id, tracking_no, courier_name, tracking_url, tracking_url_version, status
  from raw_ops.shipments
 where shopify_fulfillment_id = $1
