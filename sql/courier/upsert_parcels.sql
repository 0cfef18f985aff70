-- Rowset `parcels`: id, order_id, courier_name, tracking_no, tracking_url, status, shopify_fulfillment_id, version. A null
-- never erases what is known; an older payload changes nothing; an unchanged parcel is not written.
-- `created` is not Shopify's: the payload says nothing of a status.
insert into raw_ops.shipments as known
       (id, order_id, courier_name, tracking_no, tracking_url, status, shopify_fulfillment_id, shopify_updated_at)
select id, order_id, courier_name, tracking_no, tracking_url, coalesce(status, 'created'), shopify_fulfillment_id, version
  from parcels
    on conflict (shopify_fulfillment_id, coalesce(tracking_no, '')) where shopify_fulfillment_id is not null do update
   set courier_name = coalesce(excluded.courier_name, known.courier_name),
       tracking_url = coalesce(excluded.tracking_url, known.tracking_url),
       status = case excluded.status when 'created' then known.status else excluded.status end,
       shopify_updated_at = coalesce(excluded.shopify_updated_at, known.shopify_updated_at),
       updated_at = clock_timestamp()
 where (known.shopify_updated_at is null or excluded.shopify_updated_at is null
        or excluded.shopify_updated_at >= known.shopify_updated_at)
   and (coalesce(excluded.courier_name, known.courier_name), coalesce(excluded.tracking_url, known.tracking_url),
        case excluded.status when 'created' then known.status else excluded.status end, coalesce(excluded.shopify_updated_at, known.shopify_updated_at))
       is distinct from (known.courier_name, known.tracking_url, known.status, known.shopify_updated_at)
returning id, xmax = 0
