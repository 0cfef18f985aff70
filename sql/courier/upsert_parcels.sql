-- Rowset `parcels`: id, order_id, courier_name, tracking_no, tracking_url, status, shopify_fulfillment_id, version. A null
-- never erases what is known; an older payload changes nothing; an unchanged parcel is not written. The caller is alone with
-- the fulfillment.
-- A status never goes backwards: what is said of the fulfillment (success), or nothing (null; `created` is not Shopify's), is
-- no news about where a parcel is; and an end is taken back only by a newer payload.
-- What was there before is found by the unique key's own expression: thousands of parcels are no pairwise comparison.
insert into raw_ops.shipments as known
       (id, order_id, courier_name, tracking_no, tracking_url, status, shopify_fulfillment_id, shopify_updated_at)
select parcels.id, parcels.order_id, parcels.courier_name, parcels.tracking_no, parcels.tracking_url,
       case when before.status is null then coalesce(parcels.status, 'created')
            when parcels.status is null then before.status
            when parcels.status in ('pending', 'open', 'success')
                 and before.status not in ('created', 'pending', 'open', 'success', 'cancelled', 'error', 'replaced')
                 then before.status
            when before.status in ('delivered', 'returned') and parcels.version > before.shopify_updated_at is not true
                 then before.status
            else parcels.status end,
       parcels.shopify_fulfillment_id, parcels.version
  from parcels
  left join raw_ops.shipments as before
    on before.shopify_fulfillment_id = parcels.shopify_fulfillment_id
   and hashtextextended(coalesce(before.tracking_no, ''), 0) = hashtextextended(coalesce(parcels.tracking_no, ''), 0)
    on conflict (shopify_fulfillment_id, hashtextextended(coalesce(tracking_no, ''), 0))
         where shopify_fulfillment_id is not null do update
   set courier_name = coalesce(excluded.courier_name, known.courier_name),
       tracking_url = coalesce(excluded.tracking_url, known.tracking_url),
       status = excluded.status,
       shopify_updated_at = coalesce(excluded.shopify_updated_at, known.shopify_updated_at),
       updated_at = clock_timestamp()
 where (known.shopify_updated_at is null or excluded.shopify_updated_at is null
        or excluded.shopify_updated_at >= known.shopify_updated_at)
   and (coalesce(excluded.courier_name, known.courier_name), coalesce(excluded.tracking_url, known.tracking_url),
        excluded.status, coalesce(excluded.shopify_updated_at, known.shopify_updated_at))
       is distinct from (known.courier_name, known.tracking_url, known.status, known.shopify_updated_at)
returning id, xmax = 0
