-- Always in the order of Shopify's ids, so that two drains wait for each other and never deadlock. The number tells
-- which of the fields that are open while null are null: bit n is the n-th name in src/orders/fields.rs.
select shopify_order_id, id, customer_id, shopify_updated_at, shopify_triggered_at, payload_hash,
       (order_number is null)::int + 2 * (order_name is null)::int + 4 * (customer_id is null)::int
       + 8 * (email is null)::int + 16 * (currency is null)::int + 32 * (total_price is null)::int
       + 64 * (subtotal_price is null)::int + 128 * (total_tax is null)::int + 256 * (total_discounts is null)::int
       + 512 * (total_shipping is null)::int + 1024 * (shipping_address is null)::int
       + 2048 * (billing_address is null)::int + 4096 * (ordered_at is null)::int as blank,
       field_versions, shipping_address->>'address1' <> '' as shipping_has_street,
       billing_address->>'address1' <> '' as billing_has_street
  from raw_ops.orders
 where shopify_order_id = any ($1)
 order by shopify_order_id
   for no key update
