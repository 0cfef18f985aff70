-- $1 shop, $2 Shopify's id; the shop's own, else the one of no known shop. The number tells which fields are null: bit n is the n-th name in src/courier/fulfillment/mod.rs.
select courier_name, status, formal_status, tracking_numbers, shopify_updated_at, shopify_triggered_at, payload_hash,
       (courier_name is null)::int + 2 * (status is null)::int + 4 * (formal_status is null)::int
       + 8 * (tracking_numbers is null)::int as blank,
       field_versions
  from raw_ops.fulfillments
 where shopify_fulfillment_id = $2
   and shop_domain in ('', $1)
 order by shop_domain desc
 limit 1
