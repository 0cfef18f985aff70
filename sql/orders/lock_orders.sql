-- Always in the order of Shopify's ids, so that two drains wait for each other and never deadlock; of which shops, as in find_orders.sql. The number tells
-- which of the fields that are open while null are null: bit n is the n-th name of ORDER in src/orders/fields/mod.rs.
select shopify_order_id, shop_domain, id, customer_id, shopify_updated_at, shopify_triggered_at, payload_hash,
       (customer_id is null)::int + 4 * (email is null)::int + 8 * (order_number is null)::int
       + 16 * (order_name is null)::int + 32 * (currency is null)::int + 64 * (total_price is null)::int
       + 128 * (subtotal_price is null)::int + 256 * (total_tax is null)::int + 512 * (total_discounts is null)::int
       + 1024 * (total_shipping is null)::int + 8192 * (shipping_address is null)::int
       + 16384 * (billing_address is null)::int + 262144 * (ordered_at is null)::int as blank,
       field_versions, shipping_address, billing_address
  from raw_ops.orders
 where shopify_order_id = any ($2)
   and shop_domain in ('', $1)
 order by shopify_order_id, shop_domain
   for no key update
