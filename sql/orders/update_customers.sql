-- Rowset `known_customers`, ordered by id: what payloads decide about people who are here, locked. Bit n of `take` is
-- the n-th name in src/orders/fields/mod.rs. A guest may turn out to be a customer.
update raw_ops.customers as c
   set shopify_customer_id = coalesce(c.shopify_customer_id, k.shopify_customer_id),
       email = case when k.take & (1 << 0) <> 0 then k.email else c.email end,
       first_name = case when k.take & (1 << 1) <> 0 then k.first_name else c.first_name end,
       last_name = case when k.take & (1 << 2) <> 0 then k.last_name else c.last_name end,
       phone = case when k.take & (1 << 3) <> 0 then k.phone else c.phone end,
       accepts_marketing = case when k.take & (1 << 4) <> 0 then k.accepts_marketing else c.accepts_marketing end,
       shopify_updated_at = k.version,
       shopify_triggered_at = k.triggered_at,
       payload_hash = k.payload_hash,
       field_versions = k.field_versions,
       updated_at = now()
  from known_customers as k
 where c.id = k.id
