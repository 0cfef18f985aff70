-- Rowset `changed`: shipments of one fulfillment of a shop ($1), new ones and those that a payload changes. The caller is alone with it.
insert into raw_ops.shipments as known
       (id, shop_domain, order_id, courier_name, tracking_no, tracking_url, tracking_url_version, status, shopify_fulfillment_id,
        shopify_created_at)
select id, $1, order_id, courier_name, tracking_no, tracking_url, tracking_url_version, status, shopify_fulfillment_id,
       shopify_created_at
  from changed
    on conflict (id) do update
   set shop_domain = excluded.shop_domain,
       courier_name = excluded.courier_name,
       tracking_no = excluded.tracking_no,
       tracking_url = excluded.tracking_url,
       tracking_url_version = excluded.tracking_url_version,
       status = excluded.status,
       shopify_created_at = coalesce(known.shopify_created_at, excluded.shopify_created_at),
       updated_at = clock_timestamp()
