-- Rowset `fulfillment`: one row, of a shop ($1). The caller is alone with the fulfillment.
insert into raw_ops.fulfillments
       (shop_domain, shopify_fulfillment_id, courier_name, status, formal_status, tracking_numbers, shopify_updated_at,
        shopify_triggered_at, payload_hash, field_versions)
select $1, shopify_fulfillment_id, courier_name, status, formal_status, nullif(tracking_numbers, '{}'), version, triggered_at,
       payload_hash, field_versions
  from fulfillment
    on conflict (shopify_fulfillment_id, shop_domain) do update
   set courier_name = excluded.courier_name,
       status = excluded.status,
       formal_status = excluded.formal_status,
       tracking_numbers = excluded.tracking_numbers,
       shopify_updated_at = excluded.shopify_updated_at,
       shopify_triggered_at = excluded.shopify_triggered_at,
       payload_hash = excluded.payload_hash,
       field_versions = excluded.field_versions,
       updated_at = clock_timestamp()
