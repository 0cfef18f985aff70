-- $1 the shop, $2 Shopify's customer ids. Always in the order of our ids, so that two drains wait for each other. The number tells
-- which fields are null: bit n is the n-th name in src/orders/fields/mod.rs.
select id, shopify_customer_id, email, shopify_updated_at, shopify_triggered_at, payload_hash,
       (email is null)::int + 2 * (first_name is null)::int + 4 * (last_name is null)::int + 8 * (phone is null)::int
       + 16 * (accepts_marketing is null)::int as blank,
       field_versions
  from raw_ops.customers
 where shop_domain = $1
   and shopify_customer_id = any ($2)
 order by id
   for no key update
